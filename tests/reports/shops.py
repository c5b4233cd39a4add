"""A small shop whose report takes a second: 900 customers, of whom one in three orders."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

from analytics import Paths
from analytics.touches.rules import PathRules, StageRule
from expectations.lake import files
from expectations.lake.layout import Lake
from reports.settings import ReportSettings

BUILT_AT = datetime(2026, 8, 30, 6, tzinfo=UTC)
STEPS = (("Ad", "Awareness"), ("Product", "Interest"), ("Order", "Action"))
RULES = PathRules(goal=["Order"], stages=[StageRule(name=stage, touchpoints=[name]) for name, stage in STEPS])
SETTINGS = ReportSettings(window="7d", compare="14d", segments=("device",))
START = datetime(2026, 6, 1, tzinfo=UTC)


def shop(folder: Path, every: int = 3, customers: int = 900, erasures: int = 0) -> Lake:
    """The lake of a shop in which one in `every` customers orders, after so many erasures."""
    lake = Lake(str(folder))
    rows = [
        {"customer": str(number), "at": START + timedelta(hours=number, minutes=minute), "touchpoint": name}
        | {"stage": stage, "channel": "web", "linked": "login", "device": ("app", "desktop", "phone")[number % 7 % 3]}
        for number in range(customers)
        for minute, (name, stage) in enumerate(STEPS[: 3 if number % every == 0 else 2])
    ]
    Paths.from_frame(pl.DataFrame(rows), end_of_data=START + timedelta(days=60), rules=RULES).save(lake)
    for number in range(erasures):
        files.create(f"{lake.table('erasures')}/{number + 1:06}", b"\n")
    return lake
