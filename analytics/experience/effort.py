"""How much effort does each stage take: touches, time, repeats, back-tracks, hand-offs, errors, slow pages?

- **repeat**: a touch of the same touchpoint as the touch directly before it in the unit.
- **back-track**: a move to an earlier stage; it counts at the stage that the unit leaves. Touches without a stage may
  lie between.
- **hand-off**: a touch in a different channel from the one directly before it; it counts at the stage of the touch.
- **entropy** of the next touch: Shannon entropy in bits over what follows the touches of the stage (a touchpoint, or
  the end of the unit). 0 means that the same thing always follows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Final

import numpy as np
import polars as pl

from analytics.engine.analysis import Cells, answer, measured_by
from analytics.engine.distributions import DISTRIBUTION, durations
from analytics.engine.partials import counted_by_customer
from analytics.engine.run import run
from analytics.engine.units import Unit
from analytics.paths.measure import PathMeasure
from analytics.paths.sequences import UnitSequences, sorted_answer
from analytics.paths.view import By, Selection, words_of
from analytics.store.columns import TOUCHPOINT
from analytics.store.paths import Paths
from analytics.touches.rules import AIDA
from expectations.errors import DefinitionError, nearest

STAGE, CHANNEL, SESSION = "stage", "channel", "session"
FRICTION: Final = ("repeats", "backtracks", "handoffs", "errors", "slow")
SUMS: Final = ("touches", "sessions", *FRICTION)
ERRORS: Final = pl.col(TOUCHPOINT).cast(pl.String).str.to_lowercase().str.contains("error")


@dataclass(frozen=True, eq=False)
class Effort(PathMeasure):
    """Counts units and touches by the rank of the stage in `order`, and what follows its touches.

    A partial has the sums of a stage where `" next"` is null, and in its other rows how often each touchpoint (its
    code), or each end of the unit (-1 - end), follows. `errors` is a condition on touches; a touch is slow where column
    `load_seconds` exceeds `slow`.
    """

    SCHEMA: ClassVar[pl.Schema] = answer(
        stage=pl.String,
        units=pl.Int64,
        customers=pl.Int64,
        touches=pl.Int64,
        sessions=pl.Int64,
        touches_per_unit=pl.Float64,
        sessions_per_unit=pl.Float64,
        median_elapsed=pl.Duration("us"),
        **dict.fromkeys(FRICTION, pl.Int64),
        next_entropy=pl.Float64,
    )
    CELLS: ClassVar[Cells | None] = Cells(("stage", "measure"), ("stage",))
    BOUND: ClassVar[int] = 1 << 20
    """How long units stay takes up to 40 kB a stage; what follows takes a row per stage and touchpoint."""
    KEYS: ClassVar[Mapping[str, Any]] = {" rank": pl.Int64, " next": pl.Int64}
    COUNTS: ClassVar[Mapping[str, Any]] = {
        **dict.fromkeys(("customers", "units", *SUMS, " count"), pl.Int64),
        " elapsed": DISTRIBUTION,
    }
    QUANTILES: ClassVar[Mapping[str, Sequence[float]]] = {" elapsed": (0.5,)}

    order: tuple[str, ...] = ()
    errors: pl.Expr = ERRORS
    load_seconds: str | None = None
    slow: float = 3.0

    @classmethod
    def of(
        cls,
        paths: Paths,
        *,
        stages: Sequence[str] | None = None,
        errors: pl.Expr | None = None,
        load_seconds: str | None = None,
        slow: float = 3.0,
        **options: Any,
    ) -> Effort:
        """The measure of the arguments of `effort`."""
        errors = ERRORS if errors is None else errors
        paths.require(STAGE, *errors.meta.root_names(), *([load_seconds] if load_seconds else []))
        order = tuple(_ordered(paths, stages))
        return super().of(paths, order=order, errors=errors, load_seconds=load_seconds, slow=slow, **options)

    @property
    def columns(self) -> tuple[str, ...]:
        """The stored columns that are read."""
        return tuple(dict.fromkeys([*super().columns, *self._own_columns]))

    @property
    def _own_columns(self) -> list[str]:
        """The columns of touches that effort is computed from."""
        asked = [
            STAGE,
            CHANNEL,
            SESSION,
            *self.errors.meta.root_names(),
            *([self.load_seconds] if self.load_seconds else []),
        ]
        return [name for name in dict.fromkeys(asked) if name in self.view.schema]

    def counts(self, sequences: UnitSequences) -> pl.DataFrame:
        """The stages of one part, and what follows their touches."""
        touches = self._touches(sequences)
        units = touches.group_by(" unit", " rank", maintain_order=True).agg(
            pl.len().cast(pl.Int64).alias("touches"),
            pl.col(SESSION).drop_nulls().n_unique().cast(pl.Int64).alias("sessions"),
            *(pl.col(name).cast(pl.Int64).sum() for name in FRICTION),
            (pl.col(" time").max() - pl.col(" time").min()).alias(" elapsed"),
        )
        of = units[" unit"].to_numpy()
        person = pl.Series(" person", sequences.customer[of])
        sums = counted_by_customer(
            sequences.with_keys(units.with_columns(pl.lit(1).alias("units"), person), of),
            [*self.view.keys, " rank"],
            ("units", *SUMS),
            spread=(" elapsed",),
            exact=self.exact,
        )
        following = [
            pl.concat([keys[rows[" group"]], rows.drop(" group")], how="horizontal")
            for keys, group in sequences.groupings()
            for rows in [
                touches.with_columns(pl.Series(" group", group[touches[" unit"]]))
                .group_by(" group", " rank", " next")
                .agg(pl.len().cast(pl.Int64).alias(" count"))
            ]
        ]
        table = pl.concat([pl.DataFrame(schema=self.schema), sums, *following], how="diagonal")
        counts = [name for name in self.COUNTS if name != " elapsed"]
        return table.with_columns(pl.col(counts).fill_null(0), pl.col(" elapsed").fill_null([]))

    def cell_rows(self, sequences: UnitSequences) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Every touch by stage and measure, and whether it has that friction; the whole of a stage is its touches."""
        touches = self._touches(sequences)
        stage = pl.Series("stage", self.order, pl.String).gather(touches[" rank"])
        wholes = pl.DataFrame([stage, touches[" unit"].alias("unit")])
        cells = [
            wholes.select("stage", pl.lit(name).alias("measure"), "unit", touches[name].alias("counts"))
            for name in FRICTION
        ]
        return pl.concat(cells), wholes

    def finish(self, merged: pl.DataFrame) -> pl.DataFrame:
        """The columns of `effort`."""
        keys = [*self.view.keys, " rank"]
        following = merged.filter(pl.col(" next").is_not_null()).sort(*keys, " next")  # so that sums have one order
        entropy = following.group_by(keys, maintain_order=True).agg(
            pl.col(" count").entropy(base=2).abs().alias("next_entropy")
        )
        sums = merged.filter(pl.col(" next").is_null())
        table = sums.with_columns(
            pl.Series("stage", self.order, pl.String).gather(sums[" rank"]),
            *durations(sums[" elapsed"], {"median_elapsed": 0.5}),
            *((pl.col(name) / pl.col("units")).alias(f"{name}_per_unit") for name in ("touches", "sessions")),
        ).join(entropy, on=keys, nulls_equal=True)
        return sorted_answer(table, self.view, " rank").select(*self.view.groups, *self.SCHEMA)

    def _touches(self, sequences: UnitSequences) -> pl.DataFrame:
        """The touches with a stage: `" unit"`, `" rank"`, `" next"`, `" time"`, `session`, and friction as Booleans."""
        unit, last = sequences.sequence_numbers(), sequences.bounds[1:] - 1
        following = np.append(sequences.codes[1:].astype(np.int64), 0)
        following[last] = -1 - sequences.ends.astype(np.int64)
        seen = sequences.read(self._own_columns)
        slow = pl.col(self.load_seconds).cast(pl.Float64) > self.slow if self.load_seconds else pl.lit(False)
        rank = pl.col(STAGE).replace_strict(self.order, range(len(self.order)), default=None, return_dtype=pl.Int64)
        touches = seen.select(
            rank.alias(" rank"),
            (pl.col(CHANNEL) if CHANNEL in seen.columns else pl.lit(None, pl.String)).alias(CHANNEL),
            (pl.col(SESSION) if SESSION in seen.columns else pl.lit(None, pl.Int64)).alias(SESSION),
            self.errors.fill_null(False).alias("errors"),
            slow.fill_null(False).alias("slow"),
        ).with_columns(
            pl.Series(" unit", unit),
            pl.Series(" node", sequences.codes),
            pl.Series(" time", sequences.microseconds(np.arange(len(unit)))),
            pl.Series(" next", following),
        )
        return _marked(touches)


