"""Two groups of those who enter a funnel, or two periods, step by step."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from analytics import Funnel, Paths
from expectations.errors import DefinitionError
from explorer.answers.cards import ranges, table
from explorer.answers.elsewhere import compared_elsewhere
from explorer.answers.funnel import listed, unit_of, with_bars, without_groups
from explorer.answers.left_out import entrants, left_out, met_of, sum_row
from explorer.kind import Kind
from explorer.question import PREVIOUS, SEGMENT, Question
from explorer.source import Source
from explorer.vocabulary import Vocabulary
from reports.words.numbers import count, length, percent, period, points, points_interval, shown_name

LEVEL: Final = 0.05
DAYS: Final = timedelta(days=28)
"""How long the periods are, where none is chosen."""


def compare_answer(source: Source, vocabulary: Vocabulary, paths: Paths, question: Question) -> dict[str, Any]:
    """The answer as JSON. Raises `DefinitionError` as `journeys funnel --compare` does, and for one step."""
    question = without_groups(question)
    if len(question.steps) < 2:
        raise DefinitionError(
            "A comparison is of shares.", expected="two steps or more", found="one step", do="add the step that counts"
        )
    groups = question.compared or (PREVIOUS,)
    if groups == (PREVIOUS,):
        question = _with_period(source, vocabulary, question)
    paths, definition = source.bind(paths, question.steps, question.options)
    answer, bars = with_bars(source, vocabulary, paths, definition, question)
    written = compared_elsewhere(source, question, groups)
    if entrants(answer) == 0:
        return {"state": "nobody", "entered": bars, "elsewhere": written, "rows": []}
    rows = source.compared(paths, definition, groups).to_dicts()
    names, least = _names(source, question, groups), source.report.least
    last = rows[-1] if rows else dict.fromkeys(("of", "of_other", "count", "count_other"), 0)
    few = min(last["of"], last["of_other"]) < least
    out = left_out(question, definition, vocabulary.customers, answer, met_of(source, paths, question))
    return {
        "said": _sentence(definition, last, names, few=few, in_periods=groups == (PREVIOUS,)),
        "lines": _lines(definition, rows, few=few),
        "few": few,
        "cards": [_drawn(rows, names, few=few), _table(definition, rows, names, source.report.k)],
        "left_out": out if groups == (PREVIOUS,) else _in_groups(out, last["of"] + last["of_other"]),
        "entered": bars,
        "period": names[0] if groups == (PREVIOUS,) else "",
        "elsewhere": written,
        "rows": rows,
    }


def _with_period(source: Source, vocabulary: Vocabulary, question: Question) -> Question:
    """The question with the period that is chosen; without one, the last four weeks whose windows are over."""
    zone = source.report.zone
    days = {name: getattr(question, name) for name in ("start", "end")}
    known = {name: at.replace(tzinfo=at.tzinfo or zone) for name, at in days.items() if at is not None}
    if len(known) == 1:
        raise DefinitionError(
            "A period is compared with as long before.",
            expected="a first and a last week",
            do="choose weeks of entry, or all of them",
        )
    if not known and vocabulary.end is not None:
        over = (vocabulary.end - question.window).astimezone(zone).date()
        end = datetime(over.year, over.month, over.day, tzinfo=zone)
        first = over - DAYS
        known = {"start": datetime(first.year, first.month, first.day, tzinfo=zone), "end": end}
    return question.model_copy(update=known)


def _names(source: Source, question: Question, groups: tuple[str, ...]) -> tuple[str, str]:
    """What the two groups are called."""
    if groups == (PREVIOUS,):
        assert question.start is not None and question.end is not None, "a period has both"
        zone, one = source.report.zone, timedelta(seconds=1)
        start, end = question.start.astimezone(zone), question.end.astimezone(zone)
        return period(start, end - one), period(start - (end - start), start - one)
    named = [_name(source, group) for group in groups]
    return named[0], named[1] if len(named) > 1 else "everybody else"


def _name(source: Source, group: str) -> str:
    """The name of a group: a segment, or a value of a column."""
    if group.startswith(SEGMENT):
        return shown_name(group.removeprefix(SEGMENT))
    column, _, value = group.partition("=")
    return f"{source.report.name_of(column)} {shown_name(value)}"


def _sentence(definition: Funnel, last: dict[str, Any], names: tuple[str, str], *, few: bool, in_periods: bool) -> str:
    """The two shares, and whether they clearly differ; counts where too few entered for a rate."""
    way = f"from {shown_name(definition.steps[0].name)} to {shown_name(definition.steps[-1].name)}"
    if definition.order == "unordered":
        way = f"through {listed([shown_name(step.name) for step in definition.steps])}"
    one, other = (
        f"{last[f'count{side}']} of {last[f'of{side}']}" if few else percent(last[f"share{side}"])
        for side in ("", "_other")
    )
    if few:
        said = f"{names[0]}: {one} {unit_of(definition)} go {way}; {names[1]}: {other}"
    elif in_periods:
        said = f"{one} go {way} in {names[0]}, {other} in {names[1]}"
    else:
        said = f"{one} of {names[0]} go {way}, {other} of {names[1]}"
    if not few and not _is_clear(last):
        said += ": not clearly different"
    return f"{said[:1].upper()}{said[1:]}"


def _is_clear(row: dict[str, Any]) -> bool:
    return row["p_corrected"] is not None and row["p_corrected"] <= LEVEL


def _lines(definition: Funnel, rows: list[dict[str, Any]], *, few: bool) -> list[str]:
    """How sure the difference is, of whom it is, and at which step the groups differ most."""
    if few:
        return []
    last = rows[-1]
    lines = [
        f"Difference {points(last['difference'])}, 95 % interval "
        f"{points_interval(last['difference_low'], last['difference_high'])}, of {count(last['of'])} and "
        f"{count(last['of_other'])} {unit_of(definition)}, within {length(definition.window)}."
    ]
    clear = [shown_name(row["name"]) for row in rows if _is_clear(row)]
    if len(rows) > 1:
        lines.append(f"Clearly different at {listed(clear)}." if clear else "Not clearly different at any step.")
    return lines


def _drawn(rows: list[dict[str, Any]], names: tuple[str, str], *, few: bool) -> dict[str, Any]:
    """The shares of both groups at every step."""
    top = max([0.05, *(share for row in rows for share in (row["share"], row["share_other"]) if share is not None)])
    drawn = [
        {
            "name": shown_name(row["name"]),
            "at": None if few else row["share"],
            "low": None,
            "high": None,
            "other": row["share_other"],
            "clear": (1 if row["difference"] > 0 else -1) if _is_clear(row) and not few else None,
            "said": f"{shown_name(row['name'])}: {percent(row['share'])} of {names[0]}, "
            f"{percent(row['share_other'])} of {names[1]}",
            "texts": [
                percent(row["share"]),
                percent(row["share_other"]),
                points(row["difference"]),
                points_interval(row["difference_low"], row["difference_high"]),
            ]
            if not few
            else [f"{row['count']} of {row['of']}", f"{row['count_other']} of {row['of_other']}", "too few", ""],
        }
        for row in rows
    ]
    sub = (
        f"Share of those who enter that gets to each step. Filled: {names[0]}, ▲ ▼ where it is clearly different (5 %, "
        f"adjusted); ring: {names[1]}."
    )
    heads = ["step", names[0], names[1], "difference", "95 %"]
    return ranges("Step by step", sub, heads, drawn, (0.0, min(1.0, top * 1.1)), hidden=[2, 3])


def _table(definition: Funnel, rows: list[dict[str, Any]], names: tuple[str, str], k: int) -> dict[str, Any]:
    def reached(row: dict[str, Any], side: str) -> str:
        return count(row[f"count{side}"]) + (" ○" if 0 < row[f"count{side}"] < k else "")

    cells = [
        [
            (shown_name(row["name"]), ""),
            (count(row["of"]), ""),
            (reached(row, ""), ""),
            (count(row["of_other"]), "quiet"),
            (reached(row, "_other"), ""),
            (points(row["difference"]), ("good" if row["difference"] > 0 else "bad") if _is_clear(row) else ""),
            ("–" if row["p_corrected"] is None else f"{row['p_corrected']:.3f}", "quiet"),
        ]
        for row in rows
    ]
    enter = [f"{name}: {unit_of(definition)}" for name in names]
    return table(["step", enter[0], "get there", enter[1], "get there", "difference", "p, adjusted"], cells, [1, 3, 6])


def _in_groups(rows: list[dict[str, Any]], both: int) -> list[dict[str, Any]]:
    """The sum of the funnel down to those of both groups."""
    *before, within = rows
    neither = sum_row(within["count"] - both, "in neither group when they enter", "out")
    return [*before, neither, sum_row(both, "in the rates above", "in")]


COMPARE: Final = Kind(
    "Compare",
    compare_answer,
    "{order}, within {window} of step 1, counting {count}. {exclude} in between ends the attempt.",
    parts=("steps", "groups", "only", "entered"),
)
