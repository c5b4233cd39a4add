"""Slides: one per card, with its title, its chart or table, and the table in the notes; names are text."""

from __future__ import annotations

import io
from typing import Any

import pytest

from reports.pages.cards import Page
from reports.pages.summary import summary_page
from reports.pages.targets import cohorts_card, targets_card
from reports.settings import ReportSettings
from reports.site.slides import MAX_ROWS, slides
from tests.reports import fixtures
from tests.reports.pages.test_targets import HOSTILE, SETTINGS, answers_for, journey, shop

pptx = pytest.importorskip("pptx")


def deck_of(*pages: Page) -> list[Any]:
    """The slides of pages."""
    made = slides(pages, "Shop", "June", "Rates are over journeys", fixtures.BUILT_AT)
    assert made == slides(pages, "Shop", "June", "Rates are over journeys", fixtures.BUILT_AT)
    return list(pptx.Presentation(io.BytesIO(made)).slides)


def kinds(slide: Any) -> tuple[bool, bool]:
    """Whether a slide has a picture, and a table."""
    return any(shape.shape_type == 13 for shape in slide.shapes), any(shape.has_table for shape in slide.shapes)


def test_every_card_is_a_slide_with_its_title_chart_and_table() -> None:
    page = summary_page(fixtures.answers(), ReportSettings())
    first, *rest = deck_of(page, page)
    assert first.shapes.title.text_frame.text == page.title
    assert [slide.shapes.title.text_frame.text for slide in rest] == [part.title for part in page.parts]
    for slide, part in zip(rest, page.parts, strict=True):
        assert kinds(slide) == (part.spec is not None, part.spec is None)
        notes = slide.notes_slide.notes_text_frame.text
        assert part.table is not None and all(cell in notes for row in part.table.rows for cell in row)


def test_a_long_table_says_that_the_rest_is_in_the_notes_and_hostile_names_are_text() -> None:
    answers = answers_for(shop(), journey(HOSTILE + "\x1b[31m\ufffe\x00", owner=HOSTILE), journey("Second"))
    cards = targets_card(answers, SETTINGS), cohorts_card(answers, SETTINGS)
    page = Page(slug="a", name="A", title=HOSTILE + "\x0b", lede="", parts=tuple(card for card in cards if card))
    _, targets, cohorts = deck_of(page)
    assert kinds(targets) == (True, False) and kinds(cohorts) == (False, True)
    table = next(shape.table for shape in cohorts.shapes if shape.has_table)
    assert len(table.rows) == MAX_ROWS + 1
    assert any("in the notes" in shape.text_frame.text for shape in cohorts.shapes if shape.has_text_frame)
