"""How many customers get from step to step, where do they drop off, and how long do they take?

A **chain** is touches, all different, that match steps 1 to k in time order, the last within the window after the
first. A customer's **depth** is the length of the longest chain whose entry, its first touch, lies in the requested
range. The reported chain is the deepest; among those the one that completes first; among those the one with the newest
entry, each of whose steps is the earliest that can follow. An entrant whose window is not over at the end of the data
is **open**: reported separately, never counted as dropped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Final

import numpy as np
import polars as pl

from analytics.engine.analysis import IS_TOTAL, CellRows, Cells, answer, measured_by
from analytics.engine.conditions import one_of
from analytics.engine.distributions import DISTRIBUTION, durations
from analytics.engine.local.money import MILLION
from analytics.engine.partials import add_up, totals_first
from analytics.engine.run import run
from analytics.engine.sequences import Ints
from analytics.funnels.counts import FunnelMeasure, GroupCounts, group_numbers
from analytics.funnels.definition import COUNTABLE, Funnel
from analytics.funnels.entrants import breakdown, entrants, latest_mature
from analytics.funnels.scan import ChainScan, Reading, bound
from analytics.statistics.shares import MIN_DENOMINATOR, share_columns, square_columns
from analytics.store.columns import AFTER_GOAL
from analytics.store.encoding import Dictionaries, as_text
from analytics.store.parts import Part
from analytics.store.paths import Paths
from expectations.errors import DefinitionError

RANKS: Final = {"median_wait": 0.5, "p90_wait": 0.9}
VALUES: Final = ("value", "left_out")
VALUE_COLUMNS: Final = ("value", "value_left_out")


@dataclass(frozen=True, eq=False)
class FunnelCounts(FunnelMeasure):
    """Counts the entrants that reach each step: `reached_k`, `open_k`, `waits_k`, and with a value column `value_k`.

    Where entrants are not customers, there are also the sums by customer that the intervals of the shares need.
    """

    SCHEMA: ClassVar[pl.Schema] = answer(
        step=pl.UInt32,
        name=pl.String,
        entered=pl.Int64,
        reached=pl.Int64,
        dropped=pl.Int64,
        open=pl.Int64,
        share_of_entered=pl.Float64,
        share_of_entered_low=pl.Float64,
        share_of_entered_high=pl.Float64,
        share_of_previous=pl.Float64,
        share_of_previous_low=pl.Float64,
        share_of_previous_high=pl.Float64,
        median_wait=pl.Duration("us"),
        p90_wait=pl.Duration("us"),
        enough=pl.Boolean,
        tie_sensitive=pl.Int64,
    )
    CELLS: ClassVar[Cells | None] = Cells(("step", "name"), ("step",), in_order=True)
    QUANTILES: ClassVar[Sequence[float]] = tuple(RANKS.values())

    group: pl.Expr | None = None
    share_of: str = "entered"
    in_journeys: bool = False
    """Whether touches after a journey's goal are left out here, as the paths still have them."""

    @classmethod
    def of(cls, paths: Paths, definition: Funnel, by: pl.Expr | None = None, share_of: str = "entered") -> FunnelCounts:
        """The measure of a funnel; of one that `compare` breaks down `by` a condition on the values of entrants.

        Raises `DefinitionError` for a funnel that reads other paths than its own, or none that can be added up.
        """
        if by is None:
            _check_shared(definition)
            in_journeys = definition.count == "journeys" and AFTER_GOAL in paths.schema
            return cls(ChainScan.of(paths, definition), in_journeys=in_journeys)
        one_of("share_of", share_of, ("entered", "previous"))
        if definition.by or definition.attribution.startswith("every") or definition.maturity == "survival":
            raise DefinitionError(
                "The group counts of this funnel cannot be added up.",
                expected="a funnel without `by`, of maturity mature or clip, and one value per customer",
                found=f"by {list(definition.by)}, maturity {definition.maturity}, attribution {definition.attribution}",
            )
        columns = tuple(dict.fromkeys(by.meta.root_names()))
        return cls(ChainScan.of(paths, replace(definition, by=columns)), group=by, share_of=share_of)

    @property
    def group_type(self) -> pl.DataType:
        """The type of the group that `compare` breaks down by."""
        return pl.DataFrame(schema=self.scan.group_types).select(self.group).dtypes[0]

    def compared(self, part: Part, words: Dictionaries) -> CellRows:
        """The rows of a part that `compare` counts."""
        found = as_text(entrants(self.scan, part, words), self.definition.by).filter("mature")
        found = found.with_columns(self.group, person="place") if self.group is not None else found
        group = self.group.meta.output_name() if self.group is not None else ""
        cells, wholes = [], []
        for step in self.steps[1:]:
            base = self.definition.previous(step) if self.share_of == "previous" else 1
            keys = [pl.col(group), pl.col("person"), pl.lit(step, pl.UInt32).alias("step")]
            name = pl.lit(self.definition.name_of(step)).alias("name")
            whole = found.filter(pl.col(f"at_{base}").is_not_null())
            cells.append(whole.select(*keys, name, pl.col(f"at_{step}").is_not_null().alias("counts")))
            wholes.append(whole.select(keys))
        return CellRows(pl.concat(cells), pl.concat(wholes), found[group])

    @property
    def steps(self) -> range:
        """The numbers of the steps."""
        return range(1, len(self.definition.steps) + 1)

    @property
    def pairs(self) -> list[tuple[int, int]]:
        """The pairs of steps whose products are summed over customers; none where the entrants are customers."""
        if not self.definition.repeats_customers:
            return []
        of_step = [((1, 1), (1, k), (p, p), (p, k), (k, k)) for k in self.steps for p in (self.definition.previous(k),)]
        return sorted({pair for pairs in of_step for pair in pairs})

    @property
    def count_types(self) -> Mapping[str, Any]:
        """The columns of counts."""
        names = ["tied", *(f"{state}_{k}" for state in ("reached", "open") for k in self.steps)]
        names += [f"{of}_{k}" for k in self.steps for of in VALUES if self.definition.value is not None]
        names += [f"{j} x {k}" for j, k in self.pairs] + [f"customers {k}" for k in self.steps if self.pairs]
        return {**dict.fromkeys(names, pl.Int64), **{f"waits_{k}": DISTRIBUTION for k in self.steps[1:]}}

    def counts(self, part: Part, words: Dictionaries) -> pl.DataFrame:
        """The counts of one part: in total, and of each group."""
        part = part.of_journeys() if self.in_journeys else part
        reading, by = self.scan.read(part, words), self.definition.by
        values = breakdown(self.scan, reading)
        group, row = group_numbers(values, len(reading.found.firsts))
        groups = self._of_groups(reading, group, len(row))
        groups = groups.with_columns(pl.lit(False).alias(IS_TOTAL), *(series.gather(row) for series in values))
        groups = as_text(groups, by)
        if not by:
            return groups.with_columns(pl.lit(True).alias(IS_TOTAL))
        if self.pairs:
            total = self._of_groups(reading, np.zeros_like(group), min(len(row), 1))
        else:
            total = add_up([groups.select(list(self.count_types))], [], self.count_types, self.exact)
        nobody = [pl.lit(None, self.scan.group_types[name]).alias(name) for name in by]
        total = total.with_columns(pl.lit(True).alias(IS_TOTAL), *nobody)
        return pl.concat([total, groups], how="diagonal")

    def _of_groups(self, reading: Reading, group: Ints, groups: int) -> pl.DataFrame:
        """The counts of one part by group; `group` is the number of every entrant's."""
        asked = self.definition
        counter = GroupCounts(reading, group, groups, latest_mature(self.scan, reading), asked.maturity == "survival")
        reached, opened = counter.counts()
        names = ["tied", *(f"{state}_{k}" for state in ("reached", "open") for k in self.steps)]
        table = pl.DataFrame(np.column_stack((counter.tied(), reached, opened)), schema=names, orient="row")
        previous = np.array([asked.previous(k) - 1 for k in self.steps])
        columns = counter.waits(previous, reached, self.exact)
        if self.scan.amounts is not None:
            for k in self.steps:
                found = counter.values(k - 1, self.scan.amounts)
                columns += [pl.Series(f"{of}_{k}", sums) for of, sums in zip(VALUES, found, strict=True)]
        if self.pairs:
            customer = reading.sequences.customer[reading.found.sequence]
            columns += counter.products(self.pairs, customer).get_columns()
        return table.hstack(columns)

    def merge(self, partials: Sequence[pl.DataFrame]) -> pl.DataFrame:
        """Adds up the counts of parts; the total is there without any."""
        total = pl.DataFrame({IS_TOTAL: [True]}).select(
            pl.lit(True).alias(name)
            if name == IS_TOTAL
            else pl.lit([], DISTRIBUTION).alias(name)
            if dtype == DISTRIBUTION
            else pl.lit(0 if name in self.count_types else None, dtype).alias(name)
            for name, dtype in self.schema.items()
        )
        filled = [partial for partial in partials if len(partial)]
        return super().merge(filled or [total])

    def finish(self, merged: pl.DataFrame) -> pl.DataFrame:
        """The columns of `funnel`."""
        by, first = list(self.definition.by), pl.col("step") == 1
        table = pl.concat(self._at_step(merged, k) for k in self.steps)
        shares = [
            *share_columns(table, "share_of_entered", "reached", "entered"),
            *share_columns(table, "share_of_previous", "reached", "previous"),
        ]
        table = table.with_columns(*shares, *durations(table["waits"], RANKS)).with_columns(
            *(pl.when(~first).then(share.name).alias(share.name) for share in shares),
            (pl.col("previous") >= MIN_DENOMINATOR).alias("enough"),
        )
        names = list(self.SCHEMA)
        names[names.index("enough") : names.index("enough")] = [name for name in VALUE_COLUMNS if name in table.columns]
        return totals_first(table, by, "step").select(*by, *names)

    def _at_step(self, merged: pl.DataFrame, step: int) -> pl.DataFrame:
        """The counts of one step."""
        asked, previous = self.definition, self.definition.previous(step)
        return merged.select(
            *asked.by,
            IS_TOTAL,
            pl.lit(step, pl.UInt32).alias("step"),
            pl.lit(asked.name_of(step)).alias("name"),
            pl.col("reached_1").alias("entered"),
            pl.col(f"reached_{step}").alias("reached"),
            _dropped(asked, step).alias("dropped"),
            pl.col(f"open_{step}").alias("open"),
            pl.col(f"reached_{previous}").alias("previous"),
            *([] if asked.value is None else [pl.col(f"value_{step}").truediv(MILLION).alias("value")]),
            *([] if asked.value is None else [pl.col(f"left_out_{step}").alias("value_left_out")]),
            pl.col("tied").alias("tie_sensitive"),
            (pl.col(f"waits_{step}") if step > 1 else pl.lit([], DISTRIBUTION)).alias("waits"),
            **self._squares("previous", previous, step) | self._squares("entered", 1, step),
        )

    def _squares(self, whole: str, base: int, step: int) -> dict[str, pl.Expr]:
        """The sums by customer of the share of a step, as `share_columns` reads them."""
        sums = (f"{base} x {base}", f"{base} x {step}", f"{step} x {step}", f"customers {base}")
        names = square_columns("reached", whole) if self.pairs else []
        return {name: pl.col(column) for name, column in zip(names, sums, strict=False)}


