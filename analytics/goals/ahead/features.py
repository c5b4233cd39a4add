"""What is known of the customers at risk at a cutoff: features of their touches up to then.

A customer is **at risk** when a journey is under way, and a touch lies in the lookback. Features are numbers and words
of the touches in the lookback, of the attributes then, and of nothing later: no outcome, no value of the goal, no
customer key. Days are counted back from the cutoff.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import numpy as np
import polars as pl

from analytics.engine.goals import Goal
from analytics.goals.ahead.definition import Prediction
from analytics.identity.columns import CODE
from analytics.statistics.replicates import replicate_of_customers
from analytics.stitching.known import KnownCustomers
from analytics.store.columns import AT, CURRENCY, CUSTOMER, JOURNEY, LINKED, OUTCOME, SESSION, STAGE, TOUCHPOINT
from analytics.touches.assembly import EVENT_HASH
from analytics.touches.naming import with_stages
from analytics.touches.rules import PathRules
from expectations import contract

REPLICATE: Final = "replicate"
MET: Final = pl.Schema({CODE: pl.UInt32(), TOUCHPOINT: pl.String(), "touches": pl.UInt32(), "week": pl.UInt32()})
OWNERS: Final = pl.Schema({EVENT_HASH: pl.UInt64(), CODE: pl.UInt32()})
REACHED: Final = pl.Schema({CODE: pl.UInt32(), AT: contract.TIME})
WORD: Final = "last "
"""Begins the names of features that are words."""
RECENCY, SESSIONS, GOALS, LATE_WEEK = "days since last", "sessions", "goals", "late stage in a week"
PLAIN: Final = (RECENCY, SESSIONS, GOALS, LATE_WEEK)
"""The features of the logistic baseline."""
_NO_WORDS: Final = (
    *(TOUCHPOINT, STAGE, OUTCOME, LINKED, contract.EVENT_NAME, contract.KIND, "survey", CURRENCY),
    "after_goal",
    "direct",
)
_WEEK: Final = 7.0
_AGE: Final = " age"
_GOAL: Final = " goal"


@dataclass(frozen=True)
class Known:
    """What is known at a cutoff.

    `rows` has one row per customer at risk: `_customer` (a number), `customer` (the key), `replicate`, and features.
    `met` says how often they met each touchpoint, in the lookback and in its last week. `owners` says whose each event
    is, `reached` when each customer reached the goal: of all customers, by their number.
    """

    rows: pl.DataFrame
    met: pl.DataFrame
    owners: pl.DataFrame
    reached: pl.DataFrame


def known_of(customers: KnownCustomers, cutoff: datetime, definition: Prediction, rules: PathRules) -> Known:
    """What is known of some customers at a cutoff."""
    touches = customers.touches.filter(pl.col(AT) < cutoff).with_columns(
        is_goal(definition.named).alias(_GOAL),
        ((pl.lit(cutoff) - pl.col(AT)).dt.total_microseconds() / 86_400e6).alias(_AGE),
    )
    risky = touches.group_by(CODE).agg(
        (pl.col(OUTCOME).cast(pl.String) == "open").fill_null(False).any().alias("open"),
        pl.col(_GOAL).any().alias("had"),
    )
    risky = risky.filter("open", ~pl.col("had")) if definition.first else risky.filter("open")
    own = touches.join(risky.select(CODE), on=CODE, how="semi", maintain_order="left")
    own = own.filter(pl.col(_AGE) <= definition.back.total_seconds() / 86_400)
    rows = own.group_by(CODE, maintain_order=True).agg(*_features(own.schema, definition, rules)).sort(CODE)
    keys = customers.keys.gather(rows[CODE]).cast(pl.String)
    spread = own.group_by(CODE, TOUCHPOINT).len()
    entropy = spread.group_by(CODE).agg((pl.col("len") / pl.col("len").sum()).entropy(2).alias("entropy"))
    rows = rows.join(entropy, on=CODE, how="left", maintain_order="left").with_columns(
        keys.alias(CUSTOMER), pl.Series(REPLICATE, replicate_of_customers(keys), pl.Int64)
    )
    named = pl.col(TOUCHPOINT).cast(pl.String)
    met = own.group_by(CODE, named).agg(
        pl.len().cast(pl.UInt32).alias("touches"), (pl.col(_AGE) <= _WEEK).sum().cast(pl.UInt32).alias("week")
    )
    return Known(
        _narrow(rows),
        met.select(MET.names()).sort(CODE, TOUCHPOINT),
        touches.select(EVENT_HASH, CODE).cast(dict(OWNERS)),  # type: ignore[arg-type]
        touches.filter(_GOAL).select(CODE, AT),
    )


def is_goal(goal: Goal) -> pl.Expr:
    """Whether a touch is the goal."""
    touchpoint, stage = pl.col(TOUCHPOINT).cast(pl.String), pl.col(STAGE).cast(pl.String)
    return (touchpoint.is_in(list(goal.touchpoints)) | stage.is_in(list(goal.stages))).fill_null(False)


def late_stage(goal: Goal, rules: PathRules) -> str | None:
    """The last stage before that of the goal; None where there is none."""
    named = with_stages(
        pl.DataFrame({TOUCHPOINT: list(goal.touchpoints)}, schema={TOUCHPOINT: pl.String}), rules.stages
    )
    own = {*named[STAGE].drop_nulls(), *goal.stages}
    names = list(dict.fromkeys(rule.name for rule in rules.stages))
    before = names[: min((names.index(name) for name in own if name in names), default=len(names))]
    return before[-1] if before else None


def _features(schema: pl.Schema, definition: Prediction, rules: PathRules) -> list[pl.Expr]:
    """The features of one customer, from their touches in order of time."""
    goal = definition.named
    age, week, day = pl.col(_AGE), pl.col(_AGE) <= _WEEK, pl.col(_AGE) <= 1
    under_way = (pl.col(OUTCOME).cast(pl.String) == "open").fill_null(False)
    stage, late = pl.col(STAGE).cast(pl.String), late_stage(goal, rules)
    stages = list(dict.fromkeys(rule.name for rule in rules.stages))
    is_late = stage == late if late is not None else pl.lit(True)
    session, last_session = pl.col(SESSION), pl.col(SESSION) == pl.col(SESSION).last()
    named = [
        age.min().alias(RECENCY),
        session.n_unique().alias(SESSIONS),
        pl.col(_GOAL).sum().alias(GOALS),
        (is_late & week).sum().alias(LATE_WEEK),
        age.max().alias("days since first"),
        pl.len().alias("touches"),
        week.sum().alias("touches in a week"),
        day.sum().alias("touches in a day"),
        session.filter(week).n_unique().alias("sessions in a week"),
        last_session.sum().alias("touches in the last session"),
        pl.col(contract.CHANNEL).n_unique().alias("channels"),
        pl.col(TOUCHPOINT).n_unique().alias("touchpoints"),
        age.filter(_GOAL).min().alias("days since goal"),
        age.filter(under_way).max().alias("days under way"),
        under_way.sum().alias("touches under way"),
        session.filter(under_way).n_unique().alias("sessions under way"),
        (pl.col(LINKED).cast(pl.String) == "login").any().alias("signed in"),
        *(age.filter(stage == name).min().alias(f"days since stage {name}") for name in stages),
        *((under_way & (stage == name)).sum().alias(f"touches in stage {name}") for name in stages),
        pl.col(TOUCHPOINT).cast(pl.String).last().alias(f"{WORD}{TOUCHPOINT}"),
        stage.drop_nulls().last().alias(f"{WORD}{STAGE}"),
    ]
    for name in _allowed(schema, definition):
        column = pl.col(name)
        if schema[name].is_numeric():
            named += [column.mean().alias(f"mean {name}"), column.drop_nulls().last().alias(f"latest {name}")]
        else:
            named.append(column.cast(pl.String).drop_nulls().last().alias(f"{WORD}{name}"))
    return named


def _allowed(schema: pl.Schema, definition: Prediction) -> Sequence[str]:
    """The columns of a touch that are features: words and numbers but those that tell of the outcome."""
    refused = {*_NO_WORDS, *definition.never, definition.named.value, CODE, EVENT_HASH, SESSION, JOURNEY, _AGE, _GOAL}
    text = (pl.Categorical, pl.Enum, pl.String)
    return [
        name
        for name, dtype in schema.items()
        if name not in refused and not name.startswith("_") and (dtype.is_float() or isinstance(dtype, text))
    ]


def _narrow(rows: pl.DataFrame) -> pl.DataFrame:
    """Numbers as Float32."""
    kept = {CODE: pl.UInt32, CUSTOMER: pl.String, REPLICATE: pl.Int64}
    types = {name: kept.get(name, pl.String if name.startswith(WORD) else pl.Float32) for name in rows.columns}
    return rows.cast(types)  # type: ignore[arg-type]


def joined(parts: Sequence[Known]) -> Known:
    """What is known of all customers, from what is known of some at a time."""
    tables = [(each.rows, each.met, each.owners, each.reached) for each in parts]
    rows, met, owners, reached = (pl.concat(same, how="vertical") for same in zip(*tables, strict=True))
    return Known(rows.sort(CUSTOMER), met, owners, reached)


def first_goals(then: Known, later: Known, cutoff: datetime) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """The days from a cutoff to the next goal of each customer at risk then, infinite where none is known `later`.

    The goal is that of any customer of later who owns an event of the customer of then: pieces that have joined since
    have the goal of the whole.
    """
    mine = then.owners.join(then.rows.select(CODE), on=CODE, how="semi")
    now = later.owners.select(EVENT_HASH, pl.col(CODE).alias("owner"))
    owners = mine.join(now, on=EVENT_HASH).select(CODE, "owner").unique()
    next_goals = later.reached.filter(pl.col(AT) >= cutoff).group_by(pl.col(CODE).alias("owner")).agg(pl.col(AT).min())
    days = ((pl.col(AT).min() - pl.lit(cutoff)).dt.total_microseconds() / 86_400e6).alias("days")
    waits = owners.join(next_goals, on="owner").group_by(CODE).agg(days)
    found = then.rows.select(CODE).join(waits, on=CODE, how="left", maintain_order="left")["days"]
    return found.fill_null(np.inf).to_numpy()


def owned_by(then: Known, later: Known, customers: pl.Series) -> pl.Series:
    """Which of the customers at risk then had an event that belongs to one of these customers later (their numbers)."""
    theirs = later.owners.filter(pl.col(CODE).is_in(customers.implode())).select(EVENT_HASH)
    codes = then.owners.join(theirs, on=EVENT_HASH, how="semi")[CODE].unique()
    return then.rows[CODE].is_in(codes.implode())
