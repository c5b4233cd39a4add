from __future__ import annotations

from datetime import timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.stitching.build import stitch
from analytics.touches.rules import PathRules
from expectations import contract
from tests.oracles.attributes import held
from tests.written import START

PEOPLE = {
    "ann": [("customer_id", "ann"), ("anonymous_id", "x"), ("anonymous_id", "y")],
    "bob": [("customer_id", "bob"), ("anonymous_id", "a")],
    **{who: [("customer_id", who)] for who in ("cid", "dan", "eve", "fay")},
}
"""Customers and their identities, the most trusted first."""
RULES = PathRules(attributes=["region", "age_band"])

identities = [identity for own in PEOPLE.values() for identity in own]
rows = st.lists(
    st.fixed_dictionaries(
        {
            "who": st.sampled_from([*identities, *PEOPLE["ann"] * 4, ("customer_id", "nobody")]),
            "attribute": st.sampled_from(["region", "region", "region", "age_band", "other"]),
            "value": st.sampled_from(["north", "south", "west", None]),
            "since": st.sampled_from([0, 1, 2, 2, 2, 2, 5, None]),
        }
    ),
    min_size=4,
    max_size=20,
).map(
    lambda drawn: [row | {"kind": row["who"][0], "identity": row["who"][1], "offset": n} for n, row in enumerate(drawn)]
)
later = st.lists(st.tuples(st.sampled_from(list(PEOPLE)), st.integers(0, 6)), max_size=15)


def profiles(rows: list[dict[str, Any]]) -> pl.DataFrame:
    columns = [
        {
            "identity_kind": row["kind"],
            "identity": row["identity"],
            "attribute": row["attribute"],
            "value": row["value"],
            "valid_from": None if row["since"] is None else START + timedelta(minutes=row["since"]),
            "topic": "p",
            "partition": 0,
            "offset": row["offset"],
        }
        for row in rows
    ]
    return pl.DataFrame(columns, schema=contract.PROFILES)


def visits(seen: list[tuple[str, int]]) -> pl.DataFrame:
    """Visits at the minutes given, after one for each identity at minute 0, before one of everybody at the end."""
    known = [(who, value) for who, own in PEOPLE.items() for kind, value in own if kind == "anonymous_id"]
    rows = [(*one, 0) for one in known] + [
        (who, None, minute) for who, minute in [*seen, *((who, 9) for who in PEOPLE)]
    ]
    columns = {"customer_id": pl.String, "anonymous_id": pl.String, "minute": pl.Int64}
    frame = pl.DataFrame(rows, schema=columns, orient="row")
    return frame.select(
        "customer_id",
        "anonymous_id",
        event_name=pl.lit("visit"),
        occurred_at=pl.lit(START) + pl.duration(minutes="minute"),
    )


@settings(max_examples=60)
@given(rows, later, st.randoms())
def test_the_value_with_the_latest_start_holds(
    rows: list[dict[str, Any]], seen: list[tuple[str, int]], dice: Any
) -> None:
    touches = stitch(visits(seen), RULES, profiles(dice.sample(rows, len(rows))))
    dated = [row for row in rows if row["since"] is not None]
    assert len(touches) == 9 + len(seen)
    for row in touches.iter_rows(named=True):
        own = PEOPLE[row["customer"].removeprefix("customer_id:")]
        at = (row["at"] - START).total_seconds() / 60
        for attribute in RULES.attributes:
            assert row[attribute] == held(dated, own, attribute, at)


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 2, 1, 0), (1, 3, 0, 2)])
def test_of_one_time_the_most_trusted_identity_holds_and_of_it_what_landed_last(order: tuple[int, ...]) -> None:
    who = [("anonymous_id", "x"), ("customer_id", "ann"), ("customer_id", "ann"), ("anonymous_id", "y")]
    rows = [
        {"kind": kind, "identity": value, "attribute": "region", "value": f"v{number}", "since": 2, "offset": number}
        for number, (kind, value) in enumerate(who)
    ]
    touches = stitch(visits([]), RULES, profiles([rows[number] for number in order]))
    assert touches.filter(customer="customer_id:ann")["region"].to_list() == [None, None, "v2"]


def test_without_profiles_every_attribute_is_unknown() -> None:
    for given_ in (None, profiles([])):
        touches = stitch(visits([("bob", 0), ("ann", 4)]), RULES, given_)
        assert touches["region"].null_count() == len(touches) == 11
        assert touches.schema["age_band"] == pl.String
