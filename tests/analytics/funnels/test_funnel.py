"""The funnel is what its definition says: hand-made cases, then every chain tried by the oracle."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics import Exclude, Funnel, Paths, Step, funnel, members, time_to_convert, trend
from expectations.errors import DefinitionError
from tests.oracles import funnel as oracle
from tests.written import START, at, in_parts, paths

MANY = int(os.environ.get("JOURNEYS_EXAMPLES", "60"))


def reached(journeys: dict[str, str], *steps: str | Step, **rules: object) -> list[int]:
    """How many customers reach each step, with the data ending after 400 days."""
    return funnel(paths(journeys, end="400d"), Funnel(list(steps), **rules))["reached"].to_list()  # type: ignore[arg-type]


def test_customers_count_at_each_step_they_reach() -> None:
    journeys = {"ann": "visit@0m cart@3m pay@9m", "bo": "visit@0m pay@1m", "cy": "cart@0m"}
    assert reached(journeys, "visit", "cart", "pay") == [2, 1, 1]


def test_the_window_is_inclusive_at_its_edge() -> None:
    assert reached({"ann": "visit@0m pay@60m"}, "visit", "pay", window="1h") == [1, 1]
    assert reached({"ann": "visit@0m pay@3601s"}, "visit", "pay", window="1h") == [1, 0]


def test_a_later_entry_can_be_the_one_that_converts() -> None:
    assert reached({"ann": "visit@0m visit@50m pay@70m"}, "visit", "pay", window="1h") == [1, 1]


def test_one_touch_is_one_step_only() -> None:
    assert reached({"ann": "visit@0m"}, "visit", "visit") == [1, 0]
    assert reached({"ann": "visit@0m visit@1m"}, "visit", "visit") == [1, 1]


def test_touches_of_one_instant_help_or_do_not_help_as_declared() -> None:
    tied = {"ann": "pay@1m visit@1m"}
    assert reached(tied, "visit", "pay") == [1, 1]
    assert reached(tied, "visit", "pay", ties="adverse") == [1, 0]
    assert reached(tied, "visit", "pay", ties="sequence") == [1, 0]
    assert funnel(paths(tied, end="400d"), Funnel(["visit", "pay"]))["tie_sensitive"].to_list() == [1, 1]


def test_a_strict_chain_has_no_other_touch_in_between() -> None:
    journeys = {"ann": "visit@0m pay@1m", "bo": "visit@0m look@1m pay@2m"}
    assert reached(journeys, "visit", "pay", order="strict") == [2, 1]
    universe = pl.col("touchpoint") != "look"
    assert reached(journeys, "visit", "pay", order="strict", universe=universe) == [2, 2]


def test_an_excluded_touch_ends_the_attempt_and_another_may_follow() -> None:
    journeys = {"ann": "visit@0m refund@1m pay@2m", "bo": "visit@0m refund@1m visit@2m pay@3m"}
    assert reached(journeys, "visit", "pay", exclude="refund") == [2, 1]


def test_an_excluded_touch_outside_its_two_steps_does_nothing() -> None:
    exclude = [Exclude("refund", after=2, before=3)]
    assert reached({"ann": "visit@0m refund@1m cart@2m pay@3m"}, "visit", "cart", "pay", exclude=exclude) == [1, 1, 1]
    assert reached({"ann": "visit@0m cart@1m refund@2m pay@3m"}, "visit", "cart", "pay", exclude=exclude) == [1, 1, 0]


def test_customers_still_within_the_window_are_open_and_not_lost() -> None:
    shop = paths({"ann": "visit@0d pay@1d", "bo": "visit@0d", "cy": "visit@9d pay@10d", "di": "visit@9d"}, end="10d")
    table = funnel(shop, Funnel(["visit", "pay"], window="7d"))
    assert table["entered"].to_list() == [2, 2]
    assert table["reached"].to_list() == [2, 1]
    assert table["open"].to_list() == [2, 1]
    assert table["dropped"].to_list() == [0, 1]


def test_clipping_counts_all_entrants_and_only_touches_in_range() -> None:
    journeys = {"ann": "visit@0d pay@1d", "bo": "visit@4d pay@6d"}
    shop = paths(journeys, end="6d")
    clip = Funnel(["visit", "pay"], window="7d", start=at("0d"), end=at("5d"), maturity="clip")
    assert funnel(shop, clip)["reached"].to_list() == [2, 1]
    mature = Funnel(["visit", "pay"], window="1d", start=at("0d"), end=at("5d"))
    assert funnel(shop, mature)["reached"].to_list() == [2, 1]


def test_entries_lie_in_the_range_and_chains_may_complete_after_it() -> None:
    journeys = {"ann": "visit@0d pay@5d", "bo": "visit@2d pay@3d"}
    assert reached(journeys, "visit", "pay", window="7d", start=at("0d"), end=at("2d")) == [1, 1]
    assert reached(journeys, "visit", "pay", window="7d", start=at("2d")) == [1, 1]


def test_a_breakdown_takes_the_value_at_entry_and_totals_come_first() -> None:
    journeys = {"ann": "visit@0m[device=phone] pay@1m[device=desk]", "bo": "visit@0m[device=desk]", "cy": "visit@0m"}
    table = funnel(paths(journeys, end="400d"), Funnel(["visit", "pay"], by=["device"]))
    rows = table.filter(pl.col("step") == 2).select("device", "is_total", "entered", "reached").rows()
    assert rows == [(None, True, 3, 1), ("desk", False, 1, 0), ("phone", False, 1, 1), (None, False, 1, 0)]


def test_waits_are_exact_ranks_of_the_reported_chains() -> None:
    journeys = {str(i): f"visit@0m pay@{i}m" for i in range(1, 12)}
    row = funnel(paths(journeys, end="400d"), Funnel(["visit", "pay"])).row(1, named=True)
    assert (row["median_wait"], row["p90_wait"]) == (timedelta(minutes=6), timedelta(minutes=10))


def test_shares_have_intervals_and_small_counts_are_flagged() -> None:
    journeys = {str(i): "visit@0m pay@1m" if i < 12 else "visit@0m" for i in range(40)}
    row = funnel(paths(journeys, end="400d"), Funnel(["visit", "pay"])).row(1, named=True)
    assert row["share_of_entered"] == row["share_of_previous"] == 0.3
    assert round(row["share_of_entered_low"], 4) == 0.1807
    assert row["enough"]
    few = funnel(paths({"ann": "visit@0m"}, end="400d"), Funnel(["visit", "pay"]))
    assert few["enough"].to_list() == [False, False]


def test_steps_may_be_stages_any_of_several_with_conditions_or_anything() -> None:
    journeys = {
        "ann": "ad@0m[stage=see,value=1] buy@1m[stage=act,value=5]",
        "bo": "ad@0m[stage=see,value=1] renew@1m[value=0]",
    }
    assert reached(journeys, Step("see", on="stage"), Step("act", on="stage")) == [2, 1]
    assert reached(journeys, "ad", Step(["buy", "renew"], where=pl.col("value") > 0)) == [2, 1]
    assert reached(journeys, "ad", Step("*")) == [2, 2]
    assert reached(journeys, Step("see", on="stage"), Step("*")) == [2, 2]


def test_no_touches_give_rows_of_zeros() -> None:
    table = funnel(paths({}), Funnel(["visit", "pay"], by=["touchpoint"]))
    assert table.select("is_total", "step", "entered", "reached").rows() == [(True, 1, 0, 0), (True, 2, 0, 0)]
    assert table["share_of_entered"].to_list() == [None, None]


def test_one_touch_is_open_at_the_end_of_the_data() -> None:
    table = funnel(paths({"ann": "visit@0m"}), Funnel(["visit", "pay"]))
    assert table.select("entered", "open").rows() == [(0, 1), (0, 0)]


def test_more_than_ten_steps() -> None:
    names = [f"s{i}" for i in range(14)]
    journey = " ".join(f"{name}@{i}m" for i, name in enumerate(names))
    assert reached({"ann": journey}, *names) == [1] * 14


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Funnel([]), "no steps"),
        (lambda: Funnel(["a"], window="7"), "not a length of time"),
        (lambda: Funnel(["a"], window=7), "not a length of time"),  # type: ignore[arg-type]
        (lambda: Funnel([Step([])]), "names nothing"),
        (lambda: Funnel(["a", "b"], order="orderd"), "did you mean 'ordered'"),  # type: ignore[arg-type]
        (lambda: Funnel(["a", "b"], exclude=[Exclude("x", after=2, before=3)]), "between two steps"),
        (lambda: funnel(paths({"ann": "a@0m[device=x]"}), Funnel(["a"], by="devise")), "did you mean 'device'"),
        (lambda: funnel(paths({}), Funnel([Step("x", on="satge")])), "no column 'satge'"),
        (lambda: funnel(paths({"ann": "a@0m[n=1]"}), Funnel([Step("1", on="n")])), "values of another type"),
        (lambda: funnel(paths({"ann": "a@0m[n=1]"}), Funnel([Step("a", pl.col("n") > "x")])), "cannot be worked out"),
        (lambda: funnel(paths({"ann": "a@0m[n=1]"}), Funnel([Step("a", pl.col("n") + 1)])), "neither true nor false"),
        (lambda: Funnel("visit"), "are a list"),
        (lambda: Funnel(["a"], start="2026-03-01"), "not a time"),  # type: ignore[arg-type]
        (lambda: Funnel(["a"], start=at("1d"), end=at("1d")), "range of entries is empty"),
        (lambda: time_to_convert(paths({}), Funnel(["a", "b"]), from_step=2, to_step=1), "to a later one"),
        (lambda: trend(paths({}), Funnel(["a", "b"]), from_step=2, to_step=1), "to a later one"),
        (lambda: time_to_convert(paths({}), Funnel(["a", "b"]), bins=0), "at least one bin"),
    ],
)
def test_an_invalid_definition_raises_an_error(make: object, message: str) -> None:
    with pytest.raises(DefinitionError, match=message):
        make()  # type: ignore[operator]


def test_members_are_the_customers_behind_each_number() -> None:
    journeys = {"ann": "visit@0m pay@5m", "bo": "visit@1m", "cy": "visit@399d"}
    shop, asked = paths(journeys, end="400d"), Funnel(["visit", "pay"])
    assert members(shop, asked, step=2)["customer"].to_list() == ["ann"]
    assert members(shop, asked, step=2, state="dropped")["customer"].to_list() == ["bo"]
    assert members(shop, asked, step=1, state="open")["customer"].to_list() == ["cy"]
    assert members(shop, asked)["reached_at"].to_list()[0] == [at("0m"), at("5m")]


def test_a_store_on_disk_gives_the_same_answer(tmp_path: object) -> None:
    shop = paths({"ann": "visit@0m[d=x] cart@3m pay@9m", "bo": "visit@0m[d=y] pay@1m"}, end="40d")
    shop.save(str(tmp_path))
    asked = Funnel(["visit", "cart", "pay"], by="d")
    assert funnel(Paths.open(str(tmp_path)), asked).equals(funnel(shop, asked))


NAMES = st.sampled_from("abcx")
Path = list[tuple[int, str]]
"""Seconds and touchpoints of one customer."""
PATH = st.lists(st.tuples(st.integers(0, 9), NAMES), max_size=7)
PEOPLE = st.lists(PATH, min_size=1, max_size=6)
SIZES = st.sampled_from([1, 7, 100])
"""Touches of a part: one customer per part, a few, all in one."""
GROUPS = ("p", "q", None)
"""The value that all touches of customers 0, 1, 2 have, and again of those that follow."""
STEPS = st.lists(st.sets(st.sampled_from("abc"), min_size=1, max_size=2), min_size=1, max_size=4)
WORDS = st.sampled_from([{"x"}, {"x", "b"}, {"b"}, {"c"}, {"a"}])
EXCLUSIONS = st.lists(st.tuples(WORDS, st.integers(1, 3), st.integers(2, 4)), max_size=2)
RULES = {
    "order": st.sampled_from(["ordered", "strict"]),
    "window": st.integers(0, 9),
    "start": st.sampled_from([-oracle.FOREVER, 0, 3]),
    "end": st.sampled_from([oracle.FOREVER, 6, 9]),
    "clip": st.booleans(),
    "ties": st.sampled_from(["favourable", "sequence"]),
    "drop": st.just(False),
    "reentry": st.booleans(),
}


@st.composite
def questions(draw: st.DrawFn, special: bool = False) -> oracle.Asked:
    steps = draw(STEPS)
    exclude = [e for e in draw(EXCLUSIONS) if e[1] < e[2] <= len(steps)]
    rules = dict(RULES)
    if special:
        rules["drop"] = st.booleans()
        rules["optional"] = st.tuples(st.just(False), *[st.booleans()] * (len(steps) - 1))
        rules["within"] = st.tuples(*[st.sampled_from([None, 1, 3])] * len(steps))
    drawn = {name: draw(rule) for name, rule in rules.items()}
    return oracle.Asked(steps, exclude=exclude, **drawn | {"reentry": drawn["reentry"] or drawn["drop"]})


def as_funnel(asked: oracle.Asked) -> Funnel:
    optional = asked.optional or [False] * len(asked.steps)
    within = asked.within or [None] * len(asked.steps)
    return Funnel(
        [
            Step(sorted(names), optional=skip, within=None if wait is None else timedelta(seconds=wait))
            for names, skip, wait in zip(asked.steps, optional, within, strict=True)
        ],
        window=timedelta(seconds=asked.window),
        order=asked.order,  # type: ignore[arg-type]
        start=None if asked.start == -oracle.FOREVER else START + timedelta(seconds=asked.start),
        end=None if asked.end == oracle.FOREVER else START + timedelta(seconds=asked.end),
        maturity="clip" if asked.clip else "mature",
        ties=asked.ties,  # type: ignore[arg-type]
        exclude=[Exclude(sorted(names), after=after, before=before) for names, after, before in asked.exclude],
        exclude_effect="drop_customer" if asked.drop else "end_attempt",
        reentry=asked.reentry,
    )


def store(people: Sequence[Path], size: int) -> Paths:
    """Paths of customers 0, 1, ... in parts of about `size` touches."""
    journeys = {}
    for who, path in enumerate(people):
        group = GROUPS[who % 3]
        columns = f"[group={group}]" if group else ""
        journeys[str(who)] = " ".join(f"{name}@{seconds}s{columns}" for seconds, name in path)
    unset = pl.lit(None, pl.String).alias("group")
    whole = paths(journeys, end="1d")
    if "group" not in whole.schema:
        whole = Paths.from_frame(whole.touches.with_columns(unset), end_of_data=whole.end_of_data)
    return in_parts(whole, size)


def found(people: Sequence[Path], asked: oracle.Asked, size: int) -> list[oracle.Answer]:
    """The answer of every customer, each of whom must be in the group of their own."""
    table = members(store(people, size), replace(as_funnel(asked), by=("group",)))
    answers = [oracle.Answer(0, (None,) * len(asked.steps)) for _ in people]
    for row in table.iter_rows(named=True):
        who = int(row["customer"])
        times = tuple(time and int((time - START).total_seconds()) for time in row["reached_at"])
        assert (row["group"], answers[who].depth) == (GROUPS[who % 3], 0), "once, in their own group"
        answers[who] = oracle.Answer(row["depth"], times)
    return answers


def counts(people: Sequence[Path], asked: oracle.Asked, size: int) -> dict[str | None, list[int]]:
    """How many reach each step: of every group that anybody entered, and of `all`."""
    table = funnel(store(people, size), replace(as_funnel(asked), by=("group",)))
    groups = table.with_columns(pl.when("is_total").then(pl.lit("all")).otherwise("group").alias("group"))
    return {key[0]: rows["reached"].to_list() for key, rows in groups.group_by("group", maintain_order=True)}


def counted(answers: Sequence[oracle.Answer], steps: int) -> dict[str | None, list[int]]:
    """The same from the answers."""
    expected: dict[str | None, list[int]] = {"all": [0] * steps}
    for who, answer in enumerate(answers):
        if any(time is not None for time in answer.times):
            for group in ("all", GROUPS[who % 3]):
                own = expected.setdefault(group, [0] * steps)
                own[:] = [n + (time is not None) for n, time in zip(own, answer.times, strict=True)]
    return expected


def check(people: Sequence[Path], asked: oracle.Asked, size: int) -> None:
    """Customers and counts are those of the oracle."""
    slow = [oracle.answer(path, asked) for path in people]
    assert found(people, asked, size) == slow
    assert counts(people, asked, size) == counted(slow, len(asked.steps))


@settings(deadline=None, max_examples=MANY)
@given(PEOPLE, questions(), SIZES)
def test_the_reported_chain_is_the_best_of_all_chains(people: list[Path], asked: oracle.Asked, size: int) -> None:
    check(people, asked, size)


@settings(deadline=None, max_examples=MANY)
@given(PEOPLE, questions(special=True), SIZES)
def test_step_windows_optional_steps_and_dropped_customers(people: list[Path], asked: oracle.Asked, size: int) -> None:
    check(people, asked, size)


def test_a_strict_chain_that_has_ended_is_not_broken_by_what_comes_later() -> None:
    rules = {"order": "strict", "exclude": Exclude("pay"), "exclude_effect": "drop_customer"}
    assert reached({"ann": "visit@0m look@1m pay@2m"}, "visit", "cart", "pay", **rules) == [1, 0, 0]
    assert reached({"ann": "visit@0m pay@2m"}, "visit", "cart", "pay", **rules) == [0, 0, 0]


def test_an_optional_step_that_is_the_excluded_word_itself_closes_the_exclusion() -> None:
    rules = {"exclude": Exclude("pay"), "exclude_effect": "drop_customer"}
    steps = ("visit", Step("pay", optional=True))
    assert reached({"ann": "visit@0m pay@2m"}, *steps, **rules)[0] == 1
    assert reached({"ann": "visit@0m pay@2m pay@3m"}, *steps, **rules)[0] == 1


@settings(deadline=None, max_examples=MANY)
@given(
    PEOPLE,
    st.integers(0, 9),
    st.tuples(st.just(False), st.booleans(), st.booleans()),
    st.sampled_from([None, 1, 3]),
    SIZES,
)
def test_adverse_ties_give_the_minimum_over_all_orders(
    people: list[Path], window: int, optional: tuple[bool, ...], within: int | None, size: int
) -> None:
    tied = [[(seconds // 3, name) for seconds, name in path] for path in people]
    asked = oracle.Asked(
        [{"a"}, {"b"}, {"c"}], window, ties="adverse", optional=optional, within=(None, within, within)
    )
    engine = [answer.depth for answer in found(tied, asked, size)]
    assert engine == [oracle.answer(path, asked).depth for path in tied]


@pytest.mark.parametrize(
    "rules", [{"order": "strict"}, {"exclude": "x"}, {"stop": ["repeat"]}, {"steps": ["a", ["a", "b"]]}]
)
def test_adverse_ties_raise_an_error_where_they_are_not_exact(rules: dict[str, object]) -> None:
    with pytest.raises(DefinitionError, match="Adverse ties"):
        Funnel(**{"steps": ["a", "b"], "ties": "adverse", **rules})  # type: ignore[arg-type]


@settings(deadline=None, max_examples=MANY)
@given(
    PEOPLE,
    st.lists(st.sets(st.sampled_from("abc"), min_size=1, max_size=2), min_size=1, max_size=3),
    st.integers(0, 9),
    st.booleans(),
    SIZES,
)
def test_unordered_chains_are_the_best_of_all(
    people: list[Path], steps: list[set[str]], window: int, reentry: bool, size: int
) -> None:
    asked = oracle.Asked(steps, window, order="unordered", reentry=reentry)
    for engine, slow in zip(found(people, asked, size), [oracle.answer(path, asked) for path in people], strict=True):
        assert engine.depth == slow.depth
        assert tuple(time for time in engine.times if time is not None) == slow.times


@settings(deadline=None, max_examples=MANY)
@given(
    st.lists(st.lists(st.tuples(st.integers(0, 4), NAMES, st.sampled_from("pq")), max_size=7), min_size=1, max_size=6),
    st.integers(0, 5),
    SIZES,
)
def test_same_is_the_best_of_the_paths_of_one_value(
    people: list[list[tuple[int, str, str]]], window: int, size: int
) -> None:
    """A chain of equal values is a chain of the touches that have this value.

    Of chains as deep the first complete counts, then the newest entry, then the earliest steps, then the lowest value.
    """
    asked = oracle.Asked([{"a"}, {"b"}, {"c"}], window)
    journeys = {
        str(who): " ".join(f"{name}@{seconds}s[item={item}]" for seconds, name, item in path)
        for who, path in enumerate(people)
    }
    expected = {}
    for who, path in enumerate(people):
        answers = [(oracle.answer([(s, n) for s, n, i in path if i == item], asked), item) for item in "pq"]
        ranked = [
            (-own.depth, own.times[own.depth - 1], -(own.times[0] or 0), own.times[: own.depth], item)
            for own, item in answers
            if own.depth
        ]
        if ranked:
            expected[str(who)] = min(ranked)[3:]
    definition = Funnel(["a", "b", "c"], timedelta(seconds=window), same="item", by="item")
    rows = members(in_parts(paths(journeys, end="1d"), size), definition).to_dicts() if any(people) else []
    assert len(rows) == len(expected)
    for row in rows:
        times = tuple(int((time - START).total_seconds()) for time in row["reached_at"] if time)
        assert (times, row["item"]) == expected[row["customer"]]


def test_entries_counts_consecutive_attempts() -> None:
    journeys = {"ann": "visit@0m visit@1m pay@2m visit@3m pay@4m visit@5m"}
    assert reached(journeys, "visit", "pay", window="1h", count="entries") == [3, 2]


def test_an_attempt_sees_all_touches_of_the_instant_of_its_entry() -> None:
    tied = {"ann": "pay@1m visit@1m"}
    assert reached(tied, "visit", "pay", count="entries") == [1, 1]
    assert reached(tied, "visit", "pay", reentry=False) == [1, 1]
    assert reached(tied, "visit", "pay", reentry=False, ties="sequence") == [1, 0]


def test_value_is_added_up_over_the_touches_of_each_step() -> None:
    journeys = {"ann": "visit@0m[worth=1] pay@1m[worth=5]", "bo": "visit@0m[worth=2] pay@9m[worth=7]"}
    table = funnel(paths(journeys, end="400d"), Funnel(["visit", "pay"], "5m", value="worth"))
    assert table["value"].to_list() == [3.0, 5.0]


def test_attribution_takes_the_value_of_the_touch_that_is_named() -> None:
    journeys = {"ann": "visit@0m[d=x] cart@1m[d=y] pay@2m[d=z]"}
    groups = {}
    for rule in ("at_entry", "first", "last", "step 2"):
        table = funnel(paths(journeys, end="400d"), Funnel(["visit", "cart", "pay"], by="d", attribution=rule))
        groups[rule] = table.filter(~pl.col("is_total"))["d"].unique().to_list()
    assert groups == {"at_entry": ["x"], "first": ["x"], "last": ["z"], "step 2": ["y"]}
    every = Funnel(["visit", "cart"], by="d", attribution="every")
    table = funnel(paths(journeys, end="400d"), every).filter(~pl.col("is_total"), pl.col("step") == 1)
    assert table.select("d", "reached").rows() == [("x", 1)]


def reached_at(journey: str, *steps: str | Step | list[str], **rules: object) -> list[int | None]:
    """Seconds of the touches of the chain that is reported of one customer."""
    asked = Funnel(list(steps), **rules)  # type: ignore[arg-type]
    times = members(paths({"ann": journey}, end="400d"), asked)["reached_at"].to_list()[0]
    return [time and int((time - START).total_seconds()) for time in times]


@pytest.mark.parametrize(
    ("journey", "times"),
    [
        ("a@0s[d=p] b@3s[d=p] a@1s[d=q] b@5s[d=q]", [0, 3, None]),
        ("a@0s[d=q] b@3s[d=q] a@1s[d=p] b@5s[d=p]", [0, 3, None]),
        ("a@0s[d=p] a@1s[d=q] b@5s[d=q] b@5s[d=p]", [1, 5, None]),
        ("a@0s[d=q] a@1s[d=p] b@5s[d=p] b@5s[d=q]", [1, 5, None]),
        ("a@0s[d=p] b@3s[d=p] a@4s[d=q] b@5s[d=q] c@9s[d=q]", [4, 5, 9]),
        ("a@0s[d=q] b@3s[d=q] a@4s[d=p] b@5s[d=p] c@9s[d=p]", [4, 5, 9]),
        ("a@0s[d=p] b@3s[d=p] c@5s[d=p] a@0s[d=q] b@1s[d=q] c@5s[d=q]", [0, 1, 5]),
        ("a@0s[d=q] b@3s[d=q] c@5s[d=q] a@0s[d=p] b@1s[d=p] c@5s[d=p]", [0, 1, 5]),
    ],
)
def test_of_chains_of_two_values_the_deepest_counts_then_the_first_complete_then_the_newest_then_the_earliest_steps(
    journey: str, times: list[int | None]
) -> None:
    assert reached_at(journey, "a", "b", "c", same="d") == times


def test_of_equal_chains_of_two_values_that_of_the_lowest_value_counts_whatever_the_source_has_first() -> None:
    for first, other in ("pq", "qp"):
        shop = paths({"ann": f"a@0s[d={first}] a@0s[d={other}] b@5s[d={other}] b@5s[d={first}]"}, end="400d")
        assert members(shop, Funnel(["a", "b"], same="d", by="d"))["d"].to_list() == ["p"]


def test_a_customer_who_entered_with_any_value_long_ago_is_not_open() -> None:
    """What is undecided among ties of one value is decided by another value."""
    shop = paths({"ann": "a@0d[d=p] a@8d[d=q] b@9d[d=q]"}, end="10d")
    assert funnel(shop, Funnel(["a", "b"], "7d", same="d"))["reached"].to_list() == [1, 1]
    shop = paths({"ann": "b@1s[d=q] a@1s[d=q] a@2s[d=p] b@3s[d=p]"}, end="400d")
    assert funnel(shop, Funnel(["a", "b"], same="d"))["tie_sensitive"].to_list() == [0, 0]


def test_a_scan_that_stops_has_windows_and_ranges_as_any_other() -> None:
    """The window's end is inside, the end of the range is not."""
    for stop in (["repeat"], ["other"]):
        assert reached({"ann": "a@0m b@60m"}, "a", "b", window="1h", stop=stop) == [1, 1]
        assert reached({"ann": "a@0m b@3601s"}, "a", "b", window="1h", stop=stop) == [1, 0]
        two = {"ann": "a@1m b@2m", "bo": "a@2m b@3m"}
        assert reached(two, "a", "b", start=at("1m"), end=at("2m"), stop=stop) == [1, 1]


