"""`[brief]` of journeys.toml: the brief of a report to a command of the user's own, for mail or chat."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from expectations.errors import ConfigurationError
from journeys.reported.own_command import run_own

if TYPE_CHECKING:
    from journeys.settings import Settings

BRIEF_SENT: Final = "brief_sent.json"
"""The file of the lake that says which brief was sent last, and when."""
_ENOUGH: Final = 0.9
"""The part of `every` after which the next brief is due: a round that begins a little earlier sends it, too."""


def send_brief(settings: Settings, page: bytes, at: datetime | None = None) -> None:
    """Gives the page to the command of `[brief]`, and notes in the lake that it was sent.

    Raises `ConfigurationError` without a command, and `ReportError` where it fails: the page is sent again next time.
    """
    from expectations.lake import files

    if not settings.brief.command:
        raise ConfigurationError("Nobody gets the brief.", where=str(settings.file.path), expected="command in [brief]")
    run_own(settings, "brief", page)
    note = {"digest": sha256(page).hexdigest(), "at": (at or datetime.now(UTC)).isoformat()}
    files.write(settings.lake.table(BRIEF_SENT), json.dumps(note).encode())


def is_due(settings: Settings, page: bytes, at: datetime) -> bool:
    """Whether a brief is sent at this time: none is sent twice, and none before `every` of `[brief]` has passed."""
    from expectations.lake import files

    content = files.read(settings.lake.table(BRIEF_SENT))
    if content is None:
        return True
    note: dict[str, Any] = json.loads(content)
    if note["digest"] == sha256(page).hexdigest():
        return False
    every = settings.brief.every
    return every is None or (at - datetime.fromisoformat(note["at"])) >= _ENOUGH * every
