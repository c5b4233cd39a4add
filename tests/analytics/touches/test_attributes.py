from __future__ import annotations

from datetime import timedelta
from typing import Any

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.stitching.build import stitch
from analytics.touches.rules import PathRules
from expectations import contract
from tests.oracles.attributes import held
from tests.written import START

ANN = [("customer_id", "ann"), ("anonymous_id", "x"), ("anonymous_id", "y")]
RULES = PathRules(attributes=["region", "age_band"])

rows = st.lists(
    st.fixed_dictionaries(
        {
            "who": st.sampled_from([*ANN, ("customer_id", "bob"), ("customer_id", "nobody")]),
            "attribute": st.sampled_from(["region", "age_band", "other"]),
            "value": st.sampled_from(["north", "south", "west", None]),
            "since": st.integers(0, 6),
        }
    ),
    max_size=12,
).map(
    lambda drawn: [row | {"kind": row["who"][0], "identity": row["who"][1], "offset": n} for n, row in enumerate(drawn)]
)


def profiles(told: list[dict[str, Any]]) -> pl.DataFrame:
    columns = [
        {
            "identity_kind": row["kind"],
            "identity": row["identity"],
            "attribute": row["attribute"],
            "value": row["value"],
            "valid_from": START + timedelta(minutes=row["since"]),
            "topic": "p",
            "partition": 0,
            "offset": row["offset"],
        }
        for row in told
    ]
    return pl.DataFrame(columns, schema=contract.PROFILES)


def visits() -> pl.DataFrame:
    who = [("ann", "x"), ("ann", "y"), *[("ann", None)] * 4, ("bob", None), ("bob", None)]
    minutes = [0, 1, 2, 3, 5, 9, 0, 4]
    return pl.DataFrame(
        {
            "customer_id": [customer for customer, _ in who],
            "anonymous_id": [device for _, device in who],
            "event_name": "visit",
            "occurred_at": [START + timedelta(minutes=minute) for minute in minutes],
        }
    )


@settings(max_examples=60)
@given(rows)
def test_the_value_with_the_latest_start_holds(told: list[dict[str, Any]]) -> None:
    touches = stitch(visits(), RULES, profiles(told))
    for row in touches.iter_rows(named=True):
        identities = ANN if row["customer"] == "customer_id:ann" else [("customer_id", "bob")]
        at = (row["at"] - START).total_seconds() / 60
        for attribute in RULES.attributes:
            assert row[attribute] == held(told, identities, attribute, at)


def test_without_profiles_every_attribute_is_unknown() -> None:
    for given_ in (None, profiles([])):
        touches = stitch(visits(), RULES, given_)
        assert touches["region"].null_count() == len(touches) == 8
        assert touches.schema["age_band"] == pl.String