@pytest.mark.parametrize(
    ("journey", "rules", "expected"),
    [
        ("a@0m b@1m b@2m c@3m", {"stop": ["repeat"]}, [0, 60, None]),
        ("a@0m a@1m b@2m c@3m", {"stop": ["repeat"]}, [60, 120, 180]),
        ("a@0m b@1m a@2m c@3m", {"stop": ["repeat", "entry"]}, [0, 60, None]),
        ("a@0m b@1m a@2m c@3m", {"stop": ["repeat"]}, [0, 60, 180]),
        ("a@0m b@1m c@1m c@2m b@3m", {"stop": ["repeat"]}, [0, 60, 60]),
        ("a@0m x@1m b@1m", {"stop": ["other"]}, [0, None, None]),
        ("x@0m a@0m b@1m", {"stop": ["other"]}, [0, 60, None]),
        ("x@0m a@1m b@2m c@3m x@4m", {"stop": ["other"]}, [60, 120, 180]),
        ("a@0m c@1m b@2m", {"stop": ["other"]}, [0, None, None]),
        ("b@0m a@1m b@2m", {"stop": ["other"]}, [60, 120, None]),
        ("a@0m b@0m c@1m", {"stop": ["repeat"], "later": True}, [0, None, None]),
        ("a@0m b@1m c@1m", {"stop": ["repeat"], "later": True}, [0, 60, None]),
    ],
)
def test_a_scan_stops_at_the_first_touch_that_must_not_come(
    journey: str, rules: dict[str, object], expected: list[int | None]
) -> None:
    """Touches of one instant come with what is no step first, then the earliest steps."""
    assert reached_at(journey, "a", "b", "c", **rules) == expected


