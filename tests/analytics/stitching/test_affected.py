"""Which customers a refresh takes out of the parts, whole or with their last journey, at the edges of each rule."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from analytics.stitching.affected import (
    NO_NEW_EVENT,
    AffectedCustomers,
    Extract,
    _before_last_journey,
    extracted_columns,
)
from analytics.touches.rules import PathRules
from expectations import contract
from tests.written import at

GAP = timedelta(days=30)


def chosen(
    *, since: str | None = None, rebuilt: bool = False, last: str = "10d", settled: bool = False, ends: tuple[str, str]
) -> tuple[bool, bool]:
    """Whether a customer is affected whole, and with the last journey only."""
    people = pl.DataFrame(
        {"code": [0], "last": [at(last)], "settled": [settled]}, schema_overrides={"last": contract.TIME}
    )
    first = NO_NEW_EVENT if since is None else pl.Series([at(since)], dtype=contract.TIME).to_physical()[0]
    affected = AffectedCustomers(np.array([rebuilt, False]), np.array([first, NO_NEW_EVENT]))
    whole, partial = affected.select(people, (at(ends[0]), at(ends[1])), GAP)
    return bool(whole[0]), bool(partial[0])


SAME = ("12d", "12d")


def test_a_customer_is_taken_whole_where_old_events_changed_or_a_new_one_is_no_later_than_the_last() -> None:
    assert chosen(ends=SAME) == (False, False)
    assert chosen(ends=SAME, rebuilt=True) == (True, False)
    assert chosen(ends=SAME, since="9d") == (True, False)
    assert chosen(ends=SAME, since="10d") == (True, False)
    assert chosen(ends=SAME, since="11d") == (False, True)
    assert chosen(ends=SAME, since="11d", rebuilt=True) == (True, False)


@pytest.mark.parametrize(
    ("ends", "settled", "is_partial"),
    [
        (("20d", "40d"), False, False),  # the gap ends with day 40
        (("20d", "41d"), False, True),
        (("20d", "41d"), True, False),
        (("41d", "60d"), False, False),  # abandoned already
        (("41d", "20d"), False, True),  # an end that is given may be an earlier one
    ],
)
def test_a_journey_that_the_end_of_the_data_abandons_is_taken(
    ends: tuple[str, str], settled: bool, is_partial: bool
) -> None:
    assert chosen(ends=ends, settled=settled) == (False, is_partial)


def test_customers_without_a_code_have_the_last_entry() -> None:
    people = pl.DataFrame(
        {"code": [None, 0], "last": [at("1d")] * 2, "settled": [True] * 2},
        schema_overrides={"code": pl.UInt32, "last": contract.TIME},
    )
    affected = AffectedCustomers(np.array([False, True]), np.array([NO_NEW_EVENT] * 2))
    whole, partial = affected.select(people, (at("2d"), at("2d")), GAP)
    assert (whole.tolist(), partial.tolist()) == ([True, False], [False, False])


def test_an_extract_marks_those_of_the_last_journey_only() -> None:
    found = Extract.of(np.array([True, False, False, True]), np.array([False, True, False, False]))
    assert (found.positions.tolist(), found.partial.tolist(), found.kept.tolist()) == (
        [0, 1, 3],
        [False, True, False],
        [0] * 3,
    )


def test_the_last_journey_begins_at_its_first_touch() -> None:
    """Three customers: two journeys with a touch of none between; none; one that is last, and a touch of none after."""
    journeys = np.array([1, 1, 0, 2, 2, 0, 0, 1, 0], np.uint32)
    assert _before_last_journey(journeys, np.array([5, 2, 2])).tolist() == [3, 0, 0]


def test_the_sequence_of_events_is_taken_only_where_the_rules_read_it() -> None:
    plain, in_sequence = (extracted_columns(PathRules(sequence=name)) for name in (None, "offset"))
    assert set(plain) < set(in_sequence) and {"journey", "session", "outcome", "stage"} <= set(plain)
