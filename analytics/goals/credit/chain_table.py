"""The Markov chain behind an attribution, to be looked at."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import polars as pl

from analytics.engine.conditions import Step
from analytics.engine.goals import GoalWords
from analytics.engine.run import counted
from analytics.goals.credit.attribution import CreditCounts
from analytics.goals.credit.credit_sums import MOVE
from analytics.goals.credit.definition import Attribution
from analytics.goals.credit.markov import CONVERTED, LOST
from analytics.store.paths import Paths

START: Final = "START"
ENDS: Final = {CONVERTED: "CONVERSION", LOST: "NULL"}
ARROW: Final = " > "


def credit_chain(
    paths: Paths,
    definition: Attribution | GoalWords | Step,
    *,
    start: datetime | None = None,
    end: datetime | None = None,
) -> pl.DataFrame:
    """The moves from value to value that the model `markov` of `attribution` reads.

    Columns: `source` String (the state left: `START`, or the last values, up to the order of the chain, joined by
    ` > `), `target` String (the next value, `CONVERSION` or `NULL`), `moves` Int64, `chance` Float64 (of all moves from
    the source). By source, the most frequent first. No path gives no rows. Raises as `attribution` does.

    >>> shop = Paths.from_text({"ann": "see@0d[channel=ad] pay@2d", "bo": "see@0d[channel=ad]"}, end="90d")
    >>> credit_chain(shop, "pay").rows()
    [('START', 'ad', 2, 1.0), ('ad', 'CONVERSION', 1, 0.5), ('ad', 'NULL', 1, 0.5)]
    """
    asked = CreditCounts.of(paths, definition, start=start, end=end)
    merged = counted(paths, asked.alone("markov")).filter(kind=MOVE)
    rows = merged.group_by("source", "target").agg(pl.col("count").sum().alias("moves")).sort("source", "target")
    base, names = len(asked.names) + 1, asked.names

    def state(code: int) -> str:
        values = []
        while code:
            code, digit = divmod(code, base)
            values.append(names[digit - 1])
        return ARROW.join(reversed(values)) or START

    def target(code: int) -> str:
        return ENDS[code] if code < 0 else names[code - 1]

    named = rows.with_columns(
        pl.col("source").map_elements(state, pl.String), pl.col("target").map_elements(target, pl.String)
    )
    chance = (pl.col("moves") / pl.col("moves").sum().over("source")).alias("chance")
    order = ["source", "moves", "target"]
    return named.with_columns(chance).sort(order, descending=[False, True, False])
