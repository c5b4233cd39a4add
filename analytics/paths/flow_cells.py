"""How many customers are behind every node and every link of a flow?

Customers do not add up over routes, as one may take several: they are counted cell by cell. A **cell** is a node (a
value at a position), a link to the next position, or the units of a link that have some value at another position.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from analytics.engine.analysis import answer, measured_by
from analytics.engine.conditions import Words
from analytics.engine.partials import densely, numbered, sums_by_customer
from analytics.engine.run import run
from analytics.engine.units import Unit
from analytics.paths.flow import LINK, NOWHERE, RouteMeasure
from analytics.paths.sequences import UnitSequences, sorted_answer
from analytics.paths.view import By, Indices, Selection
from analytics.statistics.shares import customer_columns, customers_of
from analytics.store.columns import TOUCHPOINT
from analytics.store.paths import Paths

CELL: Final = (*LINK, "through_position", "through")
BEHIND: Final = {f"customers_{name}": name for name in ("mature", "reached", "lost")}
"""The columns of distinct customers, and the counts that they stand behind."""


@dataclass(frozen=True, eq=False)
class FlowCells(RouteMeasure):
    """Counts units and customers by cell: a partial has one row per cell, with the codes of its values."""

    SCHEMA: ClassVar[pl.Schema] = answer(
        position=pl.UInt32,
        source=pl.String,
        target=pl.String,
        through_position=pl.UInt32,
        through=pl.String,
        **dict.fromkeys(("units", "customers", "mature", "reached", *BEHIND), pl.Int64),
    )
    BOUND: ClassVar[int] = 1 << 22
    KEYS: ClassVar[Mapping[str, Any]] = dict.fromkeys(CELL, pl.Int64)
    COUNTS: ClassVar[Mapping[str, Any]] = dict.fromkeys(
        ("units", "customers", "mature", "reached", *map(customers_of, BEHIND.values())), pl.Int64
    )

    def counts(self, sequences: UnitSequences) -> pl.DataFrame:
        """The cells of one part."""
        routes = self.routes(sequences)
        places = [pl.Series(str(at), codes) for at, codes in enumerate([*routes.codes.T, routes.left])]
        distinct, number = numbered(pl.DataFrame(places))
        table = _cells_of(distinct.to_numpy())
        cells, cell = numbered(table.select(CELL))
        entries = pl.DataFrame({"unit": routes.unit, "route": number}).join(
            table.select("route", pl.Series("cell", cell)), on="route", maintain_order="left"
        )
        unit, inside = entries["unit"].to_numpy(), entries["cell"].to_numpy()
        values = {
            "units": np.ones(len(sequences), np.int64),
            "mature": sequences.mature,
            "reached": sequences.reached,
            "lost": sequences.mature & ~sequences.reached,
        }
        tables = []
        for keys, group in sequences.groupings():
            taken, own = densely(group[unit] * len(cells) + inside, len(keys) * len(cells))
            people_of = list(BEHIND.values())
            sums = sums_by_customer(own, sequences.customer, values, len(taken), units=unit, people_of=people_of)
            of_group, place = np.divmod(taken, len(cells))
            tables.append(pl.concat([keys[of_group], cells[place], sums], how="horizontal"))
        return pl.concat(tables).select(*self.schema)

    def finish(self, merged: pl.DataFrame) -> pl.DataFrame:
        """The columns of `flow_cells`."""
        known = {name: pl.when(pl.col(name) != NOWHERE).then(name) for name in CELL}
        codes = merged.select(**known)
        names = [pl.Series(end, self.names.gather(codes[end]), pl.String) for end in ("source", "target", "through")]
        places = [(codes[name] + 1).cast(pl.UInt32) for name in ("position", "through_position")]
        table = merged.with_columns(*names, *places, *customer_columns(BEHIND))
        order = ("position", "-units", "source", "target", "through_position", "through")
        return sorted_answer(table, self.view, *order).select(*self.view.groups, *self.SCHEMA)


def _cells_of(routes: Indices) -> pl.DataFrame:
    """The cells that every route (a row of codes, the last of how it is left) lies in: `route` and `CELL`, from 0."""
    codes, left = routes[:, :-1], routes[:, -1]
    there, depth = codes != NOWHERE, codes.shape[1]
    goes_on = np.append(there[:, 1:], np.zeros((len(codes), 1), np.bool_), axis=1)
    nothing = np.full(len(codes), NOWHERE)
    tables = []

    def add(position: int, marked: NDArray[np.bool_], target: Indices, at: int = NOWHERE) -> None:
        route = np.flatnonzero(marked)
        through = nothing if at == NOWHERE else codes[:, at]
        columns = (np.full(len(codes), position), codes[:, position], target, np.full(len(codes), at), through)
        own = {name: column[route].astype(np.int64) for name, column in zip(CELL, columns, strict=True)}
        tables.append(pl.DataFrame({"route": route, **own}))

    for p in range(depth):
        add(p, there[:, p], nothing)
        add(p, there[:, p] & ~goes_on[:, p] & (left != NOWHERE), left)
        if p + 1 < depth:
            add(p, goes_on[:, p], codes[:, p + 1])
            for at in range(depth):
                add(p, goes_on[:, p] & there[:, at], codes[:, p + 1], at)
    return pl.concat(tables)


@measured_by(FlowCells)
def flow_cells(
    paths: Paths,
    *,
    unit: Unit = "journey",
    by: By = (),
    where: pl.Expr | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
    source: Words | None = None,
    target: Words | None = None,
    depth: int = 6,
    top: int = 8,
    gap: str | timedelta | None = None,
    occurrence: Literal["first", "last"] = "last",
    on: str = TOUCHPOINT,
    collapse: bool = False,
    among: Selection | None = None,
    window: str | timedelta | None = None,
) -> pl.DataFrame:
    """How many units and customers are in every cell of a flow: its nodes, its links, and the nodes before and after.

    Columns: those of `by`; `is_total` Boolean (rows over all groups come first, with null in `by`); `position` UInt32
    (from 1), `source` String: the node; `target` String: the link to that value at the next position, or to how units
    leave (null: the node itself); `through_position` UInt32, `through` String: those units of the link between two
    values that have this value at that position (null: all of them). Int64: `units`, `customers` (distinct), `mature`,
    `reached` (as in `flow`), `customers_mature`, `customers_reached`, `customers_lost` (with a mature unit, with one
    that reaches the goal within the window, with one that does not). Largest first within a position. No touches give
    no rows. Takes the arguments of `flow_routes`, and raises its errors.

    >>> from analytics import Paths
    >>> shop = Paths.from_text({"ann": "visit@0m pay@5m", "bo": "visit@0m"})
    >>> cells = flow_cells(shop, depth=2).filter(pl.col("through").is_null())
    >>> cells["position", "source", "target", "customers"].rows()
    [(1, 'visit', None, 2), (1, 'visit', 'END_open', 1), (1, 'visit', 'pay', 1), (2, 'pay', None, 1)]
    """
    return run(
        paths,
        FlowCells.of(
            paths,
            unit=unit,
            by=by,
            where=where,
            start=start,
            end=end,
            source=source,
            target=target,
            depth=depth,
            top=top,
            gap=gap,
            occurrence=occurrence,
            on=on,
            collapse=collapse,
            among=among,
            window=window,
        ),
    )
