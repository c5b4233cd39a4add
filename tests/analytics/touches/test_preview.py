"""The preview names touchpoints as the rules would, and finds addresses that differ in an identity only."""

from __future__ import annotations

import polars as pl

from analytics.touches.preview import touchpoints, url_templates
from analytics.touches.rules import TouchpointRule


def events(rows: list[tuple[str, str | None]]) -> pl.LazyFrame:
    return pl.LazyFrame(rows, schema={"event_name": pl.String, "url": pl.String}, orient="row")


def test_touchpoints_are_named_by_the_rules_and_dropped_events_are_listed() -> None:
    rules = [TouchpointRule(events=["view_*"], name="View"), TouchpointRule(events=["ping"], drop=True)]
    table = touchpoints(events([("view_a", None), ("view_b", None), ("ping", None)]), rules)
    assert table["touchpoint", "event_names", "events"].rows() == [
        ("View", ["view_a", "view_b"], 2),
        (None, ["ping"], 1),
    ]


def test_numbers_and_hashes_are_identities() -> None:
    urls = ["https://shop.test/p/17?x=1", "/p/18/", "/p/0f8fad5bd9cb469fa165/reviews", "/p/9/reviews"]
    assert url_templates(events([("view", url) for url in urls]))["template", "urls"].rows() == [
        ("/p/{id}", 2),
        ("/p/{id}/reviews", 2),
    ]


def test_many_words_in_one_place_are_identities_and_few_are_not() -> None:
    many = [("view", f"/blog/{word}-story") for word in "abcdefghijklmnopq"]
    few = [("view", "/c/kids"), ("view", "/c/bath")]
    table = url_templates(events(many + few))
    assert set(table["template"]) == {"/blog/{id}", "/c/kids", "/c/bath"}


def test_no_addresses_and_no_events() -> None:
    assert url_templates(events([("view", None)])).is_empty()
    assert touchpoints(events([])).is_empty()
