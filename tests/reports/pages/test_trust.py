"""The card of maturity says where to begin, and names no value that is not known."""

from __future__ import annotations

import polars as pl

from reports.pages.trust import maturity_card
from tests.reports.fixtures import answers, maturity_frame


def test_the_card_begins_with_the_lowest_domain_and_says_what_is_not_known() -> None:
    card = maturity_card(answers(maturity=maturity_frame("next <b>")))
    assert card is not None and card.table is not None and card.spec is not None and card.narrow is not None
    assert card.title == "How mature the work on journeys is, by its own account"
    assert card.subtitle.endswith("○ the last time. Begin with acting. Is it so? Next step: next <b>.")
    assert card.spec["description"] == (
        "Listening: 2.5, started; Understanding: 3.0, started; Designing: too few answers; "
        "Connecting: 5.0, a habit; Acting: 2.2, started."
    )
    assert card.table.rows[2][1:6] == ("–", "–", "–", "–", "too few answers")


def test_all_domains_have_a_value_in_the_title() -> None:
    frame = maturity_frame().with_columns(value=pl.lit(2.84), level=pl.lit("repeatable"), last=pl.lit(None, pl.Float64))
    card = maturity_card(answers(maturity=frame))
    assert card is not None and card.title == "By its own account, work on journeys is “repeatable”: 2.8 of 5"
    assert "the last time" not in card.subtitle and "Begin with listening. Is it so?" in card.subtitle
    assert maturity_card(answers(maturity=None)) is None
