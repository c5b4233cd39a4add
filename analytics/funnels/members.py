"""Which customers are behind each number of a funnel, and when did they reach each step?"""

from __future__ import annotations

from functools import partial
from typing import Final, Literal

import polars as pl

from analytics.engine.conditions import one_of
from analytics.engine.run import on_parts
from analytics.funnels.definition import Funnel
from analytics.funnels.entrants import entrants
from analytics.funnels.scan import ChainScan, bound
from analytics.store.columns import CUSTOMER, TIME
from analytics.store.encoding import Dictionaries, as_text
from analytics.store.parts import Part
from analytics.store.paths import Paths
from expectations.errors import DefinitionError

State = Literal["reached", "dropped", "open"]
STATES: Final = ("reached", "dropped", "open")


def members(
    paths: Paths,
    definition: Funnel,
    *,
    step: int | None = None,
    state: State = "reached",
    with_objectors: bool = False,
) -> pl.DataFrame:
    """The entrants of a funnel, or those in one `state` at one `step`; their number is the count in `funnel`.

    Customers who object to profiling are left out; to count everyone, and for nothing else, ask `with_objectors`.

    Columns: those of `by`; `customer`; `depth` UInt32 (steps reached); `is_open` Boolean (the window is not over);
    `first_at` Datetime(us, UTC) of the first entry in the range, which starts the window; `entered_at` Datetime(us,
    UTC) of the entry of the reported chain; `reached_at` List(Datetime(us, UTC)), one time per step of that chain, null
    for a step that was not reached. Sorted by `entered_at`. No entrants give no rows. Raises `DefinitionError` for a
    step that the funnel does not have.

    >>> from analytics import Paths
    >>> shop = Paths.from_text({"ann": "visit@0m pay@2d", "bo": "visit@1m"}, end="60d")
    >>> members(shop, Funnel(["visit", "pay"]), step=2, state="dropped")["customer"].to_list()
    ['bo']
    """
    one_of("state", state, STATES)
    if step is not None:
        check_step(definition, step)
    paths, scan = bound(paths, definition)
    everyone = pl.concat(on_parts(paths, partial(_entrants, scan)))
    if step is not None:
        everyone = everyone.filter(_in_state(definition, step, state))
    shown = everyone if with_objectors else paths.without_objectors(everyone)
    return shown.sort("entered_at", CUSTOMER)


def check_step(definition: Funnel, step: int) -> None:
    """Raises `DefinitionError` for a step that the funnel does not have."""
    if not 1 <= step <= len(definition.steps):
        raise DefinitionError(f"The funnel has no step {step}.", expected=f"1 to {len(definition.steps)}")


def _in_state(definition: Funnel, step: int, state: State) -> pl.Expr:
    there = pl.col("reached_at").list.get(step - 1).is_not_null()
    if state == "open":
        return there & pl.col("is_open")
    if state == "reached":
        return there if definition.maturity == "survival" else there & ~pl.col("is_open")
    before = pl.col("reached_at").list.get(definition.previous(step) - 1).is_not_null()
    return before & ~there & ~pl.col("is_open")


def _entrants(scan: ChainScan, part: Part, words: Dictionaries) -> pl.DataFrame:
    found = entrants(scan, part, words)
    keys = part.keys().gather(found["place"].cast(pl.UInt32)).alias(CUSTOMER)
    times = [f"at_{k}" for k in range(1, len(scan.definition.steps) + 1)]
    by = list(scan.definition.by)
    groups = [name for name in by if name != CUSTOMER]
    return (
        as_text(found, by)
        .with_columns(keys)
        .select(
            *groups,
            CUSTOMER,
            "depth",
            (~pl.col("mature")).alias("is_open"),
            pl.col("first").cast(TIME).alias("first_at"),
            pl.col("at_1").cast(TIME).alias("entered_at"),
            pl.concat_list(pl.col(times).cast(TIME)).alias("reached_at"),
        )
    )