def test_a_touch_of_the_instant_that_completes_a_chain_can_be_its_newest_entry() -> None:
    assert reached_at("a@0s b@5s a@5s", "a", "b") == [5, 5]
    assert reached_at("a@0s b@5s a@6s", "a", "b") == [0, 5]
    assert reached_at("a@0s b@5s a@5s", "a", Step("b", within="1h")) == [5, 5]
    assert reached_at("a@0s b@5s a@5s", "a", "b", order="unordered") == [5, 5]


def test_the_window_is_inclusive_for_touches_of_one_instant_too() -> None:
    assert reached_at("a@0s b@10s b@10s", "a", "b", window="10s") == [0, 10]
    assert reached_at("a@0s b@11s b@11s", "a", "b", window="10s") == [0, None]
    assert reached_at("a@0s b@10s", "a", Step("b", within="1h"), window="10s") == [0, 10]


def test_a_chain_that_goes_on_at_the_instant_of_an_excluded_touch_goes_no_further() -> None:
    for journey in ("a@0m b@1m x@1m c@2m", "a@0m x@1m b@1m c@2m"):
        assert reached({"ann": journey}, "a", "b", "c", exclude="x") == [1, 1, 0]
        assert reached({"ann": journey}, "a", "b", "c", exclude=Exclude("x", after=2, before=3)) == [1, 1, 1]


