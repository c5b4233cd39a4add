"""Pages as files: what they contain, what they must not contain, and that they are reproducible."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import warnings
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import polars as pl
import pytest

from reports.pages.cards import Page
from reports.privacy import flow, stages
from reports.privacy.paths import publishable_moves
from reports.questions.cube import build_cube
from reports.questions.time import pacing
from reports.settings import ReportSettings
from reports.site.html import _bundle
from reports.site.packing import unshared
from reports.site.site import BuiltSite, build_site
from tests.reports import fixtures

SETTINGS = ReportSettings(title="Shop", segments=("device",))
GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.fixture(scope="module")
def built() -> BuiltSite:
    return build_site(fixtures.answers(), SETTINGS, fixtures.BUILT_AT, "runs/x")


def _data(html: str) -> dict[str, object]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', html, re.S)
    assert found
    data: dict[str, object] = json.loads(found[1])
    return data


def test_same_answers_give_the_same_bytes(built: BuiltSite) -> None:
    again = build_site(fixtures.answers(), SETTINGS, fixtures.BUILT_AT, "runs/x")
    assert again.front == built.front
    assert again.files == built.files


def test_a_page_is_small_and_refers_to_no_other_host(built: BuiltSite) -> None:
    for name, content in built.files.items():
        assert len(content) < 1_300_000, name
    html = built.front.decode()
    outside = re.sub(r"<script>.*?</script>", "", html, flags=re.S)
    assert "http" not in outside.replace("http-equiv", "")
    assert "src=" not in outside


def test_policy_allows_the_two_scripts_by_their_hashes_and_no_eval(built: BuiltSite) -> None:
    html = built.front.decode()
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', html)
    assert policy
    scripts = re.findall(r"<script>(.*?)</script>", html, re.S)
    assert len(scripts) == 2
    for script in scripts:
        assert base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() in policy[1]
    assert "unsafe-eval" not in policy[1]
    assert "default-src 'none'" in policy[1]


@pytest.mark.parametrize("can_be_kept", [True, False])
def test_the_script_that_draws_charts_is_made_once_where_it_can_be_kept(
    can_be_kept: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Mock(return_value="draw()")
    monkeypatch.setattr("vl_convert.javascript_bundle", made)
    monkeypatch.setattr("reports.site.html.cache_from_source", lambda _: str(tmp_path / "kept" / "html.pyc"))
    if not can_be_kept:
        (tmp_path / "kept").write_text("no folder")
    assert [_bundle.__wrapped__() for _ in range(2)] == ["draw()", "draw()"]
    assert made.call_count == (1 if can_be_kept else 2)


def test_every_chart_has_a_table_a_file_and_a_frame(built: BuiltSite) -> None:
    index = json.loads(built.files["site.json"])
    for page in index["pages"]:
        html = built.files[page["file"]].decode()
        for part in page["parts"]:
            assert pl.read_csv(built.files[part["csv"]]).height == len(next(iter(part["frame"].values())))
            assert f'data-save="{part["id"]}"' in html
            assert part["subtitle"]


def test_the_footer_names_the_data_and_definitions(built: BuiltSite) -> None:
    html = built.front.decode()
    for text in ("Built 30 Aug 2026 06:00 UTC from 142,380 touches", "Definitions 3f9a1c77d2", "events version 12"):
        assert text in html


def test_no_small_count_is_in_any_file() -> None:
    """Counts that are all small or reveal a small one: none of them may occur in any file."""
    secret = (1237, 1230, 617, 613, 611)
    routes = [(["Ad click", "Basket"], "abandoned", 1237, 0), (["Ad click", "Secret page"], "abandoned", 7, 0)]
    answers = fixtures.answers(
        stages=stages.publishable_stages(fixtures.funnel_frame(secret), 10, 30),
        flow=flow.publishable_flow(fixtures.flow_frame(routes), {"Order placed"}, 10),
        segments=None,
        changes=None,
        **fixtures.NOTHING_ELSE,
    )
    files = build_site(answers, SETTINGS, fixtures.BUILT_AT, "runs/x").files
    text = "".join(re.sub(r"<script>.*?</script>", "", content.decode(), flags=re.S) for content in files.values())
    assert "Secret page" not in text
    assert not re.search(r"\b1,?230\b|\b613\b", text)
    assert re.search(r"\b1,?237\b", text)


COUNTED = re.compile(r"t_(count|units|customers|many|previous|moves|visits|answers|lost)$|^(under|many)$")


def test_no_small_count_is_in_the_data_of_a_page_or_a_file_of_a_small_shop() -> None:
    """A hundredth of the customers: most counts are small, and none of them may be published."""
    routes = [(route, ended, units // 25 + 1, won // 25) for route, ended, units, won in fixtures.ROUTES]
    small = fixtures.journeys_of(400)
    few = fixtures.funnel_frame((729, 491, 332, 219, 97))
    answers = fixtures.answers(
        stages=stages.publishable_stages(few, 10, 30),
        segments=stages.publishable_segments(fixtures.segment_frame(size=0.04), 10, 30),
        flow=flow.publishable_flow(fixtures.flow_frame(routes), {"Order placed"}, 10),
        moves=publishable_moves(fixtures.transitions_frame(routes), 10),
        times=pacing.times_to_goal(
            small, pacing.summary(small, fixtures.WINDOW), fixtures.WINDOW, k=10, min_journeys=30
        ),
        cube=build_cube(fixtures.counts_of(900), fixtures.STAGES, ("device", "region"), 10),
    )
    built = build_site(answers, SETTINGS.model_copy(update={"static": True}), fixtures.BUILT_AT, "runs/x")
    looked_at = 0
    for name, content in built.files.items():
        if name.endswith(".html") and name not in ("report_static.html", "brief.html"):
            for field, text in _fields(_charts(content.decode())):
                if COUNTED.search(field):
                    looked_at += 1
                    assert not re.match(r"[1-9](?![\d,.])", text), f"{name}: {field} {text}"
        if name.endswith(".csv"):
            frame = pl.read_csv(content)
            for column in {"customers", "journeys", "units", "reached", "previous", "dropped", "transitions"} & set(
                frame.columns
            ):
                looked_at += 1
                assert not frame[column].drop_nulls().is_between(1, 9).any(), f"{name}: {column}"
    assert looked_at > 300


def _charts(html: str) -> list[dict[str, Any]]:
    """The charts of a page, their datasets in full."""
    data: Any = _data(html)
    return [
        chart | {"data": [unshared(columns, data["shared"]) for columns in chart["data"].values()]}
        for chart in data["charts"].values()
    ]


def _fields(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Every text of a page's data with the name of its field."""
    if isinstance(value, dict):
        for key, one in value.items():
            yield from _fields(one, name if key in ("of", "at", "times") else key)
    elif isinstance(value, list):
        for one in value:
            yield from _fields(one, name)
    elif isinstance(value, str):
        yield name, value


