"""A lake of paths with two stages and a goal, for the commands about them."""

from __future__ import annotations

from pathlib import Path

import pytest

from analytics import PathRules, Paths

TOML = '[lake]\naddress = "lake"\n[[segments]]\nname = "Carts"\nall = [{ did = "cart" }]\n'
RULES = PathRules(
    goal=["buy"], stages=[{"name": "Interest", "touchpoints": ["look"]}, {"name": "Desire", "touchpoints": ["cart"]}]
)


def configured(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Writes a configuration with a segment; the terminal is wide."""
    monkeypatch.setattr("journeys.terminal.out.width", 160)
    (folder / "journeys.toml").write_text(TOML)
    return folder / "journeys.toml"


def saved(config: Path, people: dict[str, str]) -> Paths:
    """The paths of people, by text, as the lake of a configuration holds them."""
    Paths.from_text(people, end="60d", rules=RULES).save(config.parent / "lake" / "paths")
    return Paths.open(config.parent / "lake" / "paths")
