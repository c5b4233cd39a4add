"""What share converts in the end, when many windows are not over yet? Kaplan-Meier over the waits of all entrants.

An entrant who has not reached a step is observed from the first entry until the window is over, or until the end of
the data if that is sooner; in the second case the entrant is **censored**: at risk until then, and no longer. Without
censored entrants each share is the plain share of those who entered.
"""

from __future__ import annotations

from functools import partial
from typing import Final

import polars as pl

from analytics.engine.run import run
from analytics.funnels.definition import Funnel
from analytics.funnels.entrants import entrants
from analytics.funnels.scan import ChainScan, micros
from analytics.statistics.curves import kaplan_meier_by
from analytics.store.encoding import as_text
from analytics.store.parts import Part
from analytics.store.paths import Paths

CURVE: Final = ("time", "at_risk", "events", "censored", "converted", "standard_error", "low", "high")


def survival(paths: Paths, definition: Funnel) -> pl.DataFrame:
    """The share of entrants who have reached each step, by the time since their entry.

    Columns: those of `by`; `is_total` Boolean (as in `funnel`); `step` UInt32 (from 2); `name` String; `time`
    Duration(us) since the entry, one row per time that occurs; `at_risk` (have not reached the step and are still
    observed), `events` (reach the step then), `censored` Int64; `converted` Float64, the estimated share that has
    reached the step by then, with `standard_error` (Greenwood), `low`, `high` (95 %). All entrants count, whatever
    `maturity` says. If anyone is observed for the whole window, the last row is at its end. No entrants give no rows.

    >>> from analytics import Paths
    >>> shop = Paths.from_text({"ann": "visit@0d pay@2d", "bo": "visit@0d", "cy": "visit@9d"}, end="10d")
    >>> survival(shop, Funnel(["visit", "pay"], window="7d"))["at_risk", "events", "converted"].rows()
    [(3, 0, 0.0), (2, 1, 0.5), (1, 0, 0.5)]
    """
    waits = _waits_of(paths, definition).filter(pl.col("origin") == "entry")
    by, names = list(definition.by), [step.name for step in definition.steps]
    curves = _curves(waits, [*by, "is_total", "step"]).with_columns(
        pl.col("step").replace_strict(range(1, len(names) + 1), names, return_dtype=pl.String).alias("name")
    )
    order = ["step", "is_total", *by, "time"]
    curves = curves.sort(order, descending=[name == "is_total" for name in order], nulls_last=True)
    return curves.select(*by, "is_total", "step", "name", *CURVE)


def with_survival(table: pl.DataFrame, paths: Paths, definition: Funnel) -> pl.DataFrame:
    """Replaces the shares of a funnel by estimates at the end of the window, and adds `at_risk` at that time."""
    waits, keys = _waits_of(paths, definition), [*definition.by, "is_total", "step"]
    for origin, share in (("entry", "share_of_entered"), ("previous", "share_of_previous")):
        last = _curves(waits.filter(pl.col("origin") == origin), keys).group_by(keys).last()
        ends = {share: "converted", f"{share}_low": "low", f"{share}_high": "high"}
        table = table.join(last.select(*keys, *CURVE[4:]), on=keys, how="left", nulls_equal=True, maintain_order="left")
        table = table.with_columns(pl.coalesce(new, name).alias(name) for name, new in ends.items()).drop(CURVE[4:])
    whole = (pl.col("origin") == "entry") & (pl.col("wait") >= micros(definition.window))
    at_risk = waits.group_by(keys).agg(pl.col("people").filter(whole).sum().alias("at_risk"))
    later = pl.when(pl.col("step") > 1).then(pl.col("at_risk").fill_null(0))
    return table.join(at_risk, on=keys, how="left", nulls_equal=True, maintain_order="left").with_columns(at_risk=later)


def _curves(waits: pl.DataFrame, keys: list[str]) -> pl.DataFrame:
    """The share converted by time, per group."""
    fitted = kaplan_meier_by(waits.rename({"wait": "time"}), keys)
    return fitted.with_columns(
        pl.col("time").cast(pl.Int64).cast(pl.Duration("us")),
        (1 - pl.col("survival")).alias("converted"),
        (1 - pl.col("high")).alias("low"),
        (1 - pl.col("low")).alias("high"),
    )


def _waits_of(paths: Paths, definition: Funnel) -> pl.DataFrame:
    """Counts of entrants by wait for each step, since the entry and since the previous step: in total and per group."""
    analysis = ChainScan.of(paths, definition)
    parts = pl.concat(run(analysis.paths, partial(_waits, analysis)))
    keys = [name for name in parts.columns if name != "people"]
    groups = parts.group_by(keys).agg(pl.col("people").sum()).with_columns(is_total=pl.lit(False))
    nobody = [pl.lit(None, parts.schema[name]).alias(name) for name in definition.by]
    total = groups.with_columns(*nobody, is_total=pl.lit(True))
    return pl.concat([total, groups]) if definition.by else total


def _waits(analysis: ChainScan, part: Part) -> pl.DataFrame:
    """The counts of `_waits_of` for one part, per group."""
    definition, by = analysis.definition, list(analysis.definition.by)
    window = micros(definition.window)
    end = micros(analysis.paths.end_of_data) if analysis.paths.end_of_data else 0
    found = as_text(entrants(analysis, part), by)
    tables = [_counted(found.clear().with_columns(pl.col("first").alias("wait"), event="mature"), by, 2, "entry")]
    for k in range(2, len(definition.steps) + 1):
        there = pl.col(f"at_{k}").is_not_null()
        for origin, since in (("entry", "at_1"), ("previous", f"at_{definition.previous(k)}")):
            begun = "first" if origin == "entry" else since
            seen = pl.when(pl.col("first") + window <= end).then(window).otherwise(end - pl.col(begun))
            wait = pl.when(there).then(pl.col(f"at_{k}") - pl.col(since)).otherwise(seen)
            asked = found.filter(pl.col(since).is_not_null())
            tables.append(_counted(asked.with_columns(wait.cast(pl.Int64).alias("wait"), event=there), by, k, origin))
    return pl.concat(tables)


def _counted(waits: pl.DataFrame, by: list[str], step: int, origin: str) -> pl.DataFrame:
    """The number of entrants with each wait."""
    keyed = waits.with_columns(pl.lit(step, pl.UInt32).alias("step"), pl.lit(origin).alias("origin"))
    keys = [*by, "step", "origin", "wait", "event"]
    return keyed.group_by(keys).agg(pl.len().cast(pl.Int64).alias("people"))
