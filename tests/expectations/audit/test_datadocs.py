"""The data docs show which expectations passed when, make no request, and run nothing from the data."""

from __future__ import annotations

import re
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from expectations.audit import results
from expectations.audit.datadocs import by_day, pages, publish
from expectations.lake.layout import Lake
from tests.expectations.events import START

HOSTILE = '<script>window.ran = true</script><img src="https://example.org/x" onerror="window.ran = true">'


def result(**changed: Any) -> dict[str, Any]:
    row = {
        "checked_at": START,
        "suite": "order",
        "table": "events",
        "day": START.date(),
        "expectation": "expect_column_values_to_not_be_null",
        "columns": ["order_id"],
        "belief": "order_id values must never be null.",
        "severity": "refuse",
        "passed": True,
        "judged": 10,
        "failed": 0,
        "observed": None,
        "failure": "",
        "since": None,
        "version": 1,
    }
    return row | changed


def results_of(*rows: dict[str, Any]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=results.RESULTS)


def test_checks_of_later_rows_add_up_and_the_last_one_counts_for_a_whole_day() -> None:
    mean = {"expectation": "expect_column_mean_to_be_between", "belief": "mean", "failed": None}
    found = by_day(
        results_of(
            result(passed=False, failed=2),
            result(**mean, passed=False, observed=1.0, judged=3),
            result(judged=5, since=1, version=3),
            result(**mean, passed=True, observed=2.0, judged=8, version=3),
        )
    )
    columns = ["belief", "passed", "judged", "failed", "observed"]
    assert found.select(columns).rows() == [
        ("order_id values must never be null.", False, 15, 2, None),
        ("mean", True, 8, None, 2.0),
    ]


def test_a_repeated_check_counts_once() -> None:
    cut_short = result(failed=2, passed=False, since=1, version=3)
    again = result(failed=3, judged=20, passed=False, since=1, version=4)
    found = by_day(results_of(result(), cut_short, again))
    assert found.select("judged", "failed").rows() == [(30, 3)]
    whole = result(judged=40, failed=0, version=5)
    assert by_day(results_of(result(), again, whole)).select("judged", "failed", "passed").rows() == [(40, 0, True)]


def test_one_page_per_suite_with_the_failures_of_its_newest_days() -> None:
    old = [result(day=date(2026, 1, day), suite="own events") for day in range(1, 25)]
    made = pages(
        results_of(
            *old, result(passed=False, failed=1234, day=date(2026, 1, 24)), result(suite="a/b & c", severity="warn")
        )
    )
    check = "check-20260105T000000000000.html"
    assert list(made) == ["suite-own-events.html", "suite-order.html", "suite-a-b-c.html", check, "index.html"]
    assert f'href="{check}"' in made["index.html"] and "1 of 1 days" in made[check]
    assert "1,234" in made["suite-order.html"] and "order_id values must never be null." in made["suite-order.html"]
    assert ">01-11<" in made["suite-own-events.html"] and ">01-10<" not in made["suite-own-events.html"]
    assert "a/b &amp; c" in made["index.html"] and "1 of 1" in made["index.html"]
    assert "Last checked 2026-01-05 00:00 UTC." in made["index.html"]


def test_small_counts_are_not_shown_neither_directly_nor_as_the_rest() -> None:
    made = pages(
        results_of(
            result(passed=False, judged=2_007, failed=3, belief="few"),
            result(passed=False, judged=2_011, failed=2_004, belief="but few"),
            result(judged=8, belief="small"),
            result(passed=False, judged=4, failed=None, observed=77.5, belief="mean of few"),
            result(passed=False, judged=40, failed=None, observed=66.5, belief="mean"),
        )
    )
    for text in (text for name, text in made.items() if name != "index.html"):  # which counts beliefs
        cells = re.findall(r">([^<>]*)</(?:td|span)>", text)
        assert not {str(count) for count in range(1, 10)} & {cell.strip() for cell in cells}
        assert "2,004" not in text and "77.5" not in text
    assert "all but &lt;10" in made["suite-order.html"] and "66.5" in made["suite-order.html"]
    assert "&lt;10" in made["suite-order.html"]


def test_each_check_page_shows_versions_and_results() -> None:
    first = result(judged=100, failed=20, passed=False)
    second = result(checked_at=START + timedelta(hours=1), since=1, version=4, judged=50)
    made = pages(results_of(first, second))
    newest, oldest = (made[f"check-20260105T0{hour}0000000000.html"] for hour in (1, 0))
    assert "events 1 to 4" in newest and "passed" in newest and ">50<" in newest
    assert "failed · " in oldest and ">20<" in oldest and "expect_column_values_to_not_be_null" in oldest
    assert made["index.html"].index("01:00:00") < made["index.html"].index("00:00:00")


def test_without_results_the_index_says_so(tmp_path: Path) -> None:
    assert [path.name for path in publish(Lake(str(tmp_path / "lake")), tmp_path / "docs")] == ["index.html"]
    assert "Nothing has been checked yet." in (tmp_path / "docs" / "index.html").read_text(encoding="utf-8")


def test_texts_are_escaped_and_no_page_names_another_host() -> None:
    for text in pages(results_of(result(suite=HOSTILE, belief=HOSTILE, columns=[HOSTILE]))).values():
        assert "<script" not in text and "<img" not in text
        assert 'src="' not in text and 'href="http' not in text


@pytest.mark.browser
def test_offline_in_a_browser_nothing_is_asked_for_and_nothing_runs(tmp_path: Path) -> None:
    from playwright.sync_api import sync_playwright

    lake = Lake(str(tmp_path / "lake"))
    results.add_results(lake, results_of(result(suite=HOSTILE, belief=HOSTILE, columns=[HOSTILE])))
    written = publish(lake, tmp_path / "docs")
    asked: list[str] = []
    said: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        page = browser.new_context(offline=True).new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: said.append(message.text))
        for path in written:
            page.goto(path.as_uri())
            assert page.evaluate("window.ran") is None
            assert HOSTILE in page.locator("body").inner_text()
            assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        page.get_by_role("link", name="All suites").or_(page.get_by_role("link", name=HOSTILE)).first.click()
        browser.close()
    assert {url for url in asked if not url.startswith((tmp_path / "docs").as_uri())} == set()
    assert said == []
