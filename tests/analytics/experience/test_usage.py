"""Customers by stage and touchpoint, against sets of customers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from analytics import Paths, usage
from tests.written import in_parts

START = datetime(2026, 1, 1, tzinfo=UTC)
TOUCHES = st.lists(
    st.tuples(
        st.sampled_from("abcd"),
        st.integers(0, 9),
        st.sampled_from(["ad", "shop", "help"]),
        st.sampled_from(["S", "B", None]),
    ),
    min_size=1,
    max_size=20,
)


@given(TOUCHES, st.integers(0, 9))
def test_customers_are_counted_once_per_touchpoint_and_group(
    touches: list[tuple[str, int, str, str | None]], since: int
) -> None:
    rows = [(who, START + timedelta(days=day), name, stage) for who, day, name, stage in touches]
    frame = pl.DataFrame(
        rows,
        schema={"customer": pl.String, "at": pl.Datetime("us", "UTC"), "touchpoint": pl.String, "stage": pl.String},
        orient="row",
    )
    found = usage(in_parts(Paths.from_frame(frame), 3), start=START + timedelta(days=since))
    counted = [row for row in touches if row[1] >= since]
    keys = {(True, None, name) for _, _, name, _ in counted} | {(False, stage, name) for _, _, name, stage in counted}
    assert {(row["is_total"], row["stage"], row["touchpoint"]) for row in found.iter_rows(named=True)} == keys
    for row in found.iter_rows(named=True):
        group = [each for each in counted if row["is_total"] or each[3] == row["stage"]]
        own = [each for each in group if each[2] == row["touchpoint"]]
        people, of = len({each[0] for each in own}), len({each[0] for each in group})
        assert (row["touches"], row["customers"], row["customers_of_group"]) == (len(own), people, of)
        assert row["share_of_customers"] == people / of


def test_no_touches_give_no_rows() -> None:
    shop = Paths.from_text({"ann": "ad@0h[stage=S]"})
    assert usage(shop, where=pl.col("touchpoint") == "shop").is_empty()
    assert usage(shop)["share_of_customers"].to_list() == [1.0, 1.0]