@pytest.mark.parametrize("touches", [255, 256, 257])
def test_the_last_two_of_many_touches_are_a_chain(touches: int) -> None:
    journey = " ".join(["b@0s", *(f"x@{k}s" for k in range(1, touches - 2)), f"a@{touches}s b@{touches + 1}s"])
    assert reached_at(journey, "a", "b") == [touches, touches + 1]
    assert reached_at(journey, "x", "a", "b", window="4s") == [touches - 3, touches, touches + 1]


@pytest.mark.parametrize("ties", ["favourable", "sequence"])
def test_a_chain_keeps_its_earliest_steps(ties: str) -> None:
    """Also where a later touch of the step comes at the instant of the step after it."""
    assert reached_at("a@0s b@1s b@2s c@2s", "a", "b", "c", ties=ties) == [0, 1, 2]
    assert reached_at("a@0s b@1s b@2s b@2s c@3s", "a", "b", "c", ties=ties) == [0, 1, 3]


def test_a_strict_chain_may_begin_after_what_else_comes_at_its_instant() -> None:
    assert reached({"ann": "x@0m a@0m b@1m"}, "a", "b", order="strict") == [1, 1]
    assert reached({"ann": "a@0m x@0m b@1m"}, "a", "b", order="strict") == [1, 1]