@measured_by(Effort)
def effort(
    paths: Paths,
    *,
    unit: Unit = "journey",
    by: By = (),
    where: pl.Expr | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
    stages: Sequence[str] | None = None,
    errors: pl.Expr | None = None,
    load_seconds: str | None = None,
    slow: float = 3.0,
    among: Selection | None = None,
    exact: bool = False,
) -> pl.DataFrame:
    """Measures effort and friction, one row per stage.

    Columns: those of `by` (the value at the unit's first touch); `is_total` Boolean (rows over all groups come first,
    with null in `by`); `stage` String; `units`, `customers` (with a touch in it), `touches`, `sessions` Int64 (0
    without a column `session`); `touches_per_unit`, `sessions_per_unit` Float64; `median_elapsed` Duration(us) (from a
    unit's first touch in the stage to its last), of more than 1,000 units right to 1 in 1,000, or with `exact` exact,
    for twice the time; `repeats`, `backtracks`, `handoffs`, `errors`, `slow` Int64 (touches); `next_entropy` Float64
    (bits).

    `stages` is the order of the stages (default: Awareness, Interest, Desire, Action). `errors` is a condition on
    touches (default: the touchpoint's name contains `error`). A touch is slow when column `load_seconds` exceeds
    `slow` seconds. Stages without touches are left out; no touches give no rows. Raises `DefinitionError` for an
    unknown unit or column, for paths without stages, or with a stage that is missing in `stages`.

    >>> from analytics import Paths
    >>> shop = Paths.from_text({"ann": "ad@0m[stage=Awareness] look@1m[stage=Interest] look@2m[stage=Interest]"})
    >>> effort(shop)["stage", "touches", "repeats"].rows()
    [('Awareness', 1, 0), ('Interest', 2, 1)]
    """
    analysis = Effort.of(
        paths,
        unit=unit,
        by=by,
        where=where,
        start=start,
        end=end,
        among=among,
        stages=stages,
        errors=errors,
        load_seconds=load_seconds,
        slow=slow,
    )
    return run(paths, analysis, exact=exact)


