"""Changes of a conversion, drivers of drop-off and experiments, as cases ask for them.

Counts without events become customers, one touch a step.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from analytics import (
    Experiment,
    Funnel,
    MeanSums,
    Paths,
    change,
    confidence_sequence,
    difference_of_shares,
    drivers,
    experiment,
    experiment_health,
    mean_difference,
    sample_ratio,
)
from analytics.statistics.intervals import checked_counts
from analytics.statistics.strata import interaction_of, stratified_difference
from expectations.errors import DefinitionError
from tests.oracles.conforming.cases import EPOCH, Unsupported, paths_of, step_of, text_of, time_of
from tests.oracles.conforming.customers.activity import check, seen
from tests.oracles.conforming.statistics import without_nan

DAY = timedelta(days=1)
PERIODS = {"before": EPOCH, "after": EPOCH + 10 * DAY}


def change_case(case: Mapping[str, Any]) -> dict[str, Any]:
    """The change of a conversion with its parts."""
    params = case["params"]
    if unknown := set(params) - {"kind", "of", *PERIODS}:
        raise Unsupported(f"parameter {unknown.pop()}")
    counts = [row["reached"] for period in PERIODS for row in params[period]]
    if any(list(row) != sorted(row, reverse=True) or min(row, default=0) < 0 for row in counts):
        raise DefinitionError(
            "Who reaches a step has reached those before.", expected="counts that fall", found=str(counts)
        )
    steps = max(map(len, counts), default=2)
    of = params.get("of", "rate")
    table = change(
        _paths(params),
        Funnel([f"step {number}" for number in range(1, steps + 1)], "1d", value="value" if of == "value" else None),
        **{period: (start, start + DAY) for period, start in PERIODS.items()},
        by="segment",
        of=of,
    )
    if table.is_empty():
        return {**dict.fromkeys(("before", "after", "difference")), "parts": {}, "segments": []}
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
    rows = [[*stratum["exposed"], *stratum["others"]] for stratum in case["params"]["strata"]]
    counts = np.array(rows).reshape(-1, 4).T
    found = stratified_difference(*counts)._asdict()
    return {name: without_nan(float(value)) for name, value in found.items()}


def interaction_case(case: Mapping[str, Any]) -> dict[str, Any]:
    """What two properties do beyond the sum of each alone."""
    k, n = np.array([case["params"][name] for name in ("both", "first", "second", "neither")]).T
    found = interaction_of(*checked_counts(k, n))._asdict()
    return {name: bool(value) if name == "tested" else without_nan(float(value)) for name, value in found.items()}


def sample_ratio_case(case: Mapping[str, Any]) -> dict[str, Any]:
    """Whether customers fall on variants as planned."""
    params = check(case, {"kind", "counts", "planned"})
    found = sample_ratio(params["counts"], params["planned"])._asdict()
    return {name: without_nan(value) for name, value in found.items()}


def mean_difference_case(case: Mapping[str, Any]) -> dict[str, Any]:
    """The difference of two means, from rows of one number or two, or from sums."""
    params = check(case, {"kind", "control", "treatment", "sums"})
    if "sums" in params:
        sums = [MeanSums(**params["sums"][name]) for name in ("control", "treatment")]
    else:
        rows = [params[name] for name in ("control", "treatment")]
        columns = [list(zip(*own, strict=True)) or [()] for own in rows]
        sums = [MeanSums.of(*each) for each in columns]
    return {name: without_nan(value) for name, value in mean_difference(*sums)._asdict().items()}


def confidence_sequence_case(case: Mapping[str, Any]) -> dict[str, Any]:
    """The interval that holds at every look."""
    params = check(case, {"kind", "shares", "d", "v", "N", "expected", "alpha"})
    estimate: tuple[Any, Any, Any] = (params.get("d"), params.get("v"), params.get("N"))
    if "shares" in params:
        estimate = difference_of_shares(*params["shares"]["treatment"], *params["shares"]["control"])
    given = {name: params[name] for name in ("expected", "alpha") if name in params}
    found = {"difference": estimate[0], "variance": estimate[1], **confidence_sequence(*estimate, **given)._asdict()}
    return {name: without_nan(float(value)) for name, value in found.items()}


EXPERIMENT = {"kind", "assignment", "variant", "control", "planned", "goal", "window", "start", "end"}


def experiment_case(case: Mapping[str, Any]) -> dict[str, Any]:
    """Who is assigned, and the shares that reach the goal, at one look."""
    params = check(case, EXPERIMENT)
    options = {name: params[name] for name in ("planned", "window") if name in params}
    if "start" in params:
        options["start"] = time_of(params["start"])
    asked = Experiment(
        "case",
        step_of(params["assignment"]),
        variant=params["variant"],
        control=params["control"],
        metrics=step_of(params["goal"]),
        **options,
    )
    paths = seen(case)
    health, table = experiment_health(paths, asked), experiment(paths, asked, horizon="fixed")
    variants = {row["variant"]: {**row, "reached": row["sum"], "share": row["mean"]} for row in table.to_dicts()}
    return {
        "assigned": dict(zip(health["variant"], health["assigned"], strict=True)),
        "mixed": health["mixed"].sum(),
        "open": health["open"].sum(),
        "without_variant": health["without_variant"][0] if len(health) else 0,
        "variants": variants,
        "differences": {name: row for name, row in variants.items() if name != params["control"]},
        "srm": health["srm"][0] if len(health) else None,
    }
