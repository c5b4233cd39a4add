from __future__ import annotations

import io
import json

import polars as pl
import pytest

from reports.settings import ReportSettings
from reports.site import history
from reports.site.exports import files_of
from reports.site.site import BuiltSite, build_site
from tests.reports import fixtures


@pytest.fixture(scope="module")
def built() -> BuiltSite:
    return build_site(fixtures.answers(), ReportSettings(segments=("device",)), fixtures.BUILT_AT, "runs/x")


def test_exported_charts_and_numbers_are_readable_and_reproducible(built: BuiltSite) -> None:
    part = built.pages[0].parts[0]
    made = files_of(part)
    assert set(made) | {f"data/{part.id}.csv"} == set(part.addresses.values())
    assert made[f"charts/{part.id}.png"].startswith(b"\x89PNG")
    assert b"<svg" in made[f"charts/{part.id}.svg"]
    assert pl.read_parquet(io.BytesIO(made[f"data/{part.id}.parquet"])).height == part.frame.height
    assert files_of(part) == made


def test_history_lists_changes_since_the_previous_report(built: BuiltSite) -> None:
    later = json.loads(built.files["site.json"]) | {"definition": {"goal": "a"}}
    earlier = json.loads(json.dumps(later))
    measure = next(each for each in earlier["measures"] if each["measure"] == "Going on to “Order placed”")
    for name in ("value", "low", "high"):
        measure[name] -= 0.1
    changes = history.moved(later, earlier)
    assert len(changes) == 1 and "“Order placed”" in changes[0] and "+10.0" in changes[0]
    page = history.history_page([("b", later), ("a", earlier)], "Shop")
    assert 'href="./runs/a/index.html"' in page and "The first report that is kept." in page
    assert "<script" not in page
