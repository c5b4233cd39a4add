"""What stands beside a funnel is what the funnel with the step as one more answers."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from analytics import Exclude, Funnel, Paths, Step, funnel, funnel_neighbours
from expectations.errors import DefinitionError

WORDS = ("a", "b", "c", "d")
END = datetime(2026, 1, 9, tzinfo=UTC)


def shop(draw: random.Random, customers: int) -> Paths:
    """Random customers with ties in time, some still under way."""
    kept = []
    for number in range(customers):
        at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=draw.randrange(180))
        for _ in range(draw.randrange(1, 9)):
            if at < END:
                kept.append((f"c{number}", at, draw.choice(WORDS), draw.choice(("x", "y", None)), 1))
            at += timedelta(hours=draw.choice((0, 0, 1, 6, 40)))
    schema = {"customer": pl.String, "at": pl.Datetime("us", "UTC"), "touchpoint": pl.String, "device": pl.String}
    return Paths.from_frame(pl.DataFrame(kept, {**schema, "session": pl.UInt32}, orient="row"), end_of_data=END)


def asked(draw: random.Random) -> Funnel:
    options: dict[str, Any] = {"order": draw.choice(["ordered", "strict", "unordered"])}
    options["count"] = draw.choice(["customers", "sessions", "entries"])
    more: dict[str, Any] = {
        "same": ["device"],
        "exclude": [Exclude("d")],
        "start": datetime(2026, 1, 3, tzinfo=UTC),
        "ties": "sequence",
    }
    steps = [Step(draw.choice(WORDS[:3])) for _ in range(draw.randrange(1, 4))]
    more = more if len(steps) > 1 else more | {"exclude": []}
    options |= {name: value for name, value in more.items() if draw.random() < 0.25}
    if len(steps) > 1 and options["order"] != "unordered" and draw.random() < 0.2:
        steps[-1] = Step(steps[-1].any_of, within="6h")
    return Funnel(steps, window=draw.choice(["12h", "3d"]), **options)


def of_totals(paths: Paths, definition: Funnel) -> tuple[Any, ...]:
    rows = funnel(paths, definition).filter("is_total").sort("step")
    return rows["reached"][-1], rows["reached"][-2] if len(rows) > 1 else 0, rows["median_wait"][-1]


@pytest.mark.parametrize("seed", range(12))
def test_a_step_beside_a_funnel_has_the_numbers_of_the_funnel_with_it(seed: int) -> None:
    draw = random.Random(seed)
    paths, definition = shop(draw, draw.choice([0, 1, 60])), asked(draw)
    try:
        funnel(paths, definition)
    except DefinitionError:
        with pytest.raises(DefinitionError):
            funnel_neighbours(paths, definition, [Step("a")])
        return
    steps = [Step("a"), Step(["b", "d"]), Step("c", where=pl.col("device") == "x"), Step("*")]
    options = {
        name: getattr(definition, name) for name in ("window", "order", "count", "same", "exclude", "start", "ties")
    }
    alone, *after = funnel_neighbours(paths, definition, steps).drop("place").rows()
    assert alone[0] == of_totals(paths, definition)[0]
    for step, row in zip(steps, after, strict=True):
        assert row == of_totals(paths, Funnel([*definition.steps, step], **options))
    alone, *before = funnel_neighbours(paths, definition, steps, before=True).drop("place").rows()
    assert alone == before[-1]
    for step, row in zip(steps, before, strict=True):
        assert row == (of_totals(paths, Funnel([step, *definition.steps], **options))[0], None, None)


def test_only_totals_stand_beside_a_funnel() -> None:
    paths = shop(random.Random(1), 5)
    for wrong in (Funnel(["a"], by="device"), Funnel(["a"], maturity="survival"), Funnel(["a"], count="device")):
        with pytest.raises(DefinitionError, match=r"Only totals|asked alone"):
            funnel_neighbours(paths, wrong, [Step("b")])
