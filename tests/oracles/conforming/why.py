"""Changes of a conversion and drivers of drop-off, as cases ask for them.

Counts without events become customers, one touch a step.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from analytics import Funnel, Paths, change, drivers
from analytics.statistics.strata import interaction_of, stratified_difference
from tests.oracles.conforming.cases import EPOCH, Unsupported, paths_of, step_of, text_of, time_of
from tests.oracles.conforming.statistics import without_nan

DAY = timedelta(days=1)
PERIODS = {"before": EPOCH, "after": EPOCH + 10 * DAY}


def change_case(case: Mapping[str, Any]) -> dict[str, Any]:
    """The change of a conversion with its parts."""
    params = case["params"]
    if unknown := set(params) - {"kind", "of", *PERIODS}:
        raise Unsupported(f"parameter {unknown.pop()}")
    steps = max((len(row["reached"]) for period in PERIODS for row in params[period]), default=2)
    of = params.get("of", "rate")
    table = change(
        _paths(params),
        Funnel([f"step {number}" for number in range(1, steps + 1)], "1d", value="value" if of == "value" else None),
        **{period: (start, start + DAY) for period, start in PERIODS.items()},
        by="segment",
        of=of,
    )
    total = table.row(0, named=True)
    factors = table.filter(pl.col("is_total") & (pl.col("effect") != "total"))
    names = [f"step {row['step']}" if row["effect"] == "step" else row["effect"] for row in factors.to_dicts()]
    groups = table.filter(~pl.col("is_total"))
    effects = groups.pivot("effect", index=["step", "segment"], values="contribution")
    return {
        "before": total["before"],
        "after": total["after"],
        "difference": total["contribution"],
        "parts": dict(zip(names, factors["contribution"], strict=True)),
        "segments": effects.to_dicts(),
    }


def _paths(params: Mapping[str, Any]) -> Paths:
    """Customers who reach as many steps as the counts say; the first with the goal in a segment has all its value."""
    rows = [
        touches
        for period, start in PERIODS.items()
        for number, segment in enumerate(params[period])
        for touches in _touches(segment, f"{period} {number}", start)
    ]
    schema = {
        "customer": pl.String,
        "at": pl.Datetime("us", "UTC"),
        "touchpoint": pl.String,
        "segment": pl.String,
        "value": pl.Float64,
    }
    frame = pl.concat([pl.DataFrame(schema=schema), *rows])
    return Paths.from_frame(frame, end_of_data=EPOCH + 30 * DAY)


def _touches(segment: Mapping[str, Any], name: str, start: datetime) -> Iterator[pl.DataFrame]:
    """One touch of every customer of a segment who reaches a step, for each step."""
    last = len(segment["reached"])
    for step, count in enumerate(segment["reached"], 1):
        customers = pl.int_range(count, eager=True)
        worth = pl.when(customers == 0).then(pl.lit(segment.get("value", 0.0) if step == last else 0.0))
        yield pl.select(
            customer=name + " " + customers.cast(pl.String),
            at=pl.lit(start + timedelta(hours=step - 1), pl.Datetime("us", "UTC")),
            touchpoint=pl.lit(f"step {step}"),
            segment=pl.lit(segment["segment"], pl.String),
            value=worth.cast(pl.Float64),
        )


DRIVERS = {"kind", "steps", "window", "before", "factors", "adjust", "end"}


def drivers_case(case: Mapping[str, Any]) -> dict[str, Any]:
    """The levels of the factors at the step between two events."""
    params, end = case["params"], time_of(case["params"]["end"])
    if unknown := set(params) - DRIVERS:
        raise Unsupported(f"parameter {unknown.pop()}")
    events = [event for event in case["events"] if time_of(event["ts"]) <= end]
    asked = {name for name in (*params["factors"], *params.get("adjust", [])) if not name.startswith("met:")}
    frame = paths_of({**case, "events": events}).touches.collect()
    for name in sorted(asked - set(frame.columns)):
        values = [text_of(event.get("props", {}).get(name)) for event in events]
        frame = frame.with_columns(pl.Series(name, values, pl.String))
    table = drivers(
        Paths.from_frame(frame, end_of_data=end),
        Funnel([step_of(step) for step in params["steps"]], params["window"]),
        factors=params["factors"],
        adjust=params.get("adjust", ()),
        before=params.get("before", "7d"),
    )
    total = {"customers": 0, "dropped": 0} if table.is_empty() else table.row(0, named=True)
    levels = table.filter(pl.col("kind").is_in(["attribute", "met"])).to_dicts()
    found = {f"{row['factor']}={row['level']}": row for row in levels}
    return {"entrants": total["customers"], "drops": total["dropped"], "levels": found}


def stratified_case(case: Mapping[str, Any]) -> dict[str, Any]:
    """The plain and the adjusted difference of the exposed and the others."""
    counts = np.array([[*stratum["exposed"], *stratum["others"]] for stratum in case["params"]["strata"]]).T
    found = stratified_difference(*counts)._asdict()
    return {name: without_nan(float(value)) for name, value in found.items()}


def interaction_case(case: Mapping[str, Any]) -> dict[str, Any]:
    """What two properties do beyond the sum of each alone."""
    k, n = np.array([case["params"][name] for name in ("both", "first", "second", "neither")]).T
    found = interaction_of(k, n)._asdict()
    return {name: bool(value) if name == "tested" else without_nan(float(value)) for name, value in found.items()}