def _ordered(paths: Paths, stages: Sequence[str] | None) -> list[str]:
    """The stages in order; raises `DefinitionError` if the paths have a stage that is not among them."""
    order = [rule.name for rule in AIDA] if stages is None else list(stages)
    if unknown := [stage for stage in words_of(paths, STAGE).to_list() if stage not in order]:
        raise DefinitionError(
            f"Stage {unknown[0]!r} has no place in the order of stages.",
            expected=f"one of {', '.join(order)}",
            do=nearest(unknown[0], order) or "name all stages in `stages`, the earliest first",
        )
    return order


def _marked(touches: pl.DataFrame) -> pl.DataFrame:
    """Touches with a stage, with Boolean `repeats`, `handoffs` and `backtracks` (at the touch that the unit leaves)."""
    before = pl.col(" unit") == pl.col(" unit").shift(1)
    changed = (pl.col(CHANNEL) != pl.col(CHANNEL).shift(1)).fill_null(False)
    touches = touches.with_columns(
        ((pl.col(" node") == pl.col(" node").shift(1)) & before).fill_null(False).alias("repeats"),
        (changed & before).fill_null(False).alias("handoffs"),
    ).filter(pl.col(" rank").is_not_null())
    after = pl.col(" unit") == pl.col(" unit").shift(-1)
    back = (pl.col(" rank").shift(-1) < pl.col(" rank")) & after
    return touches.with_columns(back.fill_null(False).alias("backtracks"))
