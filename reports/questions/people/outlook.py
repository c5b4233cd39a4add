"""How many of the journeys under way should reach the goal, and did such chances hold before?"""

from __future__ import annotations

from typing import Final

import polars as pl

from reports.privacy.people.outlook import publishable_outlook
from reports.privacy.steps import Steps
from reports.questions.answers import Outlook
from reports.questions.people.asked import Ahead
from reports.settings import ReportSettings

UNUSED: Final = "base rate"
"""The model of which nothing is told: it knows no more than the share of all."""
BANDS: Final = pl.Schema(
    {
        "band": pl.Int64(),
        **dict.fromkeys(("chance_from", "chance_to"), pl.Float64()),
        **dict.fromkeys(("customers", "expected_goals", "expected_low", "expected_high"), pl.Int64()),
        **dict.fromkeys(("tested", "tested_goals"), pl.Int64()),
        **dict.fromkeys(("expected", "seen", "seen_low", "seen_high"), pl.Float64()),
        "state": pl.String(),
    }
)


def published_outlook(settings: ReportSettings, ahead: Ahead | None, steps: Steps) -> Outlook | None:
    """The outlook within the longest horizon; null without a prediction, where none was better on held-back time than
    the base rate, and for few customers under way.

    Columns: `band` of chance (1 to 4; null: all) with its ends, `customers` under way (in tens), `expected_goals` with
    a 95 % interval; of the same band on held-back time `tested` customers, `tested_goals`, what was `expected`, and
    what was `seen` with its Wilson interval; `state`.
    """
    if ahead is None or ahead.forecast.model == UNUSED:
        return None
    found, horizon = ahead.forecast, ahead.definition.longest
    rows = found.outlook.filter(pl.col("horizon") == horizon).to_dicts()
    published = publishable_outlook(rows, settings.k, settings.least, steps)
    if not published[0]["customers"]:
        return None
    frame = pl.DataFrame([{name: row[name] for name in BANDS} for row in published], schema=BANDS)
    return Outlook(
        frame=frame.with_columns(pl.col(pl.Float64).round(4)),
        goal=ahead.definition.named.name,
        horizon=horizon,
        model=found.model,
        at=found.at.astimezone(settings.zone),
        tested=found.tested.astimezone(settings.zone),
        learned=len(found.learned),
    )
