"""The value of journeys is that of their goals, and the net value takes off the returns of their aftermath."""

from __future__ import annotations

from contextlib import nullcontext
from datetime import date, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics import Goal, Money, PathRules, Paths, UnknownWordWarning, goal_rate, stage_funnel
from analytics.touches.rules import StageRule
from tests.oracles.journeys import journeys_of
from tests.oracles.money import converted, dominated, sums_of
from tests.written import START, at, in_parts

STAGES = {"look": "Like", "buy": "Act"}
RULES = PathRules(
    goal=["buy"],
    stages=[StageRule(name="Like", touchpoints=["look"]), StageRule(name="Act", touchpoints=["buy"])],
    journey_gap=timedelta(days=10),
    after=["back", "ship"],
)
RATES = [(date(2024, 1, 3), "USD", 0.5), (date(2024, 1, 9), "USD", 0.25)]
TABLE = pl.DataFrame(RATES, schema={"date": pl.Date, "currency": pl.String, "rate": pl.Float64}, orient="row")
EURO = Money("revenue", "EUR", TABLE)
TOUCH = st.tuples(
    st.sampled_from("abcd"),
    st.sampled_from([*range(9), 10, 12, 15, 20, 31]),
    st.sampled_from(["look", "buy", "buy", "back", "back", "ship", "login"]),
    st.one_of(st.none(), st.integers(-20, 40)),
    st.sampled_from(["EUR", "EUR", "USD", "GBP", None]),
)
NET = ("value", "value_left_out", "net_value", "returns", "returns_left_out", "customers_returned")


def text(visits: dict[str, str], end: str = "60d") -> Paths:
    return Paths.from_text(visits, end=end, rules=RULES)


def goal_of(paths: Paths, **asked: object) -> dict[str, object]:
    return stage_funnel(paths, **asked).filter("is_total").row(-1, named=True)  # type: ignore[arg-type]


@settings(deadline=None, max_examples=120)
@given(st.lists(TOUCH, max_size=24), st.booleans(), st.sampled_from([3, 10]))
def test_the_sums_are_those_of_a_walk_over_journeys(
    rows: list[tuple[str, int, str, int | None, str | None]], by_name: bool, window: int
) -> None:
    kinds = {"buy": "order", "back": "order", "ship": "order"}
    frame = pl.DataFrame(
        [
            (who, START + timedelta(days=day), name, amount, of, kinds.get(name, "clickstream"))
            for who, day, name, amount, of in rows
        ],
        schema={
            "customer": pl.String,
            "at": pl.Datetime("us", "UTC"),
            "touchpoint": pl.String,
            "revenue": pl.Float64,
            "currency": pl.String,
            "kind": pl.String,
        },
        orient="row",
    )
    end = 40
    paths = in_parts(Paths.from_frame(frame, end_of_data=START + timedelta(days=end), rules=RULES), 4)
    asked = {"value": EURO, "returns": "back"} if by_name else {"value": EURO}
    unknown = by_name and rows and "back" not in {name for _, _, name, *_ in rows}
    with pytest.warns(UnknownWordWarning) if unknown else nullcontext():
        found = goal_of(paths, window=timedelta(days=window), **asked)
    touches = [(who, float(day), name) for who, day, name, *_ in rows]
    journeys = journeys_of(touches, STAGES, ["Like", "Act"], {"buy"}, 10, end, {"back", "ship"})
    reached = []
    for journey in journeys:
        times = [touches[row][1] for row in journey.touches]
        won = [touches[row][1] for row in journey.touches if touches[row][2] == "buy"]
        if won and not journey.direct and min(times) + window <= end and won[0] - min(times) <= window:
            reached.append(journey)
    stated = any(of for *_, of in rows)
    amounts = [
        (amount, None if amount is None else converted(amount, of if stated else "EUR", when, "EUR", RATES, "UTC"))
        for (_, day, _, amount, of) in rows
        for when in [START + timedelta(days=day)]
    ]
    returns = {"back"} if by_name else {"back", "ship"}
    expected = sums_of(reached, amounts, [r[2] == "buy" for r in rows], [r[2] in returns for r in rows])
    assert [found[name] for name in NET] == [
        float(expected.value),
        expected.left_out,
        float(expected.value - expected.returned),
        expected.returns,
        expected.returns_left_out,
        len({j.customer for j in reached if any(rows[row][2] in returns for row in j.aftermath)}),
    ]
    if all(amount >= 0 for amount in expected.value_of.values()):
        assert found["value_dominated"] == dominated(expected.value_of)


