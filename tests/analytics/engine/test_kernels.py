"""Every scan gives the same numbers for the same question, whatever the types of the arrays, and is compiled once."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from analytics import Exclude, Funnel, Paths, Step, funnel, members
from analytics.engine.kernels import distinct_times
from tests.written import START, in_parts

NAMES = ["a", "b", "c", "d"]


def many(customers: int = 400, *, each: int = 12, microseconds: int = 0, words: int = 0, clock: int = 1) -> Paths:
    """Random touches in four parts, about a dozen per customer, at multiples of `clock` seconds.

    `words` more touchpoints make the codes wider.
    """
    rng = np.random.default_rng(3)
    rows = customers * each
    names = rng.choice([*NAMES, *(f"other {n}" for n in range(words))], rows)
    seconds = rng.integers(0, 40 * 3600 // clock, rows) * clock
    times = [START + timedelta(seconds=int(s), microseconds=microseconds) for s in seconds]
    touches = {"customer": rng.integers(0, customers, rows).astype(str), "at": times, "touchpoint": names}
    return in_parts(Paths.from_frame(pl.DataFrame(touches), end_of_data=START + timedelta(days=60)), rows // 4)


def reached(paths: Paths, definition: Funnel) -> list[int]:
    return funnel(paths, definition)["reached"].to_list()


@pytest.mark.parametrize("order", ["ordered", "strict"])
def test_a_step_window_as_long_as_the_window_changes_nothing(order: str) -> None:
    paths = many()
    plain = Funnel(["a", "b", "c"], "6h", order=order)  # type: ignore[arg-type]
    entry_by_entry = Funnel(["a", Step("b", within="6h"), Step("c", within="6h")], "6h", order=order)  # type: ignore[arg-type]
    assert reached(paths, plain) == reached(paths, entry_by_entry)
    assert reached(paths, plain)[0] > 300


@pytest.mark.parametrize(
    "definition",
    [
        Funnel(["a", "b", "c"], "6h"),
        Funnel(["a", "b", "c"], "6h", order="unordered"),
        Funnel(["a", Step("b", within="2h"), "c"], "6h", exclude=Exclude("d")),
        Funnel(["a", "b", "c"], "6h", stop=["repeat"]),
        Funnel(["a", "b"], "6h", count="entries"),
    ],
)
def test_the_same_times_to_the_microsecond_change_nothing(definition: Funnel) -> None:
    assert reached(many(), definition) == reached(many(microseconds=5), definition)


def test_a_scan_is_compiled_for_few_types_only() -> None:
    from analytics.engine.kernels.counts import count_reached
    from analytics.engine.kernels.distinct_times import scan_distinct_times
    from analytics.engine.kernels.ordered import scan

    condition = Step("a", where=pl.col("touchpoint") != "b")
    for paths in (many(40), many(40, microseconds=5), many(40, words=300), many(40, microseconds=5, words=300)):
        reached(paths, Funnel(["a", "b"]))
        reached(paths, Funnel(["a", "b"], by="touchpoint", attribution="every"))
        reached(paths, Funnel([condition, "b"]))
        reached(paths, Funnel(["a", "b"], same="touchpoint"))
        reached(paths, Funnel(["a", ["a", "b"]], order="strict", only=pl.col("touchpoint") != "c"))
    assert len(scan.signatures) == 1
    assert len(scan_distinct_times.signatures) <= 4
    assert len(count_reached.signatures) <= 2


@pytest.mark.parametrize(
    "rules",
    [
        {},
        {"order": "strict"},
        {"steps": ["a", ["a", "b"], "a"]},
        {"steps": ["a", ["a", "b"], "a"], "order": "strict"},
        {"steps": ["a", ["a", "b"]], "reuse": True},
        {"exclude": "d"},
        {"exclude": ["d", "b"]},
        {"exclude": [Exclude("d", after=1, before=2), Exclude("b", after=2, before=3)]},
        {"exclude": Exclude("d", after=2, before=3), "order": "strict"},
        {"count": "entries"},
        {"count": "entries", "exclude": "d"},
        {"exclude": Exclude("d", after=1, before=2)},
        {"exclude": Exclude("d", after=2, before=3)},
        {"start": START + timedelta(hours=4), "end": START + timedelta(hours=30)},
        {"start": START + timedelta(hours=4), "end": START + timedelta(hours=30), "order": "strict"},
        {"maturity": "clip", "start": START + timedelta(hours=4), "end": START + timedelta(hours=30)},
    ],
)
def test_both_scans_agree_on_customers_with_distinct_times(rules: dict[str, Any]) -> None:
    """Ties do not affect them: read touch by touch, they have the same chains as in the fastest scan."""
    assert read_by_both(many(), Funnel(**{"steps": ["a", "b", "c"], "window": "6h", **rules})) > 300


@pytest.mark.parametrize("ties", ["favourable", "adverse", "sequence"])
@pytest.mark.parametrize(
    "rules",
    [
        {},
        {"steps": ["a", ["a", "b"], "a"]},
        {"steps": ["a", "b", "a", "c"]},
        {"order": "strict"},
        {"exclude": "d"},
        {"later": True},
        {"reentry": False},
        {"count": "entries"},
    ],
)
def test_both_scans_agree_on_customers_with_many_ties(rules: dict[str, Any], ties: Any) -> None:
    """Touches of one instant are put in the order of their steps where that is enough, and read in every order else."""
    if ties == "adverse" and ({"order", "exclude"} & set(rules) or rules.get("steps")):
        pytest.skip("the least depth is not known exactly")
    asked = Funnel(**{"steps": ["a", "b", "c"], "window": "6h", "ties": ties, **rules})
    paths = many(each=24, clock=3600)
    assert read_by_both(paths, asked) > 300
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(distinct_times, "scan_distinct_times", leave_everyone)
        slow = funnel(paths, asked)
    assert funnel(paths, asked).equals(slow)  # the depth under adverse ties, too


@pytest.mark.parametrize("rules", [{}, {"order": "strict"}, {"exclude": "a"}, {"end": START + timedelta(hours=9)}])
@pytest.mark.parametrize("steps", [2, 3, 8, 9])
def test_both_scans_agree_on_many_steps_and_many_touches(steps: int, rules: dict[str, Any]) -> None:
    """Up to 255 touches are read by one loop, more by another; up to eight steps likewise."""
    words = [f"other {n}" for n in range(steps)]
    assert read_by_both(many(60, each=255, words=10), Funnel(words, "3h", **rules)) > 50


def read_by_both(paths: Paths, asked: Funnel) -> int:
    """How many chains both scans find; they must be the same."""
    quick = members(paths, asked)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(distinct_times, "scan_distinct_times", leave_everyone)
        slow = members(paths, asked)
    assert quick.sort(quick.columns).equals(slow.sort(quick.columns))
    return len(quick)


def leave_everyone(*arguments: Any) -> int:
    """A scan that reads no customer."""
    arguments[-1][:] = True
    return 0


def test_attempts_of_one_customer_are_counted_one_by_one() -> None:
    everyone = reached(many(), Funnel(["a", "b"], "2h", count="entries"))
    assert everyone[0] > reached(many(), Funnel(["a", "b"], "2h"))[0]
