"""What share converts in the end, when many windows are not over yet? Kaplan-Meier over the waits of all entrants.

An entrant who has not reached a step is observed from the first entry until the window is over, or until the end of
the data if that is sooner; in the second case the entrant is **censored**: at risk until then, and no longer. Without
censored entrants each share is the plain share of those who entered.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np
import polars as pl

from analytics.engine.analysis import answer, measured_by
from analytics.engine.distributions import DISTRIBUTION, bucket_numbers, distributions
from analytics.engine.partials import numbered, totals_first
from analytics.engine.run import counted, run
from analytics.funnels.counts import FunnelMeasure, with_totals
from analytics.funnels.definition import Funnel
from analytics.funnels.entrants import entrants
from analytics.funnels.scan import ChainScan, bound
from analytics.statistics.curves import kaplan_meier_by
from analytics.store.encoding import Dictionaries
from analytics.store.frames import micros
from analytics.store.parts import Part
from analytics.store.paths import Paths

CURVE: Final = {
    "time": pl.Duration("us"),
    "at_risk": pl.Int64,
    "events": pl.Int64,
    "censored": pl.Int64,
    "converted": pl.Float64,
    "standard_error": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
}


@dataclass(frozen=True, eq=False)
class SurvivalCounts(FunnelMeasure):
    """Counts entrants by how long they were seen, since the entry and since the previous step of every step.

    `event` says whether they reached the step then. Whoever is seen for the whole window is counted at its very end.
    """

    SCHEMA: ClassVar[pl.Schema] = answer(step=pl.UInt32, name=pl.String, **CURVE)
    KEYS: ClassVar[Mapping[str, Any]] = {"step": pl.UInt32, "origin": pl.String, "event": pl.Boolean}

    @classmethod
    def of_scan(cls, scan: ChainScan) -> SurvivalCounts:
        """The measure of a funnel that is bound to a store."""
        return cls(scan, tuple(bucket_numbers([micros(scan.definition.window)])))

    @property
    def count_types(self) -> Mapping[str, Any]:
        """The columns of counts."""
        return {"people": pl.Int64, "waits": DISTRIBUTION}

    def counts(self, part: Part, words: Dictionaries) -> pl.DataFrame:
        """The counts of one part."""
        asked = self.definition
        found = with_totals(entrants(self.scan, part, words), asked.by)
        rows = [
            self._seen(found, k, origin) for k in range(2, len(asked.steps) + 1) for origin in ("entry", "previous")
        ]
        table = pl.concat([pl.DataFrame(schema={name: self.schema[name] for name in self.keys}), *rows], how="diagonal")
        keys, number = numbered(table.select(self.keys))
        waits = table["wait"].to_numpy() if "wait" in table.columns else np.zeros(0, np.int64)
        return keys.with_columns(
            pl.Series("people", np.bincount(number, minlength=len(keys)).astype(np.int64)),
            distributions(number, waits, len(keys), exact=self.exact).alias("waits"),
        )

    def _seen(self, found: pl.DataFrame, step: int, origin: str) -> pl.DataFrame:
        """How long each entrant was seen before the step, since the entry or since the previous step."""
        window, end = micros(self.definition.window), micros(self.scan.end_of_data) if self.scan.end_of_data else 0
        since = "at_1" if origin == "entry" else f"at_{self.definition.previous(step)}"
        begun = "first" if origin == "entry" else since
        there = pl.col(f"at_{step}").is_not_null()
        seen = pl.when(pl.col("first") + window <= end).then(window).otherwise(end - pl.col(begun))
        wait = pl.when(there).then(pl.col(f"at_{step}") - pl.col(since)).otherwise(seen)
        return found.filter(pl.col(since).is_not_null()).select(
            *self.definition.by,
            "is_total",
            pl.lit(step, pl.UInt32).alias("step"),
            pl.lit(origin).alias("origin"),
            there.alias("event"),
            wait.cast(pl.Int64).clip(0).alias("wait"),
        )

    def finish(self, merged: pl.DataFrame) -> pl.DataFrame:
        """The columns of `survival`."""
        by, names = list(self.definition.by), [step.name for step in self.definition.steps]
        waits = waits_of(merged).filter(pl.col("origin") == "entry")
        curves = _curves(waits, [*by, "is_total", "step"]).with_columns(
            pl.col("step").replace_strict(range(1, len(names) + 1), names, return_dtype=pl.String).alias("name")
        )
        return totals_first(curves, by, "step", "time").select(*by, *self.SCHEMA)


@measured_by(SurvivalCounts)
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
    paths, scan = bound(paths, definition)
    return run(paths, SurvivalCounts.of_scan(scan))


SHARES: Final = tuple(CURVE)[4:]


def with_survival(table: pl.DataFrame, paths: Paths, scan: ChainScan) -> pl.DataFrame:
    """Replaces a funnel's shares by those at the end of the window; adds `at_risk`: seen so long without the step."""
    definition = scan.definition
    waits, keys = waits_of(counted(paths, SurvivalCounts.of_scan(scan))), [*definition.by, "is_total", "step"]
    for origin, share in (("entry", "share_of_entered"), ("previous", "share_of_previous")):
        last = _curves(waits.filter(pl.col("origin") == origin), keys).group_by(keys).last()
        ends = {share: "converted", f"{share}_low": "low", f"{share}_high": "high"}
        table = table.join(last.select(*keys, *SHARES), on=keys, how="left", nulls_equal=True, maintain_order="left")
        table = table.with_columns(pl.coalesce(new, name).alias(name) for name, new in ends.items()).drop(SHARES)
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


def waits_of(merged: pl.DataFrame) -> pl.DataFrame:
    """One row per key and wait, with the number of `people`."""
    rows = merged.drop("people").explode("waits", empty_as_null=False)
    return rows.with_columns(
        pl.col("waits").struct.field("value").alias("wait"), pl.col("waits").struct.field("count").alias("people")
    ).drop("waits")
