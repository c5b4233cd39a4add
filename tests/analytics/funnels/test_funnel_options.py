"""Attempts, first times, values, breakdowns, trends and waits are what the oracle says, over random small paths."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from functools import cache, partial
from pathlib import Path
from textwrap import dedent
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics import Exclude, Funnel, Paths, Step, funnel, funnel_by_range, members, sessions, time_to_convert, trend
from analytics.store.parts import Part
from expectations.errors import DefinitionError
from tests.oracles import funnel as oracle
from tests.written import START, at, in_parts, paths

MANY = int(os.environ.get("JOURNEYS_EXAMPLES", "40"))
STEPS = ({"a"}, {"b", "a"}, {"c"})
NAMED: list[str | list[str]] = [sorted(names) for names in STEPS]

Touch = tuple[int, str, str, int]
"""Second, touchpoint, group (`-` for none) and worth."""
TOUCHES = st.lists(
    st.tuples(st.integers(0, 30), st.sampled_from("abcx"), st.sampled_from("pq-"), st.integers(0, 9)),
    max_size=8,
    unique_by=lambda touch: touch[0],
)
PEOPLE = st.lists(TOUCHES, min_size=1, max_size=6)
TIED_TOUCH = st.tuples(st.integers(0, 20), st.sampled_from("abcx")).map(
    lambda touch: (*touch, "pq-"[touch[0] % 3], touch[0] * 7 % 10)
)
TIED = st.lists(TIED_TOUCH, max_size=8)
"""Touches of which some are of one instant; group and worth are the same for all of an instant."""
TIED_PEOPLE = st.lists(TIED, min_size=1, max_size=6)
SIZES = st.sampled_from([1, 7, 100])
"""Touches of a part: one customer per part, a few, all in one."""


def shop(people: Iterable[list[Touch]], size: int = 100) -> Paths:
    """Paths of customers 0, 1, ... in parts of about `size` touches; the data end nine days after they begin."""
    rows = [(str(who), START + seconds(second), *rest) for who, own in enumerate(people) for second, *rest in own]
    frame = pl.DataFrame(rows, schema=["customer", "at", "touchpoint", "group", "worth"], orient="row")
    text = pl.col("customer", "touchpoint", "group").cast(pl.String)
    frame = frame.with_columns(text, pl.col("at").cast(pl.Datetime("us", "UTC")), pl.col("worth").cast(pl.Int64))
    whole = Paths.from_frame(frame.with_columns(pl.col("group").replace("-", None)), end_of_data=at("9d"))
    return in_parts(whole, size)


def plain(touches: Iterable[Touch]) -> list[tuple[int, str]]:
    return sorted((second, name) for second, name, _, _ in touches)


def chain_of(touches: list[Touch], asked: oracle.Asked) -> list[Touch]:
    """The touches of the reported chain; of some of one instant and name, any."""
    chain = oracle.best(plain(touches), asked)
    return [sorted(touches)[chain[k].place] for k in sorted(chain)]


def depths_of(store: Paths, asked: Funnel) -> dict[str, list[int]]:
    """The depth of every chain of every customer who has one, in the order of their attempts."""
    rows = members(store, asked).group_by("customer", maintain_order=True).agg("depth")
    return dict(rows.rows())


def seconds(length: int) -> timedelta:
    return timedelta(seconds=length)


@settings(deadline=None, max_examples=MANY)
@given(
    st.one_of(st.tuples(PEOPLE, st.just(STEPS)), st.tuples(TIED_PEOPLE, st.just(({"a"}, {"b"}, {"c"})))),
    st.integers(0, 20),
    st.sampled_from(["ordered", "strict"]),
    SIZES,
)
def test_attempts_follow_each_other(
    drawn: tuple[list[list[Touch]], tuple[set[str], ...]], window: int, order: Any, size: int
) -> None:
    """With ties, of steps that share no touchpoint: else more than one choice of touches makes the same attempt."""
    people, steps = drawn
    asked = oracle.Asked(steps, window, order=order)
    rows = [[(second, name) for second, name, *_ in own] for own in people]
    slow = {str(who): [len(chain) for chain in oracle.attempts(own, asked)] for who, own in enumerate(rows)}
    named = [sorted(names) for names in steps]
    fast = depths_of(shop(people, size), Funnel(named, seconds(window), order=order, count="entries"))
    assert fast == {who: depths for who, depths in slow.items() if depths}


@pytest.mark.parametrize("mode", [{"count": "entries"}, {"reentry": False}], ids=str)
@settings(deadline=None, max_examples=MANY)
@given(
    st.lists(st.tuples(st.integers(0, 2), st.sampled_from("abcx"), st.just("-"), st.just(0)), max_size=9),
    st.randoms(use_true_random=False),
    st.sampled_from(
        [
            *(
                {"steps": steps, "order": order}
                for steps in (NAMED, list("abc"))
                for order in ("ordered", "strict", "unordered")
            ),
            {"steps": NAMED, "exclude": "x"},
            {"steps": list("abc"), "ties": "adverse"},
        ]
    ),
)
def test_attempts_do_not_depend_on_the_order_of_the_source_at_one_instant(
    mode: dict[str, Any], touches: list[Touch], random: Any, rules: dict[str, Any]
) -> None:
    asked = Funnel(window="4s", **rules, **mode)
    again = random.sample(touches, len(touches))
    assert depths_of(shop([touches]), asked) == depths_of(shop([again]), asked)


def test_an_attempt_leaves_what_it_did_not_use_of_its_last_instant_to_the_next() -> None:
    for source in ("visit@0m pay@5m visit@5m pay@9m", "visit@0m visit@5m pay@5m pay@9m"):
        rows = members(paths({"ann": source}, end="60d"), Funnel(["visit", "pay"], count="entries"))
        assert rows["depth"].to_list() == [2, 2]
    for source in ("visit@0m visit@0m pay@0m", "visit@0m pay@0m visit@0m", "pay@0m visit@0m visit@0m"):
        rows = members(paths({"ann": source}, end="60d"), Funnel(["visit", "pay"], count="entries"))
        assert rows["depth"].to_list() == [2, 1]


def with_first_marked(touches: list[Touch], first: str) -> list[tuple[int, str]]:
    """The one touch that is the step is called `first`: it must be worth more than 4."""
    ordered = sorted(touches, key=lambda touch: touch[0])
    named = [place for place, touch in enumerate(ordered) if touch[1] == "b"]
    worthy = [place for place in (named[:1] if first == "any" else named) if ordered[place][3] > 4][:1]
    return [(touch[0], "first" if place in worthy else touch[1]) for place, touch in enumerate(ordered)]


@settings(deadline=None, max_examples=MANY)
@given(TIED_PEOPLE, st.integers(0, 20), st.sampled_from(["any", "matching"]), SIZES)
def test_a_first_time_step_is_one_touch_of_the_customer(
    people: list[list[Touch]], window: int, first: Any, size: int
) -> None:
    """The first touch of that name, which must be worth more than 4; or the first that is worth more than 4."""
    asked = oracle.Asked(({"a"}, {"first"}, {"c"}), window)
    slow = {str(who): [len(oracle.best(with_first_marked(own, first), asked))] for who, own in enumerate(people)}
    steps: list[str | Step | list[str]] = ["a", Step("b", where=pl.col("worth") > 4, first_time=first), "c"]
    fast = depths_of(shop(people, size), Funnel(steps, seconds(window)))
    assert fast == {who: depths for who, depths in slow.items() if depths != [0]}


@settings(deadline=None, max_examples=MANY)
@given(TIED_PEOPLE, st.integers(0, 20), SIZES)
def test_value_is_that_of_the_touches_of_the_reported_chains(people: list[list[Touch]], window: int, size: int) -> None:
    sums = [0, 0, 0]
    for touches in people:
        for step, touch in enumerate(chain_of(touches, oracle.Asked(STEPS, window))):
            sums[step] += touch[3]
    assert funnel(shop(people, size), Funnel(NAMED, seconds(window), value="worth"))["value"].to_list() == sums


def group_of(attribution: str, chain: list[Touch], touches: list[Touch]) -> str | None:
    """The value of the group, by the definition."""
    ours = [touch for touch in sorted(touches) if touch[1] in "abc" and touch[2] != "-"]
    if attribution == "first":
        chosen = ours[:1]
    elif attribution == "last":
        chosen = [touch for touch in ours if touch[0] <= chain[-1][0]][-1:]
    else:
        step = 0 if attribution == "at_entry" else int(attribution[5:]) - 1
        chosen = chain[step : step + 1]
    return chosen[0][2].replace("-", "") or None if chosen else None


@settings(deadline=None, max_examples=MANY)
@given(
    st.one_of(PEOPLE, TIED_PEOPLE),
    st.integers(0, 20),
    st.sampled_from(["at_entry", "first", "last", "step 2", "step 3"]),
    SIZES,
)
def test_a_breakdown_takes_the_value_that_its_attribution_names(
    people: list[list[Touch]], window: int, attribution: str, size: int
) -> None:
    expected: dict[str | None, list[int]] = defaultdict(lambda: [0, 0, 0])
    for touches in people:
        if chain := chain_of(touches, oracle.Asked(STEPS, window)):
            group = expected[group_of(attribution, chain, touches)]
            group[:] = [count + (step < len(chain)) for step, count in enumerate(group)]
    asked = Funnel(NAMED, seconds(window), by="group", attribution=attribution)
    assert by_group(shop(people, size), asked) == expected


@settings(deadline=None, max_examples=MANY)
@given(st.one_of(PEOPLE, TIED_PEOPLE), st.integers(0, 20), SIZES)
def test_every_is_the_funnel_of_the_touches_of_each_value(people: list[list[Touch]], window: int, size: int) -> None:
    expected: dict[str | None, list[int]] = {}
    for value in ("p", "q", "-"):
        own = [[touch for touch in touches if touch[2] == value] for touches in people]
        depths = [len(chain_of(touches, oracle.Asked(STEPS, window))) for touches in own]
        if any(depths):
            expected[None if value == "-" else value] = [sum(depth > step for depth in depths) for step in range(3)]
    asked = Funnel(NAMED, seconds(window), by="group", attribution="every")
    assert by_group(shop(people, size), asked) == expected


@settings(deadline=None, max_examples=MANY)
@given(st.one_of(PEOPLE, TIED_PEOPLE), st.integers(0, 20), st.integers(1, 3), SIZES)
def test_every_step_is_the_funnel_once_for_each_value_of_a_touch_that_can_be_it(
    people: list[list[Touch]], window: int, own: int, size: int
) -> None:
    """A touch of another value, marked here, can be any step but that one."""
    steps = [names if k == own else names | {f"{name}!" for name in names} for k, names in enumerate(STEPS, 1)]
    expected: dict[str | None, list[int]] = {}
    for value in ("p", "q", "-"):
        depths = []
        for touches in people:
            can = [name in STEPS[own - 1] for _, name, _, _ in touches]
            marked = [
                (second, name + "!" * (be and group != value))
                for be, (second, name, group, _) in zip(can, touches, strict=True)
            ]
            asked_of = any(be and touch[2] == value for be, touch in zip(can, touches, strict=True))
            depths.append(len(oracle.best(sorted(marked), oracle.Asked(steps, window))) if asked_of else 0)
        if any(depths):
            expected[None if value == "-" else value] = [sum(depth > step for depth in depths) for step in range(3)]
    asked = Funnel(NAMED, seconds(window), by="group", attribution=f"every step {own}")
    assert by_group(shop(people, size), asked) == expected


MODES: list[dict[str, Any]] = [
    {},
    {"order": "strict"},
    {"order": "unordered"},
    {"count": "entries"},
    {"count": "worth"},
    {"count": "sessions"},
    {"same": "group"},
    {"maturity": "clip"},
    {"maturity": "survival"},
    {"exclude": "x"},
    {"exclude": "x", "exclude_effect": "drop_customer"},
    {"steps": ["a", Step("b", optional=True), Step("c", within="2h")]},
    {"steps": ["a", Step("b", optional=True), Step("a", optional=True), "c"], "maturity": "survival"},
    {"attribution": "every"},
    {"attribution": "last"},
    {"ties": "sequence", "reentry": False},
]


@pytest.mark.parametrize("mode", MODES, ids=str)
@settings(deadline=None, max_examples=max(5, MANY // 8))
@given(st.one_of(PEOPLE, TIED_PEOPLE), st.integers(0, 20), SIZES)
def test_members_are_as_many_as_the_number_they_explain(
    mode: dict[str, Any], people: list[list[Touch]], window: int, size: int
) -> None:
    """An hour of the paths stands for a second; the data end while some are under way."""
    slow = [[(3600 * second, *rest) for second, *rest in touches] for touches in people]
    touches = sessions(shop(slow).touches.collect(), "2h")  # type: ignore[arg-type]
    store = in_parts(Paths.from_frame(touches, end_of_data=at("1d")), size)
    asked = Funnel(**{"steps": NAMED, "window": timedelta(hours=window), "by": "group", **mode})
    explained = cache(partial(members, store, asked))  # asked once for all rows of a step
    for row in funnel(store, asked).iter_rows(named=True):
        for state in ("reached", "dropped", "open"):
            found = explained(step=row["step"], state=state)
            if not row["is_total"]:
                found = found.filter(pl.col("group").eq_missing(row["group"]))
            assert len(found) == row[state], (state, row["step"], row["group"])


def by_group(shop: Paths, asked: Funnel) -> dict[str | None, list[int]]:
    rows = funnel(shop, asked).filter(~pl.col("is_total"))
    return {key[0]: part["reached"].to_list() for key, part in rows.group_by("group", maintain_order=True)}


@settings(deadline=None, max_examples=MANY)
@given(st.one_of(PEOPLE, TIED_PEOPLE), st.integers(0, 20), SIZES)
def test_a_trend_is_the_funnel_of_the_entries_of_each_period(people: list[list[Touch]], window: int, size: int) -> None:
    """An hour of the paths stands for a second of the oracle."""
    slow = [[(3600 * second, *rest) for second, *rest in touches] for touches in people]
    expected = []
    for day in range(2):
        asked = oracle.Asked(STEPS, 3600 * window, start=86_400 * day, end=86_400 * (day + 1))
        depths = [len(oracle.best(plain(touches), asked)) for touches in slow]  # type: ignore[arg-type]
        expected.append((sum(depth > 0 for depth in depths), sum(depth > 2 for depth in depths)))
    asked_for = Funnel(NAMED, timedelta(hours=window))
    days = [START.date(), (START + timedelta(days=1)).date()]
    table = trend(shop(slow, size), asked_for, starts=days)  # type: ignore[arg-type]
    counts = {row["period"].day: (row["entered"], row["reached"]) for row in table.to_dicts()}
    assert [counts.get(day.day, (0, 0)) for day in days] == expected


@settings(deadline=None, max_examples=MANY)
@given(st.one_of(PEOPLE, TIED_PEOPLE), st.integers(0, 20), SIZES)
def test_waits_are_those_of_the_reported_chains(people: list[list[Touch]], window: int, size: int) -> None:
    chains = [chain_of(touches, oracle.Asked(STEPS, window)) for touches in people]
    waits = [chain[2][0] - chain[0][0] for chain in chains if len(chain) == 3]
    row = time_to_convert(shop(people, size), Funnel(NAMED, seconds(window))).row(0, named=True)
    assert row["customers"] == len(waits)
    if waits:
        assert row["average_wait"] == timedelta(seconds=sum(waits) / len(waits))
        assert sum(row["counts"]) == len(waits)
        assert row["origin"] == seconds(min(waits))


def test_touches_of_one_instant_in_sequence_are_read_as_the_source_numbers_them() -> None:
    frame = pl.DataFrame(
        {
            "customer": ["ann", "ann", "bo", "bo"],
            "at": [at("0m")] * 4,
            "touchpoint": ["pay", "visit", "pay", "visit"],
            "number": [2, 1, 1, 2],
        }
    )
    shop = Paths.from_frame(frame, sequence="number", end_of_data=at("400d"))
    asked = Funnel(["visit", "pay"], ties="sequence")
    assert members(shop, asked, step=2)["customer"].to_list() == ["ann"]
    assert funnel(shop, Funnel(["visit", "pay"]))["reached"].to_list() == [2, 2]


@pytest.mark.parametrize("steps", [12, 40])
def test_many_steps_are_those_of_the_oracle(steps: int) -> None:
    names = [f"s{k}" for k in range(steps)]
    journey = " ".join(f"{name}@{k}m" for k, name in enumerate(names[:-1]))
    table = funnel(paths({"ann": journey, "bo": "s0@0m s1@2m"}, end="400d"), Funnel(names))
    assert table["reached"].to_list() == [2, 2, *[1] * (steps - 3), 0]


def test_any_column_can_be_counted_instead_of_customers() -> None:
    journeys = {"ann": "visit@0m[order=1] pay@1m[order=2]", "bo": "visit@0m[order=2] visit@1m[order=3]"}
    shop = paths(journeys, end="400d")
    assert funnel(shop, Funnel(["visit", "pay"], count="order"))["reached"].to_list() == [3, 1]
    with pytest.raises(DefinitionError, match="cannot be counted"):
        funnel(shop, Funnel(["visit"], count="at"))
    numbered = Paths.from_frame(shop.touches.collect().with_columns(session=pl.lit(1)))
    with pytest.raises(DefinitionError, match="numbers the sessions of each customer"):
        funnel(numbered, Funnel(["visit"], count="session"))


def test_a_trend_reads_each_part_once_for_all_its_periods(monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[int] = []
    read = Part.read
    monkeypatch.setattr(Part, "read", lambda part, columns: (reads.append(part.number), read(part, columns))[1])
    days = [date(2024, 1, day) for day in range(1, 11)]
    store = paths({"ann": "visit@0d pay@1d visit@3d", "bo": "visit@3d pay@9d"}, end="60d")
    table = trend(store, Funnel(["visit", "pay"]), starts=days)
    assert table["entered"].to_list() == [1, 0, 0, 2, *[0] * 6]
    assert table["reached"].to_list() == [1, 0, 0, 1, *[0] * 6]
    assert len(reads) == 1
    ranges = [(at(f"{day}d"), at(f"{day + 1}d")) for day in range(10)]
    counts = funnel_by_range(store, Funnel(["visit", "pay"]), ranges)
    assert counts.filter(pl.col("step") == 2)["reached"].to_list() == table["reached"].to_list()
    assert len(reads) == 2


OVERLAPPING, APART = ((0, 8), (5, 15), (15, 21), (90, 99)), ((0, 4), (4, 5), (7, 15), (15, 21), (90, 99))
ANY_RULES: list[dict[str, Any]] = [
    {},
    {"order": "unordered"},
    {"later": True},
    {"ties": "sequence"},
    {"steps": list("abc"), "ties": "adverse"},
    {"steps": list("abc"), "exclude": "x"},
    {"exclude": "x"},
    {"exclude": Exclude("x", after=2, before=3)},
    {"count": "entries"},
    {"by": "group", "attribution": "last"},
    {"by": "group", "attribution": "every"},
    {"same": "group"},
]


@settings(deadline=None, max_examples=MANY)
@given(TIED_PEOPLE, st.sampled_from(ANY_RULES), st.booleans(), st.sampled_from([OVERLAPPING, APART]), SIZES)
def test_counts_by_range_are_those_of_the_funnel_of_each_range(
    people: list[list[Touch]], rules: dict[str, Any], grouped: bool, bounds: Any, size: int
) -> None:
    """One has no entries, and the data end while some are under way."""
    store = in_parts(Paths.from_frame(shop(people).touches.collect(), end_of_data=START + seconds(15)), size)
    asked = {"steps": NAMED, "window": "10s", "by": "group" if grouped else (), **rules}
    ranges = [(START + seconds(low), START + seconds(high)) for low, high in bounds]
    counts = funnel_by_range(store, Funnel(**asked), ranges)
    for start, end in ranges:
        alone = funnel(store, Funnel(**asked, start=start, end=end))
        here = counts.filter(pl.col("period") == start).drop("period")
        assert here.equals(alone.select(here.columns))


def test_two_ranges_with_one_start_are_refused() -> None:
    ranges = [(START, START + seconds(1)), (START, START + seconds(2))]
    with pytest.raises(DefinitionError, match="one start"):
        funnel_by_range(shop([[]]), Funnel(["a"]), ranges)


def test_a_member_has_the_first_entry_beside_that_of_the_reported_chain() -> None:
    store = paths({"ann": "visit@0d visit@2d pay@3d"}, end="90d")
    row = members(store, Funnel(["visit", "pay"], "2d")).row(0, named=True)
    assert (row["first_at"], row["entered_at"], row["reached_at"]) == (at("0d"), at("2d"), [at("2d"), at("3d")])


@pytest.mark.parametrize(
    ("period", "entered"), [("hour", [1, 1, 1]), ("day", [3]), ("week", [3]), ("week_sunday", [3])]
)
def test_periods_are_those_of_the_clock_of_a_zone_when_it_goes_back(period: str, entered: list[int]) -> None:
    """In Oslo the hour from two to three came twice on 27 October 2024."""
    times = [datetime(2024, 10, 27, hour, 30, tzinfo=UTC) for hour in (0, 1, 2)]
    frame = pl.DataFrame({"customer": ["ann", "bo", "cy"], "at": times, "touchpoint": "visit"})
    store = Paths.from_frame(frame, end_of_data=datetime(2025, 1, 1, tzinfo=UTC))
    table = trend(store, Funnel(["visit"]), period=period, timezone="Europe/Oslo")
    assert table["entered"].to_list() == entered
    if period == "hour":
        zone = ZoneInfo("Europe/Oslo")
        named = [
            datetime(2024, 10, 27, 2, tzinfo=zone),
            datetime(2024, 10, 27, 1, tzinfo=UTC),
            datetime(2024, 10, 27, 3),  # noqa: DTZ001
        ]
        assert trend(store, Funnel(["visit"]), period=period, timezone="Europe/Oslo", starts=named).equals(table)


@pytest.mark.parametrize(("period", "entered"), [("week", [2, 1]), ("week_sunday", [1, 2])])
def test_a_week_begins_on_monday_or_on_sunday(period: str, entered: list[int]) -> None:
    """The paths begin on Monday the first of January 2024; its first Sunday is the seventh."""
    store = paths({"ann": "visit@0d", "bo": "visit@6d", "cy": "visit@7d"}, end="60d")
    table = trend(store, Funnel(["visit"]), period=period)
    assert table["entered"].to_list() == entered


@pytest.mark.parametrize("ask", [trend, time_to_convert])
def test_estimates_have_no_trend_and_no_histogram(ask: Any) -> None:
    with pytest.raises(DefinitionError, match="survival"):
        ask(paths({"ann": "visit@0m"}), Funnel(["visit", "pay"], maturity="survival"))


@pytest.mark.parametrize("column", ["depth", "entered", "first", "step"])
def test_a_breakdown_by_a_column_of_the_result_raises_an_error(column: str) -> None:
    shop = paths({"ann": f"visit@0m[{column}=1]"})
    with pytest.raises(DefinitionError, match="cannot be a breakdown"):
        funnel(shop, Funnel(["visit"], by=column))


def test_members_can_be_broken_down_by_customer() -> None:
    shop = paths({"ann": "visit@0m", "bo": "visit@1m"}, end="400d")
    assert members(shop, Funnel(["visit"], by="customer"))["customer"].to_list() == ["ann", "bo"]


def test_a_first_question_loads_no_library_that_it_does_not_use() -> None:
    asked = """
        import sys
        from analytics import Funnel, funnel
        from tests.written import paths
        shop = paths({"ann": "visit@0m pay@1m"}, end="60d")
        assert funnel(shop, Funnel(["visit", "pay"]))["reached"].to_list() == [1, 1]
        print([name for name in ("pandas", "scipy.stats", "statsmodels", "altair") if name in sys.modules])
    """
    home = Path(__file__).resolve().parents[3]
    done = subprocess.run([sys.executable, "-c", dedent(asked)], capture_output=True, text=True, check=True, cwd=home)
    assert done.stdout.strip() == "[]"
