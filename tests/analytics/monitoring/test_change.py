"""The change of a conversion: worked examples, the oracle over random paths, and what is refused."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from analytics import Funnel, Paths, Step, change, funnel
from expectations.errors import DefinitionError
from tests.oracles import funnel as chains
from tests.oracles.why import change as oracle
from tests.written import in_parts

MANY = int(os.environ.get("JOURNEYS_EXAMPLES", "40"))
START = datetime(2024, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
BEFORE, AFTER = (START, START + 10 * DAY), (START + 10 * DAY, START + 20 * DAY)
STEPS = Funnel(["look", "cart", "pay"], window="2d")
Counts = Mapping[Any, Sequence[int]]


def shop(before: Counts, after: Counts, *, value: float | None = None) -> Paths:
    """Customers of each segment who reach as many steps as the counts say, in two periods."""
    rows = []
    for period, counts in enumerate((before, after)):
        for segment, reached in counts.items():
            for number in range(reached[0]):
                for step in range(sum(number < count for count in reached)):
                    at = START + timedelta(days=10 * period, hours=step)
                    worth = value if step == len(reached) - 1 else None
                    rows.append((f"{period} {segment} {number}", at, STEPS.steps[step].name, segment, worth))
    schema = {"customer": pl.String, "at": pl.Datetime("us", "UTC"), "touchpoint": pl.String}
    frame = pl.DataFrame(rows, schema={**schema, "device": pl.String, "price": pl.Float64}, orient="row")
    return Paths.from_frame(frame, end_of_data=START + 60 * DAY)


def asked(paths: Paths, definition: Funnel = STEPS, **options: Any) -> pl.DataFrame:
    return change(paths, definition, **{"before": BEFORE, "after": AFTER, **options})


def contributions(table: pl.DataFrame) -> dict[tuple[Any, ...], float]:
    keys = [name for name in ("device", "step", "effect") if name in table.columns]
    return {tuple(row[:-1]): row[-1] for row in table.select(*keys, "contribution").iter_rows()}


def test_one_step_falls_by_mix_and_by_rate() -> None:
    paths = shop({"desktop": (600, 300), "mobile": (400, 100)}, {"desktop": (300, 150), "mobile": (700, 140)})
    found = asked(paths, Funnel(["look", "cart"], window="2d"), by="device")
    assert contributions(found) == pytest.approx(
        {
            (None, None, "total"): -0.11,
            (None, 2, "step"): -0.11,
            ("desktop", 2, "mix"): -0.0465,
            ("desktop", 2, "rate"): 0.0,
            ("mobile", 2, "mix"): -0.036,
            ("mobile", 2, "rate"): -0.0275,
        }
    )
    mix = found.filter(device="mobile", effect="mix").row(0, named=True)
    assert (mix["before"], mix["after"], mix["customers_before"], mix["customers_after"]) == (0.4, 0.7, 400, 700)
    assert (mix["share_of_change"], mix["enough"]) == (pytest.approx(0.036 / 0.11), True)


def test_two_steps_that_go_against_each_other() -> None:
    found = asked(shop({"a": (1000, 500, 200)}, {"a": (1000, 600, 180)}))
    assert found["contribution"].to_list() == pytest.approx([-0.02, 0.035, -0.055])
    assert found["name"].to_list() == [None, "cart", "pay"]


def test_goals_have_the_number_of_entrants_as_a_part_and_value_its_mean() -> None:
    paths = shop({"a": (1000, 500, 200)}, {"a": (1500, 600, 225)}, value=20.0)
    goals = asked(paths, of="goals")
    assert goals["effect"].to_list() == ["total", "volume", "step", "step"]
    assert goals["contribution"][0] == pytest.approx(25) == pytest.approx(goals["contribution"][1:].sum())
    assert (goals["before"][1], goals["after"][1]) == (1000, 1500)
    value = asked(paths, Funnel(["look", "cart", "pay"], window="2d", value="price"), of="value")
    assert value["effect"].to_list() == ["total", "volume", "step", "step", "value"]
    assert value["contribution"].to_list() == pytest.approx([20 * each for each in (*goals["contribution"], 0)])
    assert (value["before"][4], value["share_cut"][0], value["value_left_out"][0]) == (20, 0, 0)
    assert value["enough"].all() and value["contribution_low"].null_count() == 0


def test_the_intervals_of_a_value_are_from_cut_values_and_need_200_customers() -> None:
    frame = shop({"a": (400, 300, 200)}, {"a": (400, 300, 150)}, value=10.0).touches.collect()
    pay = (pl.col("touchpoint") == "pay") & (pl.col("customer") == "1 a 0")
    rich = Paths.from_frame(
        frame.with_columns(price=pl.when(pay).then(1e6).otherwise(pl.col("price"))), end_of_data=START + 60 * DAY
    )
    definition = Funnel(["look", "cart", "pay"], window="2d", value="price")
    row = asked(rich, definition, of="value").row(0, named=True)
    assert (row["before"], row["after"]) == pytest.approx((2000, 1490 + 1e6))
    assert row["share_cut"] == pytest.approx((1e6 - 10) / (3490 + 1e6))
    assert row["contribution_high"] - row["contribution_low"] < 2000
    few = asked(shop({"a": (400, 300, 100)}, {"a": (400, 300, 99)}, value=10.0), definition, of="value")
    assert few["contribution_low"].null_count() == len(few) and not few["enough"].any()


def test_optional_steps_are_left_out_and_an_unordered_funnel_has_any_k() -> None:
    paths = shop({"a": (100, 50, 20)}, {"a": (100, 60, 18)})
    optional = asked(paths, Funnel(["look", Step("cart", optional=True), "pay"], window="2d"))
    assert optional["name"].to_list() == [None, "pay"]
    assert optional["contribution"].to_list() == pytest.approx([-0.02, -0.02])
    assert asked(paths, Funnel(["look", "cart"], window="2d", order="unordered"))["name"][1] == "any 2 of 2"


def test_families_are_each_alone_or_joint_and_the_star_ranks_them() -> None:
    draw = {"a": (60, 30), "b": (40, 30)}
    frame = shop(draw, {"a": (90, 40), "b": (40, 31)}).touches.collect()
    plan = pl.when(pl.col("customer").str.ends_with("1")).then(pl.lit("gold")).otherwise(pl.lit("tin"))
    paths = Paths.from_frame(frame.with_columns(plan=plan), end_of_data=START + 60 * DAY)
    two = Funnel(["look", "cart"], window="2d")
    each = asked(paths, two, by=["device", "plan"])
    assert each["family"].to_list() == [None] * 2 + ["device"] * 4 + ["plan"] * 4
    joint = asked(paths, two, by=[("device", "plan")])
    assert joint["family"].unique().drop_nulls().to_list() == ["device × plan"] and len(joint) == 2 + 8
    for table in (each, joint):
        sums = table.filter(~pl.col("is_total")).group_by("family").agg(pl.col("contribution").sum())
        assert sums["contribution"].to_list() == pytest.approx([table["contribution"][0]] * len(sums))
    ranked = asked(paths, two, by="*")
    assert set(ranked.columns[:2]) == {"device", "plan"}
    rest = ranked.filter(~pl.col("is_total"))["contribution"].abs().to_list()
    assert rest == sorted(rest, reverse=True) and len(rest) == 8
    assert asked(paths, Funnel(["look", "cart"], window="2d", by="device")).equals(asked(paths, two, by="device"))


def test_an_interval_is_that_of_the_number_without_each_replicate() -> None:
    before, after = {"x": (150, 80, 40), "y": (80, 30, 20)}, {"x": (90, 60, 20), "y": (140, 50, 15)}
    paths, depth = shop(before, after), {}
    for period, counts in (("0", before), ("1", after)):
        for segment, reached in counts.items():
            for number in range(reached[0]):
                depth[f"{period} {segment} {number}"] = sum(number < count for count in reached)

    def counted(keys: set[str], period: str) -> dict[str, list[int]]:
        own = [key.split() for key in keys if key.startswith(period)]
        return {
            segment: [sum(depth[" ".join(each)] > step for each in own if each[1] == segment) for step in range(3)]
            for segment in ("x", "y")
        }

    def number(keys: set[str], of: str = "rate") -> dict[tuple[Any, ...], float]:
        found = oracle.change(counted(keys, "0"), counted(keys, "1"), of)
        scale = 1 if of == "rate" else len(keys)
        numbers = {(None, None, "total"): found.after - found.before}
        numbers |= {(None, int(name[5:]), "step"): part for name, part in found.parts.items() if name != "volume"}
        numbers |= {(segment, step, "mix"): part for (step, segment), part in found.mix.items()}
        numbers |= {(segment, step, "rate"): part for (step, segment), part in found.rate.items()}
        return {key: float(part / scale) for key, part in numbers.items()}

    for of in ("rate", "goals"):
        table, every = asked(paths, by="device", of=of).filter(pl.col("effect") != "volume"), number(set(depth), of)
        times = 1 if of == "rate" else len(depth)
        assert contributions(table) == pytest.approx({key: part * times for key, part in every.items()})
        for row in table.filter("enough").iter_rows(named=True):
            key = (row["device"], row["step"], row["effect"])
            reach = oracle.reach(list(depth), lambda keys, key=key, of=of: number(keys, of)[key]) * times
            assert row["contribution_high"] - row["contribution"] == pytest.approx(reach)
            assert row["contribution"] - row["contribution_low"] == pytest.approx(reach)
        assert len(table.filter("enough")) > 8


def test_swapped_periods_flip_every_sign() -> None:
    paths = shop({"a": (100, 50, 20), "b": (50, 40, 30)}, {"a": (80, 60, 18), "c": (50, 20, 10)})
    for of in ("rate", "goals"):
        there, back = asked(paths, by="device", of=of), asked(paths, by="device", of=of, before=AFTER, after=BEFORE)
        assert back["contribution"].to_list() == pytest.approx([-each for each in there["contribution"]])
        assert back["contribution_low"].drop_nulls().to_list() == pytest.approx(
            [-each for each in there["contribution_high"].drop_nulls()]
        )


def test_joining_two_segments_of_equal_rates_changes_no_other_row() -> None:
    apart = asked(
        shop({"a": (100, 50), "b": (60, 30), "c": (80, 10)}, {"a": (80, 20), "b": (40, 10), "c": (70, 30)}),
        Funnel(["look", "cart"], window="2d"),
        by="device",
    )
    joined = asked(
        shop({"ab": (160, 80), "c": (80, 10)}, {"ab": (120, 30), "c": (70, 30)}),
        Funnel(["look", "cart"], window="2d"),
        by="device",
    )
    kept = ["device", "effect", "contribution", "before", "after"]
    rest = pl.col("device").is_null() | (pl.col("device") == "c")
    assert_frame_equal(apart.filter(rest).select(kept), joined.filter(rest).select(kept))


def test_journeys_are_counted_with_the_customers_behind_them() -> None:
    days = [("ann", 0), ("ann", 4), ("ann", 12), ("bo", 13)]
    rows = [(who, START + day * DAY, name, day // 4) for who, day in days for name in ("look", "cart")][:-1]
    schema = {"customer": pl.String, "at": pl.Datetime("us", "UTC"), "touchpoint": pl.String, "journey": pl.UInt32}
    frame = pl.DataFrame(rows, schema=schema, orient="row").with_columns(after_goal=False)
    paths = Paths.from_frame(frame, end_of_data=START + 60 * DAY)
    row = asked(paths, Funnel(["look", "cart"], window="2d", count="journeys"), of="goals").row(0, named=True)
    assert (row["before"], row["after"], row["customers_before"], row["customers_after"]) == (2, 1, 1, 2)


TOUCH = st.tuples(st.integers(0, 19 * 24), st.sampled_from(["look", "cart", "pay", "other"]))
CUSTOMER = st.tuples(st.sampled_from(["x", "y", None]), st.lists(TOUCH, min_size=1, max_size=6))


@settings(max_examples=MANY)
@given(st.lists(CUSTOMER, min_size=1, max_size=8), st.sampled_from(["rate", "goals"]))
def test_the_change_is_that_of_the_oracle_over_every_chain(people: list[Any], of: str) -> None:
    rows, counts = [], ({}, {})
    hours = [
        (int((start - START) / timedelta(hours=1)), int((end - START) / timedelta(hours=1)))
        for start, end in (BEFORE, AFTER)
    ]
    for number, (device, touches) in enumerate(people):
        rows += [(f"c{number}", START + timedelta(hours=hour), name, device) for hour, name in touches]
        for period, (first, last) in enumerate(hours):
            entry = chains.Asked([{"look"}, {"cart"}, {"pay"}], 48, start=first, end=last)
            depth = chains.answer(touches, entry).depth
            if depth:
                counts[period].setdefault(device, Counter()).update(range(depth))
    schema = {"customer": pl.String, "at": pl.Datetime("us", "UTC"), "touchpoint": pl.String, "device": pl.String}
    paths = Paths.from_frame(pl.DataFrame(rows, schema=schema, orient="row"), end_of_data=START + 60 * DAY)
    if not (counts[0] and counts[1]):
        with pytest.raises(DefinitionError, match="Nobody enters"):
            asked(paths, by="device", of=of)
        return
    whole = asked(paths, by="device", of=of)
    assert_frame_equal(asked(in_parts(paths, 3), by="device", of=of), whole, check_exact=True)
    expected = oracle.change(*({s: [own[k] for k in range(3)] for s, own in each.items()} for each in counts), of)
    total = whole.row(0, named=True)
    assert (total["before"], total["after"]) == pytest.approx((float(expected.before), float(expected.after)))
    numbers = {(None, None, "total"): expected.after - expected.before}
    for name, part in expected.parts.items():
        numbers[None, None if name == "volume" else int(name[5:]), "volume" if name == "volume" else "step"] = part
    found = contributions(whole.filter("is_total"))
    assert found == pytest.approx({key: float(part) for key, part in numbers.items()}, abs=1e-12)
    assert sum(expected.parts.values(), start=Fraction()) == expected.after - expected.before
    groups = contributions(whole.filter(~pl.col("is_total")))
    for effect, parts in (("mix", expected.mix), ("rate", expected.rate)):
        own = {key: part for key, part in groups.items() if key[2] == effect}
        assert own == pytest.approx({(s, step, effect): float(part) for (step, s), part in parts.items()}, abs=1e-12)


def test_no_touches_give_the_columns_without_rows() -> None:
    found = asked(shop({}, {}), by="device")
    assert len(found) == 0 and found.columns == asked(shop({"a": (9, 5)}, {"a": (9, 4)}), by="device").columns


def test_counts_are_those_of_the_funnel_of_each_period() -> None:
    paths = shop({"a": (100, 50, 20)}, {"a": (100, 60, 18)})
    steps = asked(paths).filter(effect="step")
    for side, (start, end) in (("before", BEFORE), ("after", AFTER)):
        alone = funnel(paths, Funnel(["look", "cart", "pay"], window="2d", start=start, end=end))
        assert steps[side].to_list() == pytest.approx(alone["share_of_previous"].to_list()[1:])
        assert steps[f"customers_{side}"].to_list() == alone["reached"].to_list()[:-1]


SMALL = shop({"a": (9, 5, 3)}, {"a": (9, 4, 2)}, value=1.0)


@pytest.mark.parametrize(
    ("definition", "options", "message"),
    [
        (STEPS, {"after": (START + 9 * DAY, AFTER[1])}, "overlap"),
        (STEPS, {"before": (START, START)}, "period before is empty"),
        (STEPS, {"before": (START - 9 * DAY, START)}, r"(?s)Nobody enters.*period before"),
        (STEPS, {"after": (START + 50 * DAY, START + 59 * DAY)}, r"(?s)not over.*ends by 2024-02-28.*reach 2024-03-02"),
        (STEPS, {"by": "devise"}, r"(?s)no column 'devise'.*did you mean 'device'"),
        (STEPS, {"by": [()]}, "family of segments has no column"),
        (STEPS, {"by": "step"}, "cannot be a breakdown"),
        (STEPS, {"of": "rat"}, r"(?s)Unknown of 'rat'.*did you mean 'rate'"),
        (STEPS, {"of": "value"}, "has no value"),
        (Funnel(["look"]), {}, "one step"),
        (Funnel(["look", Step("cart", optional=True)]), {}, "one step"),
        (Funnel(["look", "cart"], maturity="survival"), {}, "mature entrants"),
        (Funnel(["look", "cart"], count="entries"), {}, "another count than entries"),
        (Funnel(["look", "cart"], by="device", attribution="every"), {}, "in one segment"),
        (Funnel(["look", "cart"], start=START), {}, "range of its own"),
    ],
)
def test_what_has_no_change_is_refused(definition: Funnel, options: dict[str, Any], message: str) -> None:
    with pytest.raises(DefinitionError, match=message):
        asked(SMALL, definition, **options)