@measured_by(FunnelCounts)
def funnel(paths: Paths, definition: Funnel, *, exact: bool = False) -> pl.DataFrame:
    """Customers who reach each step, in total and by the columns of `by`.

    Columns: those of `by`; `is_total` Boolean (rows over all groups, where `by` is null; they come first); `step`
    UInt32 (from 1); `name` String; `entered`, `reached`, `dropped`, `open` Int64; `share_of_entered`,
    `share_of_previous` Float64, each with `_low` and `_high` (Wilson, 95 %, judged by customers), null without a
    denominator; `median_wait`, `p90_wait` Duration(us) from the previous step (linear between two ranks; of more than
    1,000 waits right to 1 in 1,000, or with `exact` exact, for twice the time); `value` Float64 where the
    funnel names a value: its sum over the touches of the step, and `value_left_out` Int64, the touches with an amount
    that cannot be converted (`Money`); `enough` Boolean: the previous step counts at
    least 30; `tie_sensitive` Int64: customers whose depth depends on the order of touches at one instant (a lower bound
    where steps share a value or the funnel is strict or has exclusions).

    `entered` and `reached` count mature entrants: their whole window after the first entry in range lies before the end
    of the data, or ends with it. `open` counts the others, by the steps they have reached so far. With
    `maturity="clip"` every touch lies in the range and every entrant counts. With `maturity="survival"` every entrant
    counts as well, including those reported as `open`; the shares are Kaplan-Meier estimates at the end of the window,
    and `at_risk` Int64 counts entrants observed for the whole window without reaching the step (see `survival`). The
    previous step is the last one before it that is not optional. No touches give rows of zeros. Raises
    `DefinitionError` for an unknown column; warns of a step that no touch has (`UnknownWordWarning`).

    >>> from analytics import Paths
    >>> shop = Paths.from_text({"ann": "visit@0m pay@2d", "bo": "visit@0m"}, end="60d")
    >>> funnel(shop, Funnel(["visit", "pay"], window="7d"))["reached"].to_list()
    [2, 1]
    """
    paths, scan = bound(paths, definition)
    table = run(paths, FunnelCounts(scan), exact=exact)
    if definition.maturity == "survival":
        from analytics.funnels.survival import with_survival

        return with_survival(table, paths, scan)
    return table


def _check_shared(definition: Funnel) -> None:
    """Raises `DefinitionError` for a funnel that cannot be asked with other questions, of the same paths."""
    if definition.count not in COUNTABLE or definition.maturity == "survival":
        raise DefinitionError(
            "This funnel is asked alone.",
            expected=f"a count of {', '.join(COUNTABLE)}, of maturity mature or clip",
            found=f"count {definition.count}, maturity {definition.maturity}",
            do="call funnel(paths, definition)",
        )


def _dropped(definition: Funnel, step: int) -> pl.Expr:
    """Entrants who reached the previous step and can no longer reach this one."""
    before = definition.previous(step)
    lost = pl.col(f"reached_{before}") - pl.col(f"reached_{step}")
    under_way = pl.col(f"open_{before}") - pl.col(f"open_{step}")
    return lost - under_way if definition.maturity == "survival" else lost
