"""Scores of recency, frequency and money, beside a plain loop; as a condition they hold from month to month."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

import polars as pl
import pytest

from analytics import PathRules, Paths, Rfm, Segment, membership, rfm
from expectations.errors import DefinitionError
from tests.oracles.whole_paths.segments import rfm_scores
from tests.written import frame_in_parts

START = datetime(2023, 11, 7, 5, tzinfo=UTC)
MONTHS = [datetime(2023, 12, 1, tzinfo=UTC), *(datetime(2024, month, 1, tzinfo=UTC) for month in range(1, 6))]
SECOND = 1_000_000


def drawn(seed: int) -> dict[str, list[tuple[datetime, str, float]]]:
    draw = random.Random(seed)
    return {
        f"c{number:02}": [
            (START + timedelta(hours=hour), draw.choice(["look", "buy", "buy"]), draw.choice([0.1, 0.2, 10.0, 35.0]))
            for hour in sorted(draw.choices(range(150 * 24), k=draw.randint(1, 7)))
        ]
        for number in range(17)
    }


def shop(touches: dict[str, list[tuple[datetime, str, float]]], size: int = 10**9) -> Paths:
    rows = [(who, *touch) for who, path in touches.items() for touch in path]
    frame = pl.DataFrame(rows, schema=["customer", "at", "touchpoint", "price"], orient="row")
    return frame_in_parts(frame.cast({"at": pl.Datetime("us", "UTC")}), size, datetime(2024, 5, 20, tzinfo=UTC))


def micros(time: datetime) -> int:
    return round(time.timestamp()) * SECOND


def scored(touches: dict[str, list[tuple[datetime, str, float]]], at: datetime, lookback: timedelta) -> dict[str, Any]:
    goals = {
        who: [(micros(time), Fraction(str(price))) for time, name, price in path if name == "buy"]
        for who, path in touches.items()
    }
    return rfm_scores(goals, micros(at), round(lookback.total_seconds()) * SECOND)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("at", MONTHS)
def test_scores_are_those_of_the_oracle(seed: int, at: datetime) -> None:
    touches = drawn(seed)
    for days in (365, 45):
        table = rfm(shop(touches, 12), "buy", value="price", at=at, lookback=timedelta(days=days))
        found = {row[0]: row[1:] for row in table.with_columns(pl.col("recency").dt.total_microseconds()).rows()}
        expected = scored(touches, at, timedelta(days=days))
        assert found.keys() == expected.keys()
        for who, (recency, frequency, money, *rest) in expected.items():
            assert (found[who][0], found[who][1]) == (recency, frequency)
            assert found[who][2] == pytest.approx(float(money)) and list(found[who][3:]) == rest


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("asked", [{"r": (4, 5)}, {"f": 1, "m": (1, 2, 3)}, {"names": ("lost", "at risk")}])
def test_as_a_condition_scores_hold_from_month_to_month(seed: int, asked: dict[str, Any]) -> None:
    touches, options = drawn(seed), {name: given for name, given in asked.items() if name != "names"}
    condition = Rfm(*asked.get("names", ()), **options, goal="buy", value="price", lookback="45d")
    paths = shop(touches, 12)
    spans, column = (
        membership(paths, Segment("s", condition)),
        paths.with_segments(Segment("s", condition)).touches.collect(),
    )
    for month in MONTHS:
        expected = scored(touches, month, timedelta(days=45))
        if not expected:
            continue
        for who, path in touches.items():
            values = dict(zip(("r", "f", "m", "names"), expected[who][3:], strict=True)) if who in expected else {}
            holds = bool(values) and all(
                values[name] in (given if isinstance(given, tuple) else (given,)) for name, given in asked.items()
            )
            seen = path[0][0] <= month
            own = spans.filter(customer=who)
            is_member = any(
                since <= month and (until is None or month <= until)
                for since, until in own.select("since", "until").rows()
            )
            assert is_member == (holds and seen)
            at_month = [
                (time, word) for time, word in column.filter(customer=who).select("at", "s").rows() if time >= month
            ]
            if at_month and at_month[0][0] < min(
                (later for later in MONTHS if later > month), default=datetime.max.replace(tzinfo=UTC)
            ):
                assert at_month[0][1] == (None if not values else "in" if holds else "out")


def test_the_worked_example_of_money() -> None:
    shop = Paths.from_text(
        {f"c{n}": f"buy@{n}d[price={price}]" for n, price in enumerate((10, 10, 20, 30, 40))}, end="40d"
    )
    scores = rfm(shop, "buy", value="price", at=datetime(2024, 2, 1, tzinfo=UTC))
    assert scores["m"].to_list() == [1, 1, 3, 4, 5] and scores["f"].to_list() == [1] * 5


def test_the_goal_is_that_of_the_paths_and_the_month_that_of_the_end() -> None:
    shop = Paths.from_text({"ann": "buy@0d", "bo": "look@0d"}, end="40d", rules=PathRules(goal=["buy"]))
    table = rfm(shop)
    assert table["customer"].to_list() == ["ann"] and table["recency"].item() == timedelta(days=31)
    assert rfm(Paths.from_text({}), "buy").is_empty()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (Rfm, "from 1 to 5"),
        (lambda: Rfm(r=6), "from 1 to 5"),
        (lambda: Rfm(m=3), "needs a value"),
        (lambda: Rfm("champion"), "Unknown group of scores"),
        (lambda: Rfm(r=1, lookback="0d"), "above 0"),
        (lambda: rfm(Paths.from_text({"ann": "buy@0d"})), "no goal"),
    ],
)
def test_scores_that_mean_nothing_are_refused(make: Any, message: str) -> None:
    with pytest.raises(DefinitionError, match=message):
        make()
