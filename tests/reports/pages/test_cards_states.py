"""What a card says where nothing is safe to show, or nothing is there."""

from __future__ import annotations

import polars as pl

from reports.pages import stages
from reports.privacy.stages import FEW, SHOWN, WITHHELD
from reports.settings import ReportSettings
from tests.reports import fixtures


def said(state: str) -> str | None:
    frame = fixtures.answers().segments
    assert frame is not None
    answers = fixtures.answers(segments=frame.with_columns(state=pl.lit(state)))
    part = stages.segments_card(answers, ReportSettings())
    assert part is not None and (part.spec is None) == (part.state is not None) == (part.narrow is None)
    return part.state.headline if part.state else None


def test_a_card_of_groups_says_whether_they_are_withheld_or_too_few() -> None:
    assert said(WITHHELD) == "Withheld to protect privacy"
    assert said(FEW) == "Too few customers in every group"
    assert said(SHOWN) is None
