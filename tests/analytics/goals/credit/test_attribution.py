"""Credit is shared as its definition says, adds up exactly, and does not depend on how touches are cut into parts."""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from datetime import timedelta
from fractions import Fraction
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from scipy.stats import t as student

from analytics import Attribution, Goal, Paths, Step, UnknownWordWarning, attribution, credit_chain
from analytics.store.parts import split_part
from expectations.errors import DefinitionError
from tests.oracles.why import credit as oracle
from tests.written import START

MODELS = ("first", "last", "linear", "position", "time_decay", "participation", "shapley", "markov")
WEIGHTS = (0.5, 0.25, 0.25)
touch = st.tuples(st.integers(0, 12), st.sampled_from(["a", "b", "c", "direct", None]), st.sampled_from([0, 0, 1]))
customers = st.lists(st.lists(touch, max_size=9), min_size=1, max_size=5)


def ordered(given_: Sequence[Sequence[tuple[int, str | None, int]]]) -> list[list[oracle.Touch]]:
    """The touches of each customer in their order: by time, at one instant as they are given."""
    return [sorted(((at, value, bool(goal)) for at, value, goal in touches), key=lambda t: t[0]) for touches in given_]


def shop(people: Sequence[Sequence[oracle.Touch]], end: int) -> Paths:
    rows = [
        (f"c{who}", START + timedelta(days=at), "pay" if goal else "see", value, float(at + 1))
        for who, touches in enumerate(people)
        for at, value, goal in touches
    ]
    schema = {"customer": pl.String, "at": pl.Datetime("us", "UTC"), "touchpoint": pl.String, "channel": pl.String}
    frame = pl.DataFrame(rows, schema={**schema, "value": pl.Float64}, orient="row")
    return Paths.from_frame(frame, end_of_data=START + timedelta(days=end))


def credits_of(found: pl.DataFrame, model: str, column: str = "credit") -> dict[str | None, float]:
    return dict(found.filter(pl.col("is_total"), model=model).select("credited", column).iter_rows())


@settings(deadline=None, max_examples=120)
@given(customers, st.integers(1, 5), st.integers(12, 18), st.booleans(), st.booleans(), st.integers(1, 3))
def test_credit_is_that_of_the_definition(
    given_: Any, lookback: int, end: int, reset: bool, with_goal: bool, order: int
) -> None:
    people = ordered(given_)
    asked = Attribution(
        "pay",
        models=MODELS,
        lookback=timedelta(days=lookback),
        ignore="direct",
        weights=WEIGHTS,
        half_life="2d",
        reset=reset,
        with_goal=with_goal,
        order=order,
    )
    expected = oracle.paths_of(people, lookback=lookback, end=end, reset=reset, with_goal=with_goal)
    paths = [oracle.without(path, ["direct"]) for path in expected.paths]
    found = attribution(shop(people, end), asked)
    if found.is_empty():
        assert not paths and not expected.opened
        return
    first = found.row(0, named=True)
    won = [path for path in paths if path.converted]
    assert first["conversions"] == len(won)
    assert (first["nulls"], first["open"]) == (len(paths) - len(won), expected.opened)
    assert first["truncated"] == expected.truncated
    alone = sum(not path.values for path in won)
    weights = [Fraction(weight) for weight in WEIGHTS]
    for model in MODELS[:-1]:
        wanted: dict[Any, Any] = {None: alone}
        for path in won:
            for value, earned in oracle.by_rule(path, model, weights, 2).items():
                wanted[value] = wanted.get(value, 0) + earned
        assert_same(credits_of(found, model), wanted)
    removal = oracle.removal_effects(paths, order)
    assert_same(credits_of(found, "markov", "removal"), {None: None, **removal})
    total = sum(effect or 0 for effect in removal.values())
    shares = {value: (effect or 0) / total if total else 0 for value, effect in removal.items()}
    assert_same(credits_of(found, "markov"), {None: alone, **{v: s * (len(won) - alone) for v, s in shares.items()}})


def assert_same(found: dict[Any, Any], wanted: dict[Any, Any]) -> None:
    assert set(found) >= set(wanted)
    for value, number in found.items():
        expected = wanted.get(value, 0)
        if expected is None or number is None:
            assert number is None and expected is None, (value, number, expected)
        else:
            assert math.isclose(number, expected, abs_tol=1e-9), (value, number, expected)


