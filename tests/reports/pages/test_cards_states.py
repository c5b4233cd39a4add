"""A card explains why it shows no chart: everything is withheld, or there are too few customers."""

from __future__ import annotations

import polars as pl

from reports.pages import customers
from reports.privacy.stages import FEW, SHOWN, WITHHELD
from reports.settings import ReportSettings
from tests.reports import fixtures


def state_of(state: str) -> str | None:
    frame = fixtures.answers().segments
    assert frame is not None
    answers = fixtures.answers(segments=frame.with_columns(state=pl.lit(state)))
    part = customers.segments_card(answers, ReportSettings())
    assert part is not None and (part.spec is None) == (part.state is not None) == (part.narrow is None)
    return part.state.headline if part.state else None


def test_a_card_of_groups_distinguishes_withheld_from_too_few() -> None:
    assert state_of(WITHHELD) == "Withheld to protect privacy"
    assert state_of(FEW) == "Too few customers in every group"
    assert state_of(SHOWN) is None