def test_a_step_undone_by_an_exclusion_is_reported_at_its_repetition() -> None:
    exclude = [Exclude("x", after=2, before=3)]
    assert reached_at("a@0s b@1s x@2s b@3s c@4s", "a", "b", "c", exclude=exclude) == [0, 3, 4]


def test_a_touch_at_the_end_of_the_range_is_not_seen_where_touches_are_clipped() -> None:
    clip = {"start": at("0d"), "end": at("5d"), "maturity": "clip"}
    assert reached({"ann": "a@0d b@5d"}, "a", "b", **clip) == [1, 0]
    assert reached({"ann": "a@0d b@4d"}, "a", "b", **clip) == [1, 1]
    assert reached({"ann": "a@0d a@0d b@5d"}, "a", "b", **clip) == [1, 0]


def test_an_entrant_exactly_one_window_before_the_end_of_the_data_is_mature() -> None:
    asked = Funnel(["visit", "pay"], "7d", value="worth")
    seen = ("reached", "open", "value", "median_wait")
    shop = paths({"ann": "visit@3d[worth=2] pay@4d[worth=5]"}, end="10d")
    assert members(shop, asked, step=2)["customer"].to_list() == ["ann"]
    just = funnel(shop, asked)
    assert just.select(seen).rows() == [(1, 0, 2.0, None), (1, 0, 5.0, timedelta(days=1))]
    late = funnel(paths({"ann": "visit@259201s[worth=2] pay@4d[worth=5]"}, end="10d"), asked)
    assert late.select(seen).rows() == [(0, 1, 0.0, None), (0, 1, 0.0, None)]


