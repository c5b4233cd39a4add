"""The rows of a card of a report: which of them, which of its columns, and how they are written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from expectations.errors import DefinitionError, nearest
from journeys.reported.agents.budget import LONGEST_NAME, LONGEST_TEXT, harmless_value

if TYPE_CHECKING:
    import polars as pl

ROW: Final = "row"
SHOWN_STATE: Final = "shown"
"""The state of a row of which nothing is withheld."""
INTERVAL: Final = " ±"
"""Stands behind a column of which every cell is its value, and the lower and upper end of its interval."""
MOST_VALUES: Final = 12
"""Values of a column that an error lists."""
SENTENCES: Final = frozenset(
    {"sentence", "route", "quote", "second_quote", "says", "belief", "rose_with", "with", "steps", "family"}
)
BARE: Final = {
    **dict.fromkeys(("segments", "trend", "by-day", "incident"), "share"),
    **{"act-first": "at_stake", "since": "difference", "alerts": "goals"},
}
"""The column whose interval a card calls `low` and `high` alone."""
SHOWN: Final[Mapping[str, tuple[str, ...]]] = {
    "funnel": ("name", "entered", "reached", "open", "share_of_entered", "share_of_previous", "median_wait_seconds"),
    "goals": ("goal", "mature", "open", "reached", "goal_rate", "value"),
    "segments": ("dimension", "segment", "name", "previous", "reached", "share", "difference", "verdict"),
    "act-first": ("kind", "dimension", "segment", "before", "name", "journeys", "share", "usual", "at_stake", "first"),
    "alerts": ("status", "first", "last", "sentence"),
    "trend": ("name", "week", "previous", "share", "unusual"),
    "standing": ("stage", "journeys", "fresh", "waiting", "late", "median_wait_seconds", "late_after_seconds"),
    "families": ("family", "share_of_goals", "goal_rate", "median_time_seconds", "median_touches"),
    "credit": ("channel", "last", "linear", "markov", "effect"),
    "pains": ("stage", "kind", "touchpoint", "with_it", "goal_rate", "goal_rate_alike", "at_stake"),
    "time-to-goal": ("name", "journeys", "share", "is_median"),
    "changes": ("name", "earlier_entered", "later_entered", "entered_difference", "previous_difference"),
    "checks": ("suite", "belief", "day", "severity", "met", "of"),
}
"""The columns that answer most questions about a card; of other cards all."""


def card_table(
    card: str,
    frame: pl.DataFrame,
    *,
    where: Mapping[str, Any] | None = None,
    columns: Sequence[str] = (),
) -> dict[str, Any]:
    """The `columns` and `rows` of a card: `row` is the number of the row in it, as in its receipt.

    A frame that has its numbers already (`numbered_rows`) keeps them. `where` names values of columns. Columns without
    any value are left out, unless `columns` names them. Where no row has
    a value, `there_are` has others of the column. Raises `DefinitionError` for a column that is not there, and for a
    value that reads much like one that is.
    """
    known = [name for name in frame.columns if name != ROW]
    for name in (*(where or ()), *columns):
        if name not in known:
            raise DefinitionError(
                f"The card {card} has no column {harmless_value(name)!r}.",
                expected=f"one of {', '.join(known)}",
                do=nearest(name, known),
            )
    chosen = frame if ROW in frame.columns else numbered_rows(frame)
    for name, value in (where or {}).items():
        having = _having(card, chosen, name, value)
        if having.is_empty():
            return {"rows": [], "there_are": {name: _values(chosen, name)[:MOST_VALUES]}}
        chosen = having
    shown, ends = list(columns), dict[str, tuple[str, str]]()
    if not columns:
        wanted = [name for name in SHOWN.get(card, known) if name in known]
        has = [name for name in wanted if chosen[name].null_count() < chosen.height]
        if "state" in known:
            has = [name for name in has if name != "state"]
            has += ["state"] if (chosen["state"] != SHOWN_STATE).any() else []
        shown, ends = _with_intervals(card, known, has)
    heads = [ROW, *(name + INTERVAL if name in ends else name for name in shown)]
    rows = [
        [
            row[ROW],
            *(
                [_cell(name, row[one]) for one in (name, *ends[name])]
                if name in ends and row[name] is not None
                else _cell(name, row[name])
                for name in shown
            ),
        ]
        for row in chosen.iter_rows(named=True)
    ]
    return {"columns": heads, "rows": rows}


def numbered_rows(frame: pl.DataFrame) -> pl.DataFrame:
    """The rows of a card with their numbers, from 1, in a column `row`."""
    import polars as pl

    return frame.with_columns(pl.int_range(1, pl.len() + 1, dtype=pl.Int64).alias(ROW))


def _with_intervals(
    card: str, known: Sequence[str], has: Sequence[str]
) -> tuple[list[str], dict[str, tuple[str, str]]]:
    """The columns without those that are ends of an interval, and the ends of each that has one."""
    ends = {}
    for name in has:
        stem = name.removesuffix("_difference")
        pairs = [(f"{one}_low", f"{one}_high") for one in dict.fromkeys((name, stem))]
        pairs += [("low", "high")] if BARE.get(card) == name else []
        found = next((pair for pair in pairs if set(pair) <= {*known}), None)
        if found is not None:
            ends[name] = found
    taken = {name for pair in ends.values() for name in pair}
    return [name for name in has if name not in taken], ends


def _having(card: str, frame: pl.DataFrame, name: str, value: Any) -> pl.DataFrame:
    """The rows with one of some values in a column; texts are compared as they are shown, without their case.

    Raises `DefinitionError` where no row has one, and another value reads much like it.
    """
    import polars as pl

    given = value if isinstance(value, list) else [value]
    wanted = {_key(one) for one in given}
    found = frame.filter(pl.Series([_key(one) in wanted for one in frame[name].to_list()], dtype=pl.Boolean))
    values = _values(frame, name)
    if found.is_empty() and (do := next((do for one in given if (do := nearest(str(one), values))), "")):
        raise DefinitionError(
            f"No row of the card {card} has this {name}.",
            expected=f"one of {', '.join(values[:MOST_VALUES])}",
            found=harmless_value(str(value)),
            do=do,
        )
    return found


def _values(frame: pl.DataFrame, name: str) -> list[str]:
    """The different values of a column, as they are shown."""
    return [str(_cell(name, one)) for one in frame[name].drop_nulls().unique(maintain_order=True)]


def _key(value: Any) -> str:
    return str(harmless_value(value)).casefold()


def _cell(name: str, value: Any) -> Any:
    return harmless_value(value, LONGEST_TEXT if name in SENTENCES else LONGEST_NAME)