def test_too_few_customers_give_a_note_instead_of_a_chart() -> None:
    answers = fixtures.answers(
        stages=stages.publishable_stages(fixtures.funnel_frame((22, 12, 0, 0, 0)), 10, 30),
        segments=None,
        flow=None,
        pace=None,
        changes=None,
        voice=None,
        **fixtures.NOTHING_ELSE,
    )
    html = build_site(answers, SETTINGS, fixtures.BUILT_AT, "runs/x").front.decode()
    assert "Too few customers for a rate" in html
    assert "%" not in re.sub(r"<(style|script|footer).*?</\1>|9[05] %", "", html, flags=re.S)


def test_empty_lake_gives_a_page_that_says_so() -> None:
    built = build_site(None, SETTINGS, fixtures.BUILT_AT, "runs/x")
    html = built.front.decode()
    assert "Nothing has happened yet" in html
    assert "No journeys yet" in html


def test_a_page_without_scripts_contains_every_chart_as_svg() -> None:
    settings = SETTINGS.model_copy(update={"static": True})
    built = build_site(fixtures.answers(), settings, fixtures.BUILT_AT, "runs/x")
    html = built.files["report_static.html"].decode()
    assert (
        "Point at a touchpoint" in built.files["routes.html"].decode()
        and "Point at" not in html
        and "Click bars" not in html
    )
    assert "<script" not in html
    assert "script-src 'none'" in html
    assert html.count("<svg ") == html.count('class="chart"') >= 10
    assert "http" not in re.sub(r'xmlns(:xlink)?="[^"]*"', "", html).replace("http-equiv", "")


def test_the_single_page_report_contains_every_card_once(built: BuiltSite) -> None:
    html = built.files["report.html"].decode()
    ids = re.findall(r'<figure class="card s\d+" id="([^"]*)"', html)
    assert len(ids) == len(set(ids))
    assert {"funnel", "segments", "flow", "trend"} <= set(ids)


def test_a_notice_warns_of_old_data(built: BuiltSite) -> None:
    assert "before this report was built" not in built.front.decode()
    later = build_site(fixtures.answers(), SETTINGS, fixtures.BUILT_AT + timedelta(days=3), "runs/x")
    assert "The data end 3 days before this report was built" in later.front.decode()


def _golden(name: str, content: str) -> None:
    file = GOLDEN / name
    if not file.exists():
        file.parent.mkdir(exist_ok=True)
        file.write_text(content, encoding="utf-8")
        warnings.warn(f"{name} was written: look at it and run again", stacklevel=2)
    assert content == file.read_text(encoding="utf-8")


def _pages(built: BuiltSite) -> list[Page]:
    return list(built.pages)


def test_chart_specifications_equal_the_golden_files(built: BuiltSite) -> None:
    for page in _pages(built):
        for part in page.parts:
            if part.spec is not None:
                _golden(f"{part.id}.json", json.dumps(part.spec, indent=0, ensure_ascii=False, sort_keys=True) + "\n")


def test_texts_of_the_pages_equal_the_golden_file(built: BuiltSite) -> None:
    lines = []
    for page in _pages(built):
        lines += [f"# {page.title}", page.lede]
        lines += [f"- {v.label}: {v.value} | {v.detail} | {v.change}" for v in page.values]
        for part in page.parts:
            lines += [f"## {part.title}", f"{part.subtitle} {part.gesture}".rstrip()]
            lines += [" | ".join(row) for row in (part.table.heads, *part.table.rows)] if part.table else []
    _golden("words.txt", "\n".join(lines) + "\n")


def test_window_is_given_in_words() -> None:
    html = build_site(fixtures.answers(window=timedelta(days=14)), SETTINGS, fixtures.BUILT_AT, "runs/x").front.decode()
    assert "within 14 days of their beginning" in html
