"""What two groups differ in, cell by cell, beside the same analyses of each group apart and statsmodels."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import confint_proportions_2indep, proportions_ztest

from analytics import (
    Funnel,
    Paths,
    Step,
    channels,
    compare,
    compare_periods,
    conformance,
    designed_steps,
    deviations,
    effort,
    flow,
    flow_routes,
    funnel,
    handoffs,
    match,
    step_matrix,
    transitions,
    variants,
)
from analytics.statistics.intervals import newcombe
from expectations.errors import DefinitionError
from tests.analytics.experience.test_channels import SHOP, staged
from tests.analytics.paths.test_transitions import PEOPLE, units_of
from tests.written import paths

ON_PHONE = pl.col("device") == "phone"
FUNNEL = Funnel(["look", "cart", "buy"], window="1d", maturity="clip")


def two_groups() -> Paths:
    """On the phone 40 look, 24 fill a cart and 6 buy; at the desk 60, 30 and 21."""
    steps = ("look", "cart", "buy")
    reached = {"phone": (40, 24, 6), "desk": (60, 30, 21)}
    journeys = {}
    for device, counts in reached.items():
        for number in range(counts[0]):
            done = [step for step, count in zip(steps, counts, strict=True) if number < count]
            journeys[f"{device} {number}"] = " ".join(f"{s}@{i}m[device={device}]" for i, s in enumerate(done))
    return paths(journeys)


def checked(table: pl.DataFrame, *, one_unit_each: bool = True) -> None:
    """Shares, differences, intervals and tests of a comparison by other code than ours.

    Where customers have several units, intervals and tests have another test below.
    """
    for row in table.iter_rows(named=True):
        k, n = (row["count"], row["count_other"]), (row["of"], row["of_other"])
        if not all(n):
            assert row["p_value"] is None
            continue
        assert row["difference"] == pytest.approx(k[0] / n[0] - k[1] / n[1])
        if not one_unit_each:
            continue
        low, high = confint_proportions_2indep(k[0], n[0], k[1], n[1], method="newcomb")
        assert (row["difference_low"], row["difference_high"]) == pytest.approx((low, high), abs=1e-9)
        if 0 < sum(k) < sum(n):
            assert row["p_value"] == pytest.approx(proportions_ztest(k, n)[1])
    tested = table["p_value"].drop_nulls().to_numpy()
    if len(tested):
        assert table["p_corrected"].drop_nulls().to_list() == pytest.approx(multipletests(tested, method="fdr_bh")[1])


def test_a_funnel_is_compared_step_by_step() -> None:
    table = compare(two_groups(), FUNNEL, group=ON_PHONE)
    counts = ["step", "name", "count", "of", "count_other", "of_other"]
    assert table[counts].rows() == [(2, "cart", 24, 40, 30, 60), (3, "buy", 6, 40, 21, 60)]
    assert table["difference"].to_list() == pytest.approx([0.1, -0.2])
    checked(table)
    assert compare(two_groups(), funnel, FUNNEL, group=ON_PHONE).equals(table)


def test_steps_of_a_funnel_are_compared_with_the_step_before() -> None:
    table = compare(two_groups(), FUNNEL, group="device", share_of="previous")
    assert table["count", "of", "count_other", "of_other"].rows() == [(30, 60, 24, 40), (21, 30, 6, 24)]
    assert table["difference"].to_list() == pytest.approx([-0.1, 0.45])
    checked(table)


def test_rare_variants_are_left_out_of_a_comparison_and_not_of_its_shares() -> None:
    every = compare(two_groups(), variants, group=ON_PHONE)
    assert every["count", "of", "count_other", "of_other"].rows() == [
        (16, 40, 30, 60),
        (18, 40, 9, 60),
        (6, 40, 21, 60),
    ]
    shares = ["path", "share", "share_other", "difference", "p_corrected"]
    assert compare(two_groups(), variants, group=ON_PHONE, top=1).equals(every.head(1))
    assert compare(two_groups(), variants, group=ON_PHONE, min_units=30)[shares].equals(every.head(1)[shares])
    with pytest.warns(DeprecationWarning, match="'least' is now called 'min_units'"):
        old = compare(two_groups(), variants, group=ON_PHONE, least=30)
    assert old[shares].equals(every.head(1)[shares])


def test_an_optional_step_is_no_denominator() -> None:
    steps = ["look", Step("cart", optional=True), "buy"]
    table = compare(two_groups(), Funnel(steps, window="1d", maturity="clip"), group=ON_PHONE, share_of="previous")
    assert table["name", "count", "of"].rows() == [("cart", 24, 40), ("buy", 6, 40)]


def test_a_funnel_with_groups_that_do_not_add_up_is_rejected() -> None:
    for wrong in ({"by": "device"}, {"maturity": "survival"}, {"attribution": "every", "by": ()}):
        with pytest.raises(DefinitionError, match="cannot be added up"):
            compare(two_groups(), Funnel(["look", "buy"], **wrong), group=ON_PHONE)  # type: ignore[arg-type]
    with pytest.raises(DefinitionError, match="share_of"):
        compare(two_groups(), FUNNEL, group=ON_PHONE, share_of="before")


@settings(deadline=None, max_examples=30)
@given(PEOPLE, st.sampled_from(["customers", "journeys"]))
def test_a_compared_funnel_is_the_funnel_of_each_group_apart(people: list, count: str) -> None:
    frame = staged(units_of(people)).touches.collect()
    frame = frame.with_columns(pl.col("customer").is_in(["c0", "c2"]).alias("some"))
    asked = Funnel(["a", "b", "c"], window="1h", maturity="clip", count=count)
    table = compare(Paths.from_frame(frame), asked, group=pl.col("some"))
    checked(table, one_unit_each=count == "customers")
    for value, columns in ((True, ("count", "of")), (False, ("count_other", "of_other"))):
        apart = funnel(Paths.from_frame(frame.filter(pl.col("some") == value)), asked).filter(pl.col("step") > 1)
        found = table.select("step", *columns).rows()
        expected = apart.select("step", "reached", "entered").rows()
        assert not found or found == expected


def test_compared_periods_are_the_funnels_of_each_period_apart() -> None:
    days = {f"{n}": f"look@{n % 14}d cart@{n % 14}d" if n % 3 else f"look@{n % 14}d buy@9d" for n in range(60)}
    shop, first = paths(days, end="60d"), datetime(2024, 1, 1, tzinfo=UTC)
    middle, last = first + timedelta(days=7), first + timedelta(days=14)
    asked = Funnel(["look", "cart", "buy"], window="7d")
    table = compare_periods(shop, asked, before=(first, middle), after=(middle, last))
    for suffix, start, end in (("", middle, last), ("_other", first, middle)):
        apart = funnel(shop, replace(asked, start=start, end=end)).filter(pl.col("step") > 1)
        assert table[f"count{suffix}"].to_list() == apart["reached"].to_list()
        assert table[f"of{suffix}"].to_list() == apart["entered"].to_list() and apart["entered"][0] > 20
    checked(table)


def test_periods_that_cannot_be_compared_raise_an_error() -> None:
    day = datetime(2024, 1, 1, tzinfo=UTC)
    ranged = Funnel(["look", "cart"], start=day)
    for asked, after, what in ((FUNNEL, (day, day), "ends before"), (ranged, (day, day), "range of its own")):
        with pytest.raises(DefinitionError, match=what):
            compare_periods(two_groups(), asked, before=(day, day), after=after)


def test_values_of_a_column_are_compared_by_another_column() -> None:
    orders = {
        "ann": "look@0m[order=1,device=phone] buy@1m[order=1,device=phone]",
        "bo": "look@0m[order=2,device=desk] buy@9m[order=3,device=desk] look@9m[order=3,device=desk]",
    }
    table = compare(paths(orders, end="9d"), Funnel(["look", "buy"], "1d", count="order"), group=ON_PHONE)
    assert table["name", "count", "of", "count_other", "of_other"].rows() == [("buy", 1, 1, 1, 2)]


def test_a_comparison_takes_the_difference_of_shares_with_its_interval() -> None:
    row = compare(paths(SHOP), match, "buy", group=pl.col("device") == "phone").row(0, named=True)
    assert (row["count"], row["of"], row["count_other"], row["of_other"], row["difference"]) == (1, 1, 0, 1, 1.0)
    assert row["difference_low"] == pytest.approx(newcombe(1, 1, 0, 1).low.item())


def test_a_comparison_of_one_group_raises_an_error() -> None:
    with pytest.raises(DefinitionError, match="Two groups"):
        compare(paths({"ann": "a@0m[device=phone]"}), variants, group="device")
    with pytest.raises(DefinitionError, match="no cells"):
        compare(paths(SHOP), len, group="device")  # type: ignore[arg-type]


ANALYSES: list[tuple[Any, list[Any], list[str], str, str | None]] = [
    (transitions, [], ["source", "target"], "transitions", "share_of_source"),
    (flow, [], ["position", "source", "target"], "units", "share_of_source"),
    (flow_routes, [], ["route", "ended"], "units", None),
    (step_matrix, [], ["position", "node"], "units", "share_of_units"),
    (variants, [], ["path"], "units", "share_of_units"),
    (match, ["a .* b"], [], "matching", "share_of_units"),
    (conformance, [["a", "b"]], [], "exact", "exact_share_of_units"),
    (deviations, [["a", "b"]], ["kind", "step", "name"], "units", "share_of_units"),
    (designed_steps, [["a", "b"]], ["step", "name"], "done", "share_of_units"),
    (channels, [], ["reach", "channel"], "units", "share_of_units"),
    (handoffs, [], ["source", "target"], "handoffs", "share_of_source"),
]


@pytest.mark.parametrize(("analysis", "arguments", "keys", "count", "share"), ANALYSES)
@settings(deadline=None, max_examples=12)
@given(people=PEOPLE)
def test_a_comparison_is_the_difference_of_two_analyses_apart(
    analysis: Any, arguments: list[Any], keys: list[str], count: str, share: str | None, people: list
) -> None:
    frame = staged(units_of(people)).touches.collect()
    frame = frame.with_columns(pl.col("customer").is_in(["c0", "c2"]).alias("some"))
    table = compare(Paths.from_frame(frame), analysis, *arguments, group="some")
    checked(table, one_unit_each=False)
    for value, columns in ((True, ("count", "share")), (False, ("count_other", "share_other"))):
        apart = analysis(Paths.from_frame(frame.filter(pl.col("some") == value)), *arguments)
        if analysis is channels:
            apart = apart.filter((pl.col("reach") == "several") | pl.col("channel").is_not_null())
        names = [count, *([share] if share else [])]
        own = {str(row[: len(keys)]): row[len(keys) :] for row in apart.select(*keys, *names).rows()}
        found = {str(row[: len(keys)]): row[len(keys) :] for row in table.select(*keys, *columns).rows()}
        for key, values in own.items():
            if values[0] and key in found:
                assert found[key][: len(values)] == pytest.approx(values)
        assert {key for key, values in found.items() if values[0]} == {key for key, values in own.items() if values[0]}


@settings(deadline=None, max_examples=20)
@given(people=PEOPLE)
def test_effort_is_compared_as_shares_of_touches(people: list) -> None:
    frame = staged(units_of(people)).touches.collect()
    frame = frame.with_columns(pl.col("customer").is_in(["c0", "c2"]).alias("some"))
    table = compare(Paths.from_frame(frame), effort, group="some")
    checked(table, one_unit_each=False)
    for value, side in ((True, ""), (False, "_other")):
        apart = effort(Paths.from_frame(frame.filter(pl.col("some") == value)))
        for row in apart.iter_rows(named=True):
            cell = table.filter((pl.col("stage") == row["stage"]) & (pl.col("measure") == "backtracks"))
            assert cell.select(f"count{side}", f"of{side}").row(0) == (row["backtracks"], row["touches"])


COUNTS_BY_CUSTOMER = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)).filter(any), min_size=2, max_size=12)


def independent(counts: list[tuple[int, int]]) -> tuple[float, float]:
    """The counts with and in all, of so many independent units as units of these customers are worth."""
    n, y = sum(sum(each) for each in counts), sum(hit for hit, _ in counts)
    p = y / n
    if p in (0, 1):
        return p * len(counts), len(counts)
    effect = sum((hit - p * (hit + miss)) ** 2 for hit, miss in counts) / (n * p * (1 - p))
    size = n / max(1.0, effect)
    return p * size, size


@settings(deadline=None, max_examples=25)
@given(one=COUNTS_BY_CUSTOMER, other=COUNTS_BY_CUSTOMER)
def test_units_of_one_customer_count_for_less(one: list[tuple[int, int]], other: list[tuple[int, int]]) -> None:
    journeys = {}
    for device, counts in (("phone", one), ("desk", other)):
        for number, (hits, misses) in enumerate(counts):
            names = ["buy"] * hits + ["look"] * misses
            touches = [f"{name}@{day}d[device={device},session={day}]" for day, name in enumerate(names)]
            journeys[f"{device} {number}"] = " ".join(touches)
    row = compare(paths(journeys), match, "buy", group=ON_PHONE, unit="session").row(0, named=True)
    (k1, n1), (k2, n2) = independent(one), independent(other)
    interval = newcombe(k1, n1, k2, n2)
    assert (row["difference_low"], row["difference_high"]) == pytest.approx((interval.low, interval.high))
    if 0 < k1 + k2 < n1 + n2:
        assert row["p_value"] == pytest.approx(proportions_ztest([k1, k2], [n1, n2])[1])


def test_a_group_without_deviations_still_counts() -> None:
    table = compare(paths(SHOP), deviations, ["look", "buy"], group=pl.col("device") == "phone")
    assert table["kind", "count", "of", "count_other", "of_other"].rows() == [
        ("repeat", 0, 1, 1, 1),
        ("skip", 0, 1, 1, 1),
    ]
