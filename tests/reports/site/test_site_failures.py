"""A chart or a page that cannot be made costs no other: the card says so, and so do site.json and the command."""

from __future__ import annotations

import json
import logging

import polars as pl
import pytest

from reports.charts.moves.graph import move_graph, narrow_move_graph
from reports.pages.cards import Page, Part
from reports.settings import ReportSettings
from reports.site import site
from reports.site.site import build_site, with_own_ids
from tests.reports import fixtures

SETTINGS = ReportSettings(segments=("device", "region"))


def failing(*_: object, **__: object) -> None:
    raise KeyError("oops")


def test_a_chart_that_cannot_be_drawn_is_told_in_its_card_and_keeps_its_table(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    whole = build_site(fixtures.answers(), SETTINGS, fixtures.BUILT_AT, "runs/x")
    monkeypatch.setattr("reports.pages.routes.move_graph", failing)
    with caplog.at_level(logging.ERROR):
        built = build_site(fixtures.answers(), SETTINGS, fixtures.BUILT_AT, "runs/x")
    assert built.failures == ("moves: KeyError: 'oops'",) and whole.failures == ()
    assert "moves could not be made" in caplog.text and "Traceback" in caplog.text
    assert json.loads(built.files["site.json"])["failures"] == list(built.failures)
    page = built.files["routes.html"].decode()
    card = page[page.index('id="moves"') : page.index("</figure>", page.index('id="moves"'))]
    assert "This chart could not be drawn" in card and "<table>" in card
    assert built.files["data/moves.csv"] == whole.files["data/moves.csv"]
    others = [name for name in whole.files if name not in ("routes.html", "report.html", "site.json")]
    assert all(built.files[name] == whole.files[name] for name in others)


def test_a_page_that_cannot_be_made_leaves_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(site.PAGES, "change", failing)
    built = build_site(fixtures.answers(), SETTINGS, fixtures.BUILT_AT, "runs/x")
    assert built.failures == ("change: KeyError: 'oops'",)
    assert "This page could not be made" in built.files["change.html"].decode()
    assert {"index.html", "customers.html", "routes.html", "journey.html", "trust.html"} <= built.files.keys()


def test_a_touchpoint_whose_moves_in_are_all_withheld_is_drawn_by_its_moves_out() -> None:
    moves = pl.DataFrame(
        [("START", "home", 300), ("home", "page", 300), ("oops", "buy", 60), ("buy", "END_converted", 60)],
        schema=["source", "target", "transitions"],
        orient="row",
    ).with_columns(pl.lit(0.5).alias("share"))
    for chart in (move_graph(moves, {}, {"buy"}), narrow_move_graph(moves, {}, {"buy"})):
        assert "oops" in json.dumps(chart.to_dict(validate=False))


def test_two_cards_of_one_id_have_files_of_their_own_and_one_on_two_pages_has_one() -> None:
    def card(name: str, value: int) -> Part:
        return Part(id=name, title="A card", subtitle="", frame=pl.DataFrame({"n": [value]}))

    one, other, upper = card("flow", 1), card("flow", 2), card("Flow", 3)
    pages = [
        Page(slug=str(n), name="", title="", lede="", parts=parts)
        for n, parts in enumerate([(one, other), (one, upper)])
    ]
    ids = [[part.id for part in page.parts] for page in with_own_ids(tuple(pages))]
    assert ids == [["flow", "flow-2"], ["flow", "Flow-3"]]


def test_every_card_of_a_site_has_a_csv_file_with_its_own_frame() -> None:
    built = build_site(fixtures.answers(), SETTINGS, fixtures.BUILT_AT, "runs/x")
    parts = {part.id: part for page in built.pages for part in page.parts}
    files = [name for name in built.files if name.startswith("data/")]
    assert len(files) == len(parts) == len({name.lower() for name in files})