def test_a_return_takes_its_amount_off_whatever_its_sign() -> None:
    visits = {
        "ann": "look@0d buy@1d[revenue=10,kind=order] back@3d[revenue=4,kind=order]",
        "bo": "look@0d buy@1d[revenue=10,kind=order] back@3d[revenue=-3,kind=order]",
        "cy": "look@0d buy@1d[revenue=10,kind=order] back@3d[kind=order]",
        "di": "look@0d buy@1d[revenue=10,kind=order] ship@3d[kind=clickstream]",
    }
    found = goal_of(text(visits), value="revenue")
    assert [found[name] for name in NET] == [40, 0, 33, 3, 1, 3]
    assert not found["value_dominated"] and found["net_value_dominated"]  # ann has 4 of the 7 that came back


def test_only_returns_of_the_counted_journeys_in_their_aftermath_count() -> None:
    visits = {
        "late": "look@0d buy@8d[revenue=10,kind=order] back@9d[revenue=10,kind=order]",
        "direct": "buy@0d[revenue=10,kind=order] back@1d[revenue=10,kind=order]",
        "far": "look@0d buy@1d[revenue=10,kind=order] back@11.5d[revenue=10,kind=order]",
        "before": "back@0d[revenue=10,kind=order] look@1d buy@2d[revenue=10,kind=order]",
        "edge": "look@0d buy@1d[revenue=10,kind=order] back@11d[revenue=6,kind=order]",
        "young": "look@58d buy@59d[revenue=10,kind=order] back@59.5d[revenue=10,kind=order]",
    }
    found = goal_of(text(visits), value="revenue", window="5d")
    assert [found[name] for name in NET] == [30, 0, 24, 1, 0, 1]


def test_a_range_keeps_the_returns_of_its_own_journeys_alone() -> None:
    visits = {
        "ann": "look@0d buy@1d[revenue=10,kind=order] back@2d[revenue=4,kind=order] "
        "look@20d buy@21d[revenue=10,kind=order] back@22d[revenue=1,kind=order]",
    }
    for start, end, expected in ((None, "10d", [10, 6]), ("10d", None, [10, 9]), (None, None, [20, 15])):
        found = goal_of(text(visits), value="revenue", start=start and at(start), end=end and at(end))
        assert [found["value"], found["net_value"]] == expected


def test_without_kinds_or_aftermath_returns_are_not_known() -> None:
    visits = {"ann": "look@0d buy@1d[revenue=10] back@2d[revenue=4]"}
    found = goal_of(text(visits), value="revenue")
    assert [found[name] for name in NET] == [10, 0, None, None, None, None]
    assert goal_of(text(visits), value="revenue", returns=["back"])["net_value"] == 6
    cut = Paths.from_text({"ann": "look@0d[stage=Like] buy@1d[stage=Act,revenue=10]"}, end="60d")
    assert goal_of(cut, stages=["Like", "Act"], goal="buy", value="revenue", returns="buy")["net_value"] is None


def test_without_a_value_nothing_is_summed() -> None:
    found = goal_of(text({"ann": "look@0d buy@1d[revenue=10,kind=order]"}))
    assert {found[name] for name in (*NET, "value_dominated", "net_value_dominated")} == {None}
    rows = stage_funnel(text({"ann": "look@0d buy@1d[revenue=10,kind=order]"}), value="revenue")
    assert rows["net_value"].to_list() == [None, 10.0]
    assert goal_of(text({}), value=None)["value"] is None


def test_a_goal_in_the_aftermath_has_its_value_and_is_no_return() -> None:
    visits = {
        "ann": "look@0d buy@1d[revenue=10,kind=order] back@3d[revenue=4,kind=order] ship@4d[revenue=1,kind=order]",
        "bo": "look@0d buy@1d[revenue=10,kind=order]",
    }
    found = goal_of(text(visits), value="revenue", goal=Goal(name="Back", steps=["back"]))
    assert [found[name] for name in ("reached", *NET)] == [1, 4, 0, 3, 1, 0, 1]


def test_sums_of_groups_and_periods_add_up_to_the_whole() -> None:
    visits = {
        f"c{i}": f"look@{i}d[device={'phone' if i % 3 else 'desk'}] buy@{i}.5d[revenue={i},kind=order] "
        f"back@{i + 1}d[revenue=1,kind=order]"
        for i in range(9)
    }
    for split in ({"by": "device"}, {"period": "day"}):
        table = stage_funnel(text(visits), value="revenue", **split).filter(kind="goal")  # type: ignore[arg-type]
        parts = table.filter("is_total" if "period" in split else ~pl.col("is_total"))
        assert (parts["value"].sum(), parts["net_value"].sum(), parts["returns"].sum()) == (36, 27, 9)
    assert goal_rate(text(visits))["reached"][0] == 9


def test_one_customer_with_more_than_half_dominates_over_all_parts() -> None:
    visits = {f"c{i}": "look@0d buy@1d[revenue=1,kind=order]" for i in range(10)}
    for most, dominates in ((10, False), (11, True)):
        own = visits | {"big": f"look@0d buy@1d[revenue={most},kind=order]"}
        assert goal_of(in_parts(text(own), 3), value="revenue")["value_dominated"] is dominates