@settings(deadline=None, max_examples=40)
@given(customers, st.integers(1, 5))
def test_credits_and_values_add_up_to_the_digit(given_: Any, lookback: int) -> None:
    paths = shop(ordered(given_), 20)
    asked = Attribution("pay", models=MODELS, lookback=timedelta(days=lookback), value="value")
    found = attribution(paths, asked)
    goals = sum(at + 1 for touches in ordered(given_) for at, _, goal in touches if goal)
    for model in MODELS:
        rows = found.filter(pl.col("adds"), model=model)
        if len(rows):
            assert math.isclose(rows["credit"].sum(), rows["conversions"][0], abs_tol=1e-12)
            assert math.isclose(rows["value"].sum(), goals, abs_tol=1e-9)


@settings(deadline=None, max_examples=40)
@given(customers)
def test_another_layout_of_parts_gives_the_same_bits(given_: Any) -> None:
    people = [touches for touches in ordered(given_) if touches]
    asked = Attribution("pay", models=MODELS, lookback="4d", value="value")
    whole = shop(people, 20)
    parts = [piece for part in whole.parts for piece in split_part(part, np.arange(part.customers + 1))]
    split = Paths(parts, whole.schema, whole.dictionaries, whole.end_of_data)
    assert len(split.parts) == len(people)
    assert_frame_equal(attribution(whole, asked), attribution(split, asked), check_exact=True)


def test_a_goal_belongs_to_the_group_of_its_own_touch() -> None:
    visits = {
        "ann": "see@0d[channel=ad,device=phone] pay@1d[device=desk]",
        "bo": "see@0d[channel=mail,device=phone]",
        "cy": "pay@2d[device=phone]",
    }
    found = attribution(Paths.from_text(visits, end="60d"), Attribution("pay", models="last"), by="device")
    rows = found.filter(~pl.col("is_total")).select("device", "credited", "credit", "nulls").rows()
    assert rows == [
        ("desk", "ad", 1.0, 0),
        ("desk", None, 0.0, 0),
        ("phone", "mail", 0.0, 1),
        ("phone", None, 1.0, 1),
    ]
    assert found.filter("is_total")["credit"].sum() == 2


def test_a_range_holds_the_goals_in_it_and_the_nulls_that_end_in_it() -> None:
    visits = {"ann": "see@0d[channel=ad] pay@1d see@8d[channel=mail] pay@9d", "bo": "see@5d[channel=ad]"}
    paths = Paths.from_text(visits, end="60d")
    found = attribution(paths, Attribution("pay", models="last"), start=START + timedelta(days=5))
    assert credits_of(found, "last") == {"mail": 1.0, "ad": 0.0, None: 0.0}
    assert found["nulls"][0] == 1


def test_only_touches_that_meet_a_condition_earn() -> None:
    visits = {"ann": "ad@0d[channel=paid] visit@1d[channel=web] pay@2d"}
    asked = Attribution("pay", models=["last", "first"], only=pl.col("touchpoint") == "ad")
    assert credits_of(attribution(Paths.from_text(visits), asked), "last") == {"paid": 1.0, None: 0.0}


def test_a_goal_may_be_a_step_with_a_condition_or_a_goal_by_name() -> None:
    visits = {"ann": "ad@0d[channel=paid] pay@1d[amount=5] ad@2d[channel=mail] pay@3d[amount=50]"}
    paths = Paths.from_text(visits)
    large = Step("pay", pl.col("amount").cast(pl.Int64) > 10)
    assert credits_of(attribution(paths, Attribution(large, models="last")), "last") == {
        "mail": 1.0,
        "paid": 0.0,
        None: 0.0,
    }
    named = attribution(paths, Attribution(Goal(name="Paid", steps=["pay"]), models="last"))
    assert named["conversions"][0] == 2


def test_the_interval_of_a_value_is_from_values_cut_at_their_99_percent_point() -> None:
    worth = [float(1 + n % 90) for n in range(398)] + [50_000.0, 90_000.0]
    rows = [
        (f"c{n}", START + timedelta(days=at), name, "ad" if n % 3 else "mail", value)
        for n, value in enumerate(worth)
        for at, name in ((0, "see"), (1, "pay"))
    ]
    types = {"customer": pl.String, "at": pl.Datetime("us", "UTC"), "touchpoint": pl.String, "channel": pl.String}
    paths = Paths.from_frame(pl.DataFrame(rows, schema={**types, "value": pl.Float64}, orient="row"))
    found = attribution(paths, Attribution("pay", models=["last"], value="value"))
    point = float(np.quantile(worth, 0.99))
    cut = [min(value, point) for value in worth]
    groups = [zlib.crc32(f"replicate:c{n}".encode()) % 200 for n in range(400)]

    def share(without: int | None) -> float:
        own = [(n, value) for n, value in enumerate(cut) if groups[n] != without]
        return sum(value for n, value in own if n % 3) / sum(value for _, value in own)

    filled = sorted(set(groups))
    each = [share(group) for group in filled]
    mean, size = sum(each) / len(each), len(filled)
    error = math.sqrt((size - 1) / size * sum((one - mean) ** 2 for one in each))
    reach = float(student.ppf(0.975, size - 1)) * error
    row = found.row(by_predicate=pl.col("credited") == "ad", named=True)
    assert math.isclose(row["value_low"], (share(None) - reach) * sum(worth), rel_tol=1e-6)
    assert math.isclose(row["value_high"], (share(None) + reach) * sum(worth), rel_tol=1e-6)
    assert found["share_cut"].to_list() == pytest.approx([1 - sum(cut) / sum(worth)] * len(found))


