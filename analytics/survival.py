"""Who converts in the end, when many are still under way? Waits of all entrants, by Kaplan-Meier.

An entrant who has not reached a step is seen from the first entry until the window is over, or until the end of the
data if that is sooner; in the second case the entrant is **censored**: at risk until then, and no longer. Without
censored entrants every share is the plain share of those who entered.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any, Final

import polars as pl

from analytics.chains import ChainScan, micros
from analytics.definitions import Funnel
from analytics.engine import run
from analytics.entrants import entrants
from analytics.parts import Part, as_text
from analytics.statistics import kaplan_meier
from analytics.store import Paths

CURVE: Final = ("time", "at_risk", "events", "censored", "converted", "standard_error", "low", "high")


def survival(paths: Paths, definition: Funnel) -> pl.DataFrame:
    """The share of entrants that has reached each step, by the time since their entry.

    Columns: those of `by`; `is_total` Boolean (as in `funnel`); `step` UInt32 (from 2); `name` String; `time`
    Duration(us) since the entry, each that occurs; `at_risk` (not there yet and still seen), `events` (reach the step
    then), `censored` Int64; `converted` Float64, the estimated share that has reached the step by then, with
    `standard_error` (Greenwood), `low`, `high` (95 %). All entrants count, whatever `maturity` says. A row after the
    last conversion lies at the end of the window where anybody is seen so long. No entrants give no rows.

    >>> from tests.journeys import paths
    >>> shop = paths({"ann": "visit@0d pay@2d", "bo": "visit@0d", "cy": "visit@9d"}, end="10d")
    >>> survival(shop, Funnel(["visit", "pay"], window="7d"))["at_risk", "events", "converted"].rows()
    [(3, 0, 0.0), (2, 1, 0.5), (1, 0, 0.5)]
    """
    waits = _waits_of(paths, definition).filter(pl.col("origin") == "entry")
    curves = [_curve(group).select(*key, *CURVE) for key, group in _groups(waits, definition) if len(group)]
    empty = pl.DataFrame(schema=_schema(waits, definition))
    return pl.concat([empty, *(curve.cast(empty.schema) for curve in curves)])


def with_survival(table: pl.DataFrame, paths: Paths, definition: Funnel) -> pl.DataFrame:
    """A funnel's table with shares at the end of the window, and `at_risk`: who is seen so long without the step."""
    waits, by = _waits_of(paths, definition), list(definition.by)
    horizon = micros(definition.window)
    found: list[dict[str, Any]] = []
    for key, group in _groups(waits, definition):
        place = pl.select(*key).row(0, named=True)
        row: dict[str, Any] = {name: place[name] for name in (*by, "is_total", "step")}
        for origin, share in (("entry", "share_of_entered"), ("previous", "share_of_previous")):
            own = group.filter(pl.col("origin") == origin)
            if len(own):
                last = _curve(own).row(-1, named=True)
                row |= {share: last["converted"], f"{share}_low": last["low"], f"{share}_high": last["high"]}
        whole = (pl.col("origin") == "entry") & (pl.col("wait") >= horizon)
        row["at_risk"] = group.filter(whole)["people"].sum()
        found.append(row)
    shares = [name for name in table.columns if name.startswith("share_of_")]
    schema = {name: table.schema[name] for name in (*by, "is_total", "step", *shares)} | {"at_risk": pl.Int64()}
    fitted = pl.DataFrame(found, schema=schema)
    joined = table.join(fitted, on=[*by, "is_total", "step"], how="left", nulls_equal=True, maintain_order="left")
    better = [pl.coalesce(f"{name}_right", name).alias(name) for name in shares]
    return joined.with_columns(better).drop([f"{name}_right" for name in shares])


def _waits_of(paths: Paths, definition: Funnel) -> pl.DataFrame:
    """How many entrants wait how long for each step, from the entry and from the step before."""
    analysis = ChainScan.of(paths, definition)
    parts = pl.concat(run(analysis.paths, partial(_waits, analysis)))
    keys = [name for name in parts.columns if name != "people"]
    return parts.group_by(keys).agg(pl.col("people").sum()).sort(*definition.by, "step", "wait", nulls_last=True)


def _waits(analysis: ChainScan, part: Part) -> pl.DataFrame:
    """The same of one part."""
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
    """How many have each wait."""
    keyed = waits.with_columns(pl.lit(step, pl.UInt32).alias("step"), pl.lit(origin).alias("origin"))
    keys = [*by, "step", "origin", "wait", "event"]
    return keyed.group_by(keys).agg(pl.len().cast(pl.Int64).alias("people"))


def _groups(waits: pl.DataFrame, definition: Funnel) -> Iterator[tuple[list[pl.Expr], pl.DataFrame]]:
    """The columns that name a group and a step, and its waits; all groups together come first."""
    by = list(definition.by)
    for k in range(2, len(definition.steps) + 1):
        step = [pl.lit(k, pl.UInt32).alias("step"), pl.lit(definition.steps[k - 1].name).alias("name")]
        own = waits.filter(pl.col("step") == k)
        nobody = [pl.lit(None, waits.schema[name]).alias(name) for name in by]
        yield [*nobody, pl.lit(True).alias("is_total"), *step], own
        for values, group in own.group_by(by, maintain_order=True) if by else ():
            named = [pl.lit(v, waits.schema[n]).alias(n) for n, v in zip(by, values, strict=True)]
            yield [*named, pl.lit(False).alias("is_total"), *step], group


def _curve(group: pl.DataFrame) -> pl.DataFrame:
    """The share converted by time."""
    fitted = kaplan_meier(group["wait"].to_numpy(), group["event"].to_numpy(), counts=group["people"].to_numpy())
    return fitted.with_columns(
        pl.col("time").cast(pl.Int64).cast(pl.Duration("us")),
        (1 - pl.col("survival")).alias("converted"),
        (1 - pl.col("high")).alias("low"),
        (1 - pl.col("low")).alias("high"),
    )


def _schema(waits: pl.DataFrame, definition: Funnel) -> dict[str, pl.DataType]:
    by = {name: waits.schema[name] for name in definition.by}
    named = {"is_total": pl.Boolean(), "step": pl.UInt32(), "name": pl.String(), "time": pl.Duration("us")}
    counts = dict.fromkeys(["at_risk", "events", "censored"], pl.Int64())
    return by | named | counts | dict.fromkeys(["converted", "standard_error", "low", "high"], pl.Float64())
