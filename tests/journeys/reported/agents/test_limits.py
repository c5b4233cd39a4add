"""Every question of mode mine ends at the limit of time, and when its call is cancelled, before it reads a part."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import anyio
import pytest

from explorer import work
from explorer.work import StoppedError
from journeys.reported.agents.agents import tools_of
from journeys.reported.agents.limits import CANCELLED, watcher_of_call
from journeys.reported.agents.server import answer_of
from tests.journeys.reported.agents.test_published import asked, refused

DAYS = {"before": "2024-01-01..2024-01-05", "after": "2024-01-06..2024-01-09"}
QUESTIONS: list[tuple[str, dict[str, Any]]] = [
    ("why", {"of": "Bought", **DAYS}),
    ("standing", {"by": ["device"]}),
    *(("ask", {"of": kind, "steps": ["look", "buy"]}) for kind in ("funnel", "trend", "retention")),
    ("ask", {"of": "walk", "steps": ["look"]}),
]


@pytest.mark.parametrize(("name", "arguments"), QUESTIONS, ids=lambda value: str(value)[:12])
def test_a_question_past_the_limit_is_refused_while_it_reads(
    config: Path, monkeypatch: pytest.MonkeyPatch, name: str, arguments: dict[str, Any]
) -> None:
    tools = tools_of(config, [], mine=True)
    asked(tools, "vocabulary", find="touchpoints")
    checks: list[work.Watcher] = []
    check = work.Watcher.check

    def late(watcher: work.Watcher) -> None:
        """The first check is that of the beginning; by the second the time is over."""
        checks.append(watcher)
        if len(checks) > 1:
            watcher.since -= watcher.limit + 1
        check(watcher)

    monkeypatch.setattr(work.Watcher, "check", late)
    error = refused(tools, name, **arguments)
    assert error["code"] == "TIME" and error["error"] == "The question took longer than 30 seconds."
    assert "fewer weeks" in error["do"] and len(checks) > 1
    monkeypatch.undo()
    assert asked(tools, name, **arguments)["mode"] == "mine"


def test_a_cancelled_call_stops_its_question() -> None:
    begun, ended = threading.Event(), threading.Event()

    def call(name: str, _: Mapping[str, Any] | None) -> tuple[str, bool]:
        begun.set()
        assert CANCELLED.get().wait(60)
        with pytest.raises(StoppedError):
            watcher_of_call().check()
        ended.set()
        return name, False

    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(answer_of, call, "why", {})
            await anyio.to_thread.run_sync(begun.wait, 60)
            tasks.cancel_scope.cancel()

    anyio.run(main)
    assert ended.wait(60)