@pytest.mark.parametrize("attribution", ["first", "last"])
def test_a_customer_without_a_value_does_not_take_that_of_the_next(attribution: str) -> None:
    shop = paths({"ann": "a@0m", "bo": "a@0m[d=x]", "cy": "a@0m", "di": "a@0m[d=y]", "ed": "a@0m"}, end="400d")
    found = members(shop, Funnel(["a"], by="d", attribution=attribution))
    assert dict(found.select("customer", "d").rows()) == {"ann": None, "bo": "x", "cy": None, "di": "y", "ed": None}


def test_the_first_value_is_that_of_a_touch_in_the_range() -> None:
    shop = paths({"ann": "a@0m[d=x] a@2m[d=y]"}, end="400d")
    assert members(shop, Funnel(["a"], by="d", attribution="first", start=at("1m")))["d"].to_list() == ["y"]
    assert members(shop, Funnel(["a"], by="d", attribution="first"))["d"].to_list() == ["x"]


def test_sessions_are_counted_for_their_own_customers() -> None:
    """Also those of neighbours that have the same number."""
    journeys = {
        "ann": "a@0m[session=1] a@1m[session=1] a@9m[session=2]",
        "bo": "a@0m[session=2]",
        "cy": "b@0m[session=2]",
    }
    found = members(paths(journeys, end="400d"), Funnel(["a"], count="sessions"))
    assert sorted(found["customer"]) == ["ann", "ann", "bo"]