def test_the_rest_of_the_values_is_one() -> None:
    visits = {f"c{n}": f"see@0d[channel=v{n % 7}] see@1h[channel=v0] pay@1d" for n in range(30)}
    visits["d"] = "see@0d[channel=other] pay@1d"
    found = credits_of(attribution(Paths.from_text(visits), Attribution("pay", models="first", top=1)), "first")
    assert found == {"v0": 5.0, "other": 26.0, None: 0.0}


def test_more_values_than_can_be_named_are_refused_with_what_to_do() -> None:
    visits = {f"c{n}": f"see@0d[channel=v{n}] pay@1d" for n in range(201)}
    with pytest.raises(DefinitionError, match="too many values") as refused:
        attribution(Paths.from_text(visits), "pay")
    assert "top" in refused.value.do


@pytest.mark.parametrize("value", ["", "touchpoint", "none"])
def test_a_column_that_has_no_value_is_refused(value: str) -> None:
    with pytest.raises(DefinitionError):
        attribution(Paths.from_text({"ann": "pay@1d[channel=a]"}), Attribution("pay", value=value))


def test_an_unknown_goal_is_warned_of_and_earns_nothing() -> None:
    with pytest.warns(UnknownWordWarning):
        found = attribution(Paths.from_text({"ann": "see@1d[channel=a]"}, end="90d"), Attribution("pey", models=MODELS))
    assert found["conversions"].to_list() == [0] * len(found)
    assert found.filter(model="markov")["removal"].to_list() == [None, None]
    assert found["credit"].sum() == 0


def test_no_touches_give_no_rows_but_all_columns() -> None:
    empty = Paths.from_text({"ann": "pay@1d[channel=a]"}).between(START + timedelta(days=5))
    found = attribution(empty, "pay", by="channel")
    assert found.is_empty()
    assert found.columns[:3] == ["channel", "is_total", "model"]


def test_intervals_hold_the_credit_and_need_customers() -> None:
    visits = {f"c{n}": "see@0d[channel=ad] see@1d[channel=mail] pay@2d" for n in range(40)}
    visits |= {f"d{n}": "see@0d[channel=mail] pay@2d" for n in range(60)} | {
        f"e{n}": "see@0d[channel=ad]" for n in range(50)
    }
    found = attribution(Paths.from_text(visits, end="90d"), Attribution("pay", models=("linear", "markov")))
    shown = found.drop_nulls("credited")
    assert shown["enough"].all()
    assert ((shown["credit_low"] < shown["credit"]) & (shown["credit"] < shown["credit_high"])).all()
    few = attribution(Paths.from_text({"ann": "see@0d[channel=ad] pay@2d"}), Attribution("pay", models="linear"))
    assert few.select("enough", "credit_low").row(0) == (False, None)


def test_the_chain_can_be_looked_at() -> None:
    visits = {"ann": "see@0d[channel=a] see@1d[channel=b] pay@2d", "bo": "see@0d[channel=a]"}
    chain = credit_chain(Paths.from_text(visits, end="90d"), Attribution("pay", order=2))
    assert chain.select("source", "target", "moves", "chance").rows() == [
        ("START", "a", 2, 1.0),
        ("a", "NULL", 1, 0.5),
        ("a", "b", 1, 0.5),
        ("a > b", "CONVERSION", 1, 1.0),
    ]


@pytest.mark.parametrize(
    "wrong",
    [
        {"models": "lst"},
        {"models": []},
        {"weights": (0.5, 0.5)},
        {"weights": (0.5, 0.6, -0.1)},
        {"weights": (0.5, 0.6, 0.2)},
        {"half_life": "0d"},
        {"lookback": "0s"},
        {"lookback": "30"},
        {"order": 0},
        {"order": 5},
        {"top": 0},
    ],
)
def test_a_definition_that_cannot_be_meant_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(DefinitionError):
        Attribution("pay", **wrong)
