"""Trend and retention answer what the command and Python answer, and their words are those of their numbers."""

from __future__ import annotations

import json
import random
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.explorer.asking import commanded, drawn
from tests.explorer.shop import asked, got

TREND = ("period", "entered", "reached", "open", "share_of_entered", "share_of_entered_low")
RETENTION = ("is_total", "cohort", "size", "eligible", "after", "returned", "share", "share_high")


def numbers(rows: list[dict[str, Any]], names: tuple[str, ...]) -> list[tuple[Any, ...]]:
    """The rows with times as times, whatever they are written as."""
    return [tuple(_plain(row[name]) for name in names) for row in rows]


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    return value.timestamp() if isinstance(value, datetime) else value


def everywhere(found: dict[str, Any], names: tuple[str, ...]) -> tuple[list[tuple[Any, ...]], ...]:
    """The numbers of an answer in the explorer, in Python and of the command."""
    space: dict[str, Any] = {}
    exec(found["elsewhere"]["python"], space)
    answers = (found["rows"], space["answer"].to_dicts(), commanded(found["elsewhere"]["command"], "--json"))
    own, python, command = (numbers(rows, names) for rows in answers)
    return own, python, command


@pytest.mark.parametrize("seed", range(6))
def test_a_trend_is_one_answer(seed: int, port: int, config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(config.parent)
    draw = random.Random(seed)
    question = {name: given for name, given in drawn(draw).items() if name != "by"}
    question |= {
        "steps": [*question["steps"], "Order"],
        "kind": "trend",
        "period": draw.choice(["week", "month", "day"]),
    }
    status, found = asked(port, question)
    assert status == 200, found
    own, python, command = everywhere(found, TREND)
    assert own == python == command
    if "cards" not in found:
        assert found["state"] == "nobody"
        return
    points = found["cards"][0]["points"]
    assert [point["is_open"] for point in points] == [row["open"] > 0 for row in found["rows"]]
    assert [point["share"] is None for point in points] == [row["entered"] < 30 for row in found["rows"]]
    if found["left_out"] and question.get("count", "customers") == "customers":
        lost = sum(row["count"] for row in found["left_out"] if row["kind"] == "out")
        ends = {row["kind"]: row["count"] for row in found["left_out"]}
        assert ends["all"] - lost - ends["open"] == ends["in"]


def test_a_trend_names_the_period_that_stands_out_alone(port: int) -> None:
    question = {"kind": "trend", "steps": ["Home", "Order"], "window": "3d"}
    assert asked(port, question)[1]["said"].startswith("Too few weeks to compare: ")
    found = asked(port, question | {"period": "month"})[1]
    clear = [point for point in found["cards"][0]["points"] if point["clear"]]
    assert found["said"].startswith(("Up to ", "Down to ") if clear else "Steady: ")
    few = asked(port, question | {"start": "2026-01-05", "end": "2026-01-06"})[1]
    assert few["few"] and "%" not in few["said"] and few["lines"] == []
    assert asked(port, question | {"start": "2020-01-06", "end": "2020-01-13"})[1]["state"] == "nobody"
    assert asked(port, question | {"steps": ["Home"]})[1]["what"] == "A trend is of a share."


@pytest.mark.parametrize("seed", range(6))
def test_retention_is_one_answer(seed: int, port: int, config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(config.parent)
    draw = random.Random(seed)
    question = {name: given for name, given in drawn(draw).items() if name in ("steps", "segment")}
    question |= {"kind": "retention", "steps": question["steps"][:2], "period": draw.choice(["week", "day"])}
    question |= {"returns": draw.choice(["on", "on_or_after"])}
    status, found = asked(port, question)
    assert status == 200, found
    own, python, command = everywhere(found, RETENTION)
    assert own == python == command
    assert "toml" not in found["elsewhere"]
    if not found["cards"]:
        assert found["rows"] == []
        return
    all_, *cohorts = found["cards"][0]["rows"]
    assert all_["name"] == "All" and len(cohorts) <= 14
    lost = sum(row["count"] for row in found["left_out"] if row["kind"] in ("out", "open"))
    assert found["left_out"][0]["count"] - lost == found["left_out"][-1]["count"] == found["rows"][0]["eligible"]
    assert all(row["count"] >= 0 for row in found["left_out"])


def test_retention_has_a_start_and_a_return(port: int) -> None:
    found = asked(port, {"kind": "retention", "steps": ["Home", "Cart", "Order"]})
    assert (found[0], found[1]["what"]) == (422, "Retention has a first step and a return.")
    found = asked(port, {"kind": "retentoin", "steps": ["Home"]})
    assert (found[0], found[1]["what"]) == (422, "There is no kind of question 'retentoin'.")


def test_the_page_is_told_what_each_kind_offers(port: int) -> None:
    kinds = json.loads(got(port, "/api/vocabulary")[2])["kinds"]
    ways = ["walk", "funnel", "flow", "trend", "retention", "compare"]
    assert list(kinds) == [*ways, "goals", "attribution", "voice"]
    for kind in kinds.values():
        for option, choices in kind["choices"].items():
            assert f"{{{option}}}" in kind["rules"] and choices
