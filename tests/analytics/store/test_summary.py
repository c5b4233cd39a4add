from __future__ import annotations

from pathlib import Path

import duckdb
import polars as pl
import pytest

from analytics.stitching.build import stitch
from analytics.store.paths import Paths
from analytics.store.summary import described, summary
from analytics.touches.rules import PathRules
from tests.written import START, at, frame, paths


def test_everything_is_counted_once() -> None:
    rows = frame({"ann": "search@0m order_placed@5m search@2h", "bob": "search@1h"})
    events = rows.select(customer_id="customer", occurred_at="at", event_name="touchpoint")
    found = summary(Paths.from_frame(stitch(events, PathRules()))).row(0, named=True)
    assert found == {
        "touches": 4,
        "customers": 2,
        "sessions": 3,
        "journeys": 3,
        "converted": 1,
        "abandoned": 0,
        "open": 2,
        "first_at": START,
        "last_at": at("2h"),
        "end_of_data": at("2h"),
        "linked_login": 1.0,
        "linked_device": 0.0,
        "linked_session": 0.0,
        "linked_anonymous": 0.0,
    }


def test_columns_that_the_paths_lack_give_null_counts() -> None:
    found = summary(paths({"ann": "home@0m"}, end="1d"))
    assert found.select("customers", "sessions", "open", "linked_login").row(0) == (1, None, None, None)
    assert found["end_of_data"].item() == at("1d")


@pytest.mark.parametrize("rows", [pl.DataFrame(), frame({})])
def test_no_touches_count_nothing(rows: pl.DataFrame) -> None:
    empty = stitch(
        pl.DataFrame(schema={"customer_id": pl.String, "occurred_at": pl.Datetime("us"), "event_name": pl.String})
    )
    found = summary(Paths.from_frame(empty)).row(0, named=True)
    assert (found["touches"], found["customers"], found["journeys"]) == (0, 0, 0)
    assert found["first_at"] is None
    assert found["linked_login"] is None


def test_each_column_is_described_by_what_it_holds(tmp_path: Path) -> None:
    shop = Paths.from_text(
        {"ann": "visit@0m[device=app] visit@1m pay@2d[device=web]", "bob": "pay@1h[device=web]", "eve": "call@1d"}
    )
    shop.save(tmp_path / "shop")
    for each in (shop, Paths.open(tmp_path / "shop")):
        found = described(each)
        assert found.rows() == [
            ("customer", "String", 5, 1.0, None, []),
            ("at", "Datetime(time_unit='us', time_zone='UTC')", 5, 1.0, None, []),
            ("touchpoint", "String", 5, 1.0, 3, ["pay", "visit", "call"]),
            ("device", "String", 3, 0.6, 2, ["web", "app"]),
        ]
        assert each.describe().equals(found)
    nothing = described(Paths.from_text({}))
    assert nothing.schema == found.schema
    assert nothing["touches"].sum() == 0 == nothing["share"].count()


def test_a_notebook_shows_columns_and_words_as_text_and_no_customer() -> None:
    touches = pl.DataFrame({"customer": ["ann@x.de"], "at": [START], "touchpoint": ["<b>&"], "score": [1.0]})
    shown = Paths.from_frame(touches)._repr_html_()
    assert "ann@x.de" not in shown and "<b>" not in shown
    assert "<td>touchpoint</td><td>String</td><td>1</td><td>&lt;b&gt;&amp;</td>" in shown
    assert "<td>score</td><td>Float64</td><td></td><td></td>" in shown


def test_other_libraries_read_the_touches_part_by_part(tmp_path: Path) -> None:
    touches = pl.DataFrame({"customer": range(5), "at": [START] * 5, "touchpoint": list("abcab"), "n": range(5)})
    shop = Paths.from_frame(touches)
    assert pl.DataFrame(shop).equals(shop.touches.collect())
    assert duckdb.sql("select touchpoint, sum(n) from shop group by all order by 1").fetchall() == [
        ("a", 3),
        ("b", 5),
        ("c", 2),
    ]
    assert shop.to_arrow().num_rows == len(shop.to_pandas()) == 5
    assert Paths.from_frame(shop).touches.collect().equals(shop.touches.collect())
    assert pl.DataFrame(Paths.from_frame(touches.head(0))).is_empty()
