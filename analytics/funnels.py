"""How many customers get from step to step, where do they drop off, and how long do they take?

A **chain** is touches, all different, that match steps 1 to k in time order, the last within the window after the
first. A customer's **depth** is the longest chain whose entry, its first touch, lies in the range asked for. The chain
that is reported is the deepest; among those the one that completes first; among those the one with the newest entry,
each of whose steps is the earliest that can follow. An entrant whose window is not over at the end of the data is
**open**: shown apart, never counted as dropped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from analytics.definitions import Funnel
from analytics.engine import Condition, Matcher, run, unit_of
from analytics.parts import AT, CUSTOMER, Part, decoded
from analytics.statistics import wilson
from analytics.store import Paths
from expectations.errors import DefinitionError

LEAST: Final = 30
"""Below this count a share is shown as too thin."""

FOREVER: Final = 2**61


def funnel(paths: Paths, definition: Funnel) -> pl.DataFrame:
    """Customers that reach each step, in total and by the columns of `by`.

    Columns: those of `by`; `is_total` Boolean (rows over all groups, where `by` is null; they come first); `step`
    UInt32 (from 1); `name` String; `entered`, `reached`, `dropped`, `open` Int64; `share_of_entered`,
    `share_of_previous` Float64, each with `_low` and `_high` (Wilson, 95 %), null without a denominator; `median_wait`, `p90_wait`
    Duration(us) from the previous step (linear between two ranks); `enough` Boolean: the previous step counts at least
    30; `tie_sensitive` Int64: customers whose depth depends on the order of touches of one instant.

    `entered` and `reached` count mature entrants, `open` the others who have reached the step so far. With
    `maturity="clip"` every touch lies in the range and every entrant counts. No touches give rows of zeros.
    Raises `DefinitionError` for an unknown column.

    >>> from tests.journeys import paths
    >>> shop = paths({"ann": "visit@0m pay@2d", "bo": "visit@0m"}, end="60d")
    >>> funnel(shop, Funnel(["visit", "pay"], window="7d"))["reached"].to_list()
    [2, 1]
    """
    analysis = FunnelScan.of(paths, definition)
    partials = run(paths, analysis.partial)
    return finish(merge(partials, definition.by), definition)


@dataclass(frozen=True)
class FunnelScan:
    """A funnel ready to be asked of any part of one store."""

    definition: Funnel
    matcher: Matcher
    end_of_data: int

    @classmethod
    def of(cls, paths: Paths, definition: Funnel) -> FunnelScan:
        """Bind a funnel to a store; its columns must be there."""
        paths.require(*definition.by)
        taken = {"is_total", "step", "name"} & set(definition.by)
        if taken:
            raise DefinitionError(f"Column {taken.pop()!r} cannot be a breakdown.", do="rename it")
        conditions: tuple[Condition, ...] = (*definition.steps, *definition.exclude)
        universe = definition.universe
        if definition.order == "strict" and universe is None:
            universe = pl.lit(True)
        end = micros(paths.end_of_data) if paths.end_of_data else -FOREVER
        return cls(definition, Matcher(paths, conditions, universe=universe), end)

    def partial(self, part: Part) -> pl.DataFrame:
        """Counts and waits of one part, a row a group."""
        return self.summed(self.entrants(part))

    def entrants(self, part: Part) -> pl.DataFrame:
        """One row an entrant: `by` columns, customer's place, depth, mature, tied, and the time of every step."""
        scan = self.kernel()
        columns = list(dict.fromkeys([*self.matcher.columns, AT, *self.definition.by]))
        frame = part.read([name for name in columns if name != CUSTOMER])
        codes, bits = self.matcher.match(part, frame)
        bounds, times = part.bounds(), frame[AT].to_numpy()
        chains = np.full((part.customers, len(self.definition.steps)), -1, np.int32)
        firsts, least = np.full(part.customers, -1, np.int32), np.zeros(part.customers, np.int64)
        scan(codes, bits, times, bounds, self.rules(unit_of(frame[AT])), chains, firsts, least)
        return self._table(part, frame, chains, firsts, least)

    def _table(
        self, part: Part, frame: pl.DataFrame, chains: NDArray[Any], firsts: NDArray[Any], least: NDArray[Any]
    ) -> pl.DataFrame:
        who = np.flatnonzero(firsts >= 0)
        chains, unit = chains[who], unit_of(frame[AT])
        times = frame[AT].to_numpy().astype(np.int64, copy=False) * unit
        depth = (chains[:, [not step.optional for step in self.definition.steps]] >= 0).sum(axis=1)
        over = times[firsts[who]] + micros(self.definition.window) <= self.end_of_data
        mature = over | (self.definition.maturity == "clip")
        dictionaries, entries = self.matcher.paths.dictionaries, pl.Series(chains[:, 0])
        by = [decoded(part, [name], dictionaries).to_series().gather(entries) for name in self.definition.by]
        steps = [
            pl.Series(f"at_{k + 1}", times[touch]).set(pl.Series(touch < 0), None) for k, touch in enumerate(chains.T)
        ]
        known = [pl.Series("place", who), pl.Series("depth", depth), pl.Series("mature", mature)]
        return pl.DataFrame([*by, *known, pl.Series("tied", least[who] != depth), *steps])

    def rules(self, unit: int) -> Any:
        """The funnel in the terms of the scan, times in `unit` microseconds."""
        from analytics.kernels.ordered import ADVERSE, FAVOURABLE, SEQUENCE, Rules

        asked = self.definition
        start = -FOREVER if asked.start is None else -(-micros(asked.start) // unit)
        end = FOREVER if asked.end is None else -(-micros(asked.end) // unit)
        clip = asked.maturity == "clip"
        return Rules(
            steps=len(asked.steps),
            window=micros(asked.window) // unit,
            entry_from=start,
            entry_to=end,
            touch_from=start if clip else -FOREVER,
            touch_to=end if clip else FOREVER,
            exclude_after=np.array([e.after for e in asked.exclude], np.int64),
            exclude_before=np.array([e.ends_before(len(asked.steps)) for e in asked.exclude], np.int64),
            ties={"favourable": FAVOURABLE, "adverse": ADVERSE, "sequence": SEQUENCE}[asked.ties],
            strict=asked.order == "strict",
            reuse=False,
            later=False,
            within=np.array([FOREVER if s.within is None else micros(s.within) // unit for s in asked.steps], np.int64),
            required=np.array([not step.optional for step in asked.steps], np.bool_),
            offers=len(asked.steps) << sum(step.optional for step in asked.steps),
            drop=asked.exclude_effect == "drop_customer" and bool(asked.exclude),
        )

    def kernel(self) -> Any:
        """The scan that this funnel asks for."""
        from analytics.kernels.ordered import scan
        from analytics.kernels.thorough import scan_entries

        asked = self.definition
        special = any(step.optional or step.within is not None for step in asked.steps)
        return scan_entries if special or self.rules(1).drop else scan

    def summed(self, entrants: pl.DataFrame) -> pl.DataFrame:
        """Entrants as counts, a row a group; waits as lists, so that ranks stay exact when parts are merged."""
        sums: list[pl.Expr] = [pl.col("tied").sum().cast(pl.Int64)]
        for k in range(1, len(self.definition.steps) + 1):
            there = pl.col(f"at_{k}").is_not_null()
            sums.append((there & pl.col("mature")).sum().cast(pl.Int64).alias(f"reached_{k}"))
            sums.append((there & ~pl.col("mature")).sum().cast(pl.Int64).alias(f"open_{k}"))
            if k > 1:
                wait = pl.col(f"at_{k}") - pl.col(f"at_{self.definition.previous(k)}")
                sums.append(wait.filter(there & pl.col("mature")).alias(f"waits_{k}"))
        return entrants.group_by(self.definition.by or pl.lit(True).alias("all")).agg(sums)


def merge(partials: Sequence[pl.DataFrame], by: Sequence[str]) -> pl.DataFrame:
    """Partials as one: counts are added, waits joined. The first row is that of all groups, with null in `by`."""
    together = as_text(pl.concat(partials), by)
    lists = [name for name in together.columns if name.startswith("waits_")]
    counts = [name for name in together.columns if name not in (*lists, *by, "all")]
    sums = [pl.col(counts).sum(), pl.col(lists).explode().drop_nulls()]
    joined = [pl.col(name).explode().drop_nulls().implode() for name in lists]
    total = together.select(pl.lit(True).alias("is_total"), pl.col(counts).sum(), *joined)
    if not by:
        return total
    groups = together.group_by(by).agg(sums).sort(by, nulls_last=True).with_columns(pl.lit(False).alias("is_total"))
    return pl.concat([total, groups], how="diagonal").select(*by, "is_total", *counts, *lists)


def finish(merged: pl.DataFrame, definition: Funnel) -> pl.DataFrame:
    """Counts and waits as the columns of `funnel`."""
    by, steps = list(definition.by), definition.steps
    rows = []
    for k in range(1, len(steps) + 1):
        before = f"reached_{definition.previous(k)}"
        waits = pl.col(f"waits_{k}") if k > 1 else pl.lit(None, pl.List(pl.Int64))
        rows.append(
            merged.select(
                *by,
                "is_total",
                pl.lit(k, pl.UInt32).alias("step"),
                pl.lit(steps[k - 1].name).alias("name"),
                pl.col("reached_1").alias("entered"),
                pl.col(f"reached_{k}").alias("reached"),
                (pl.col(before) - pl.col(f"reached_{k}")).alias("dropped"),
                pl.col(f"open_{k}").alias("open"),
                pl.col(before).alias("previous"),
                _rank(waits, 0.5).alias("median_wait"),
                _rank(waits, 0.9).alias("p90_wait"),
                pl.col("tied").alias("tie_sensitive"),
            )
        )
    order = pl.int_range(pl.len()).over("step")
    table = pl.concat(rows).with_columns(order.alias("group")).sort("group", "step").drop("group")
    return _with_shares(table).select(
        *(*by, "is_total", "step", "name", "entered", "reached", "dropped", "open"),
        *("share_of_entered", "share_of_entered_low", "share_of_entered_high"),
        *("share_of_previous", "share_of_previous_low", "share_of_previous_high"),
        *("median_wait", "p90_wait", "enough", "tie_sensitive"),
    )


def _with_shares(table: pl.DataFrame) -> pl.DataFrame:
    """The shares of a count in two denominators, each with its interval; null without a denominator."""
    first, columns = pl.col("step") == 1, []
    for name, denominator in (("share_of_entered", "entered"), ("share_of_previous", "previous")):
        bounds = wilson(table["reached"], table[denominator])
        found = [
            (table["reached"] / table[denominator]).alias(name),
            pl.Series(f"{name}_low", bounds.low),
            pl.Series(f"{name}_high", bounds.high),
        ]
        columns += [series.fill_nan(None) for series in found]
    shares = [c.name for c in columns[3:]]
    return table.with_columns(columns).with_columns(
        pl.when(~first).then(pl.col(shares)), (pl.col("previous") >= LEAST).alias("enough")
    )


def _rank(waits: pl.Expr, share: float) -> pl.Expr:
    rank = waits.list.eval(pl.element().quantile(share, "linear")).list.first()
    return rank.round().cast(pl.Int64).cast(pl.Duration("us"))


def as_text(table: pl.DataFrame, columns: Sequence[str]) -> pl.DataFrame:
    """The table with those of the columns that are words of a dictionary as plain text."""
    words = [name for name in columns if isinstance(table.schema[name], pl.Enum)]
    return table.with_columns(pl.col(words).cast(pl.String))


def micros(time: datetime | timedelta) -> int:
    """A time as microseconds since 1970, or a length of time in microseconds."""
    length = time - datetime.fromtimestamp(0, UTC) if isinstance(time, datetime) else time
    return length // timedelta(microseconds=1)
