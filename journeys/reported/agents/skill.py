"""The skill file: how an agent asks, in Markdown, which `journeys agents skill` writes and the server offers."""

from __future__ import annotations

from pathlib import Path
from typing import Final

FILE: Final = Path(__file__).parent / "SKILL.md"


def skill_text() -> str:
    """The skill file."""
    return FILE.read_text(encoding="utf-8")
