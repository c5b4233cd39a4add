"""Makes touches: events with their customers become touches, all touches of a customer at a time.

`prepare_events` keeps what a touch needs of each event, in narrow columns. `touches_of` takes all events of some
customers, sorts them, and cuts sessions and journeys. Touches of one customer at one instant are ordered by the
source's own sequence number, if there is one, then by event id, then by content: never by order of arrival.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

import polars as pl

from analytics.identity.columns import CODE, COMBINATION
from analytics.store.columns import (
    AFTER_GOAL,
    AT,
    CURRENCY,
    CUSTOMER,
    DIRECT,
    JOURNEY,
    LINKED,
    OUTCOME,
    SESSION,
    STAGE,
    TOUCHPOINT,
)
from analytics.store.ordering import by_code_and_time
from analytics.touches.attributes import with_attributes
from analytics.touches.journeys import split_journeys
from analytics.touches.naming import column_of, touchpoint_of, with_stages
from analytics.touches.rules import PathRules, short
from analytics.touches.sessions import new_customer, new_session, number_runs
from expectations import contract

_LEADING_COLUMNS: Final = (
    AT,
    TOUCHPOINT,
    STAGE,
    contract.CHANNEL,
    SESSION,
    JOURNEY,
    OUTCOME,
    AFTER_GOAL,
    DIRECT,
    LINKED,
)
_MEANT_BY: Final = {"score": "survey", "revenue": CURRENCY}
_SEQUENCE: Final = "_sequence"
EVENT_HASH: Final = "_event"
PREVIOUS_ORDER: Final = "_place"
HIDDEN_COLUMNS: Final = (COMBINATION, EVENT_HASH, _SEQUENCE)
"""Columns of a touch that only a refresh reads: its identities, the hash of its event's id, its sequence number."""
CATEGORICAL: Final = pl.Categorical()


def prepare_events(events: pl.LazyFrame, rules: PathRules) -> pl.LazyFrame:
    """Selects the columns that touches need from events with their customers; dropped events have a null touchpoint."""
    context = [column_of(name).cast(pl.String).cast(CATEGORICAL).alias(short(name)) for name in rules.context]
    values = [column_of(name).cast(pl.Float64, strict=False).alias(short(name)) for name in rules.values]
    sequence = [column_of(rules.sequence).cast(pl.Float64, strict=False).alias(_SEQUENCE)] if rules.sequence else []
    own = [pl.col(name).cast(CATEGORICAL) for name in (contract.CHANNEL, contract.EVENT_NAME, contract.KIND)]
    context_names = {short(name) for name in rules.context}
    beside = [pl.col(name).cast(CATEGORICAL) for name in _beside(rules) if name not in context_names]
    return events.select(
        CODE,
        pl.col(contract.OCCURRED_AT).alias(AT),
        touchpoint_of(rules.touchpoints).cast(CATEGORICAL).alias(TOUCHPOINT),
        LINKED,
        contract.EVENT_ID,
        COMBINATION,
        pl.col(contract.EVENT_ID).hash().alias(EVENT_HASH),
        *(column for column in own if column.meta.output_name() not in context_names),
        *context,
        *values,
        *beside,
        *sequence,
    )


def touches_of(
    events: pl.DataFrame, rules: PathRules, states: pl.DataFrame | None, end: datetime | None, *, staged: bool
) -> pl.DataFrame:
    """The touches of whole customers, from all their prepared events, with `_customer` instead of the key.

    Columns of `HIDDEN_COLUMNS` come last. `states` holds the attributes over time, `end` is the end of the data,
    `staged` whether any touch of the store has a stage.
    """
    touches = events.drop(contract.EVENT_ID)[_sort_order(events)]
    new = touches.select(new_customer(CODE)).to_series()
    begins = new_session(AT, rules.session_gap, rules.split_on_channel, rules.split_at_midnight)
    first = new | touches.select(begins).to_series()
    touches = touches.with_columns(number_runs(first, new).alias(SESSION))
    touches = split_journeys(with_stages(touches, rules.stages), new, rules, end, staged=staged)
    if states is not None:
        touches = with_attributes(touches, states)
    missing = [name for name in rules.attributes if name not in touches.columns]
    hidden = [name for name in HIDDEN_COLUMNS if name in touches.columns]
    touches = touches.with_columns(pl.lit(None, CATEGORICAL).alias(name) for name in missing)
    return touches.select(CODE, *columns(rules), *hidden)


def columns(rules: PathRules) -> list[str]:
    """The columns of a touch except the customer, in order."""
    kept = [*map(short, rules.context), *rules.attributes, *map(short, rules.values)]
    return list(dict.fromkeys([*_LEADING_COLUMNS, contract.EVENT_NAME, contract.KIND, *kept, *_beside(rules)]))


def _beside(rules: PathRules) -> list[str]:
    """Columns of text that say what a value means: the survey of a score, the currency of a revenue."""
    return [text for value, text in _MEANT_BY.items() if value in rules.values]


def touch_schema(rules: PathRules) -> pl.Schema:
    """The columns that touches have under these rules, with their types: text is String, values are Float64.

    >>> touch_schema(PathRules(values=["properties.price"]))["price"]
    Float64
    """
    values = [short(name) for name in rules.values]
    configured = {name: pl.Float64() if name in values else pl.String() for name in columns(rules)}
    return pl.Schema({**configured, **contract.TOUCHES})


def event_columns(rules: PathRules) -> list[str]:
    """The columns of a touch that come from its event, whichever customer it has; without hidden columns."""
    computed = {STAGE, SESSION, JOURNEY, OUTCOME, AFTER_GOAL, DIRECT, LINKED, *rules.attributes}
    return [name for name in columns(rules) if name not in computed]


def with_text(touches: pl.DataFrame, keys: pl.Series) -> pl.DataFrame:
    """Touches with their customer's key first, text as String, and no hidden columns."""
    touches = touches.drop(HIDDEN_COLUMNS, strict=False)
    text = [name for name, dtype in touches.schema.items() if isinstance(dtype, pl.Categorical | pl.Enum)]
    return touches.select(
        keys.gather(touches[CODE]).alias(CUSTOMER), pl.exclude(CODE, *text), pl.col(text).cast(pl.String)
    ).select(CUSTOMER, *(name for name in touches.columns if name != CODE))


def _sort_order(events: pl.DataFrame) -> pl.Series:
    """The order of touches: customer, time, sequence, event id, then content, so that the order is unique.

    Touches whose order is known from the store have it in `_place`.
    """
    order = by_code_and_time(events[CODE], events[AT])
    keys = events.select(CODE, AT)[order]
    same = (keys[CODE] == keys[CODE].shift(1)) & (keys[AT] == keys[AT].shift(1))
    tied = (same | same.shift(-1)).fill_null(False).arg_true()
    if tied.is_empty():
        return order
    rows = order.gather(tied)
    sequence = [name for name in (_SEQUENCE, PREVIOUS_ORDER) if name in events.columns]
    content = sorted(
        name for name in events.columns if name not in (CODE, AT, contract.EVENT_ID, PREVIOUS_ORDER, *HIDDEN_COLUMNS)
    )
    tied_events = events[rows].with_columns(pl.col(pl.Categorical, pl.Enum).cast(pl.String))
    tied_order = tied_events.select(pl.arg_sort_by(CODE, AT, *sequence, contract.EVENT_ID, *content)).to_series()
    return order.scatter(tied, rows.gather(tied_order))
