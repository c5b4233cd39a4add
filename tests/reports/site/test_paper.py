from __future__ import annotations

import io
import re
from dataclasses import replace

import polars as pl
import pytest
from pypdf import PdfReader

from reports.charts.canvas import PAPER
from reports.charts.stages.act_first import act_first
from reports.pages.cards import Page, Part
from reports.settings import ReportSettings
from reports.site.paper import pdf
from reports.site.site import BuiltSite, build_site
from reports.words.tables import Table
from tests.reports import fixtures


@pytest.fixture(scope="module")
def built() -> BuiltSite:
    return build_site(fixtures.answers(), ReportSettings(segments=("device",)), fixtures.BUILT_AT, "runs/x")


def words(text: str) -> str:
    """The text without white space, which a PDF has at other places."""
    return re.sub(r"\s+", "", text)


def sheets(made: bytes) -> list[str]:
    return [words(page.extract_text()) for page in PdfReader(io.BytesIO(made)).pages]


def test_the_summary_is_one_a4_sheet_and_every_card_is_printed_once(built: BuiltSite) -> None:
    pages = [page for page in built.pages if page.slug != "explore"]
    made = pdf(pages, "Shop", "5 Jan – 4 Apr 2026", "Intervals are 95 %.")
    assert pdf(pages, "Shop", "5 Jan – 4 Apr 2026", "Intervals are 95 %.") == made
    reader, read = PdfReader(io.BytesIO(made)), sheets(made)
    assert {tuple(map(round, page.mediabox[2:])) for page in reader.pages} == {(596, 842)}
    for text in (pages[0].title, pages[0].lede, "Shop", "5 Jan – 4 Apr 2026", *(part.title for part in pages[0].parts)):
        assert words(text) in read[0], text
    for number, text in enumerate(read, 1):
        assert f"{number}of{len(read)}" in text and "Intervalsare95%." in text
    parts = {part.id: part for page in pages for part in page.parts}
    marks = [str(mark["/Title"]) for marks in reader.outline if isinstance(marks, list) for mark in marks]  # type: ignore[call-overload]
    assert marks == [part.title for part in parts.values()]


def test_a_card_is_never_broken_and_never_leaves_the_sheet(built: BuiltSite) -> None:
    rows = tuple((f"row {index}", str(index)) for index in range(40))
    long = Part("long", "A long table", "", pl.DataFrame({"a": [1]}), table=Table(("Name", "Count"), rows))
    funnel = next(part for part in built.pages[0].parts if part.id == "funnel")
    page = Page("x", "Many cards", "A headline", "", tuple(replace(long, id=f"long{index}") for index in range(3)))
    tall = Page(
        "y", "Tall", "Tall", "", (replace(funnel, id="tall", paper=lambda: {**(funnel.spec or {}), "height": 4000}),)
    )
    read = sheets(pdf([page, tall], "Shop"))
    assert [text.count("Alongtable") for text in read] == [1, 1, 1, 0]
    assert [text.count("row23") for text in read] == [1, 1, 1, 0]
    assert "row24" not in "".join(read) and read[0].count("and16morerowsonthepage") == 1
    assert "Tall" in read[3] and words(funnel.title) in read[3]


def test_a_card_without_a_chart_says_why(built: BuiltSite) -> None:
    answers = fixtures.answers()
    few = build_site(answers, ReportSettings(segments=("device",), least=10**9), fixtures.BUILT_AT, "runs/x").pages[0]
    assert any(part.state is not None for part in few.parts)
    assert "Toofewcustomersforarate" in sheets(pdf([few], "Shop"))[0]
    empty = build_site(None, ReportSettings(), fixtures.BUILT_AT, "runs/x").pages
    assert words(empty[0].title) in sheets(pdf(empty, "Shop"))[0]


def test_problems_left_out_on_paper_are_counted() -> None:
    frame = fixtures.answers().problems
    assert frame is not None and frame.height > 1
    assert "more on the page" not in str(act_first(frame, PAPER).to_dict())
    assert f"and {frame.height - 1} more on the page" in str(act_first(frame, PAPER, max_rows=1).to_dict())