def test_of_two_optional_steps_a_touch_is_the_earlier() -> None:
    optional = Step("b", optional=True)
    assert reached_at("a@0s b@1s d@2s", "a", optional, optional, "d") == [0, 1, None, 2]


def test_optional_steps_are_taken_as_early_as_can_be() -> None:
    steps = ("a", Step("b", optional=True), Step("c", optional=True), "d")
    assert reached_at("a@0s b@1s c@1s c@2s d@3s", *steps) == [0, 1, 1, 3]


def test_a_range_may_begin_and_end_within_a_second() -> None:
    journeys = {"ann": "a@5s", "bo": "a@6s"}
    assert reached(journeys, "a", start=at("5.5s")) == [1]
    assert reached(journeys, "a", end=at("5.5s")) == [1]


def test_a_touch_at_the_end_of_the_range_begins_no_period() -> None:
    shop = paths({"ann": "a@0d", "bo": "a@1d"}, end="400d")
    assert trend(shop, Funnel(["a"], end=at("1d")))["entered"].to_list() == [1]
    assert trend(shop, Funnel(["a"], end=at("86401s")))["entered"].to_list() == [1, 1]


def test_without_an_order_a_broken_chain_drops_only_whom_no_whole_chain_takes_as_far() -> None:
    drop = {"order": "unordered", "exclude": "x", "exclude_effect": "drop_customer"}
    assert reached({"ann": "a@0m x@1m b@2m a@90m b@91m"}, "a", "b", window="1h", **drop) == [1, 1]
    assert reached({"ann": "a@0m x@1m b@2m"}, "a", "b", window="1m", **drop) == [1, 0]
    assert reached({"ann": "a@0m x@1m b@2m"}, "a", "b", window="1h", **drop) == [0, 0]


@pytest.mark.parametrize("effect", ["end_attempt", "drop_customer"])
def test_without_an_order_a_touch_at_the_instant_of_an_excluded_one_still_counts(effect: str) -> None:
    rules = {"order": "unordered", "exclude": "x", "exclude_effect": effect}
    assert reached({"ann": "a@0m x@1m b@1m"}, "a", "b", **rules) == [1, 1]
    assert reached({"ann": "a@0m b@1m x@1m"}, "a", "b", **rules) == [1, 1]
    assert reached({"ann": "a@0m x@0m b@1m"}, "a", "b", **rules) == [1, 1]
