"""The funnel by the period of entry: is it steady, and which period is out of line?"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from analytics import Funnel, Paths, benjamini_hochberg, trend, two_proportions_z
from expectations.errors import DefinitionError
from explorer.answers.cards import over_time, table
from explorer.answers.elsewhere import elsewhere
from explorer.answers.funnel import unit_of, with_bars, without_groups
from explorer.answers.left_out import entrants, left_out, met_of
from explorer.kind import PERIODS, Kind
from explorer.question import Question
from explorer.source import Source
from explorer.vocabulary import Vocabulary
from reports.words.numbers import count, day, interval, length, percent, shown_name

LEVEL: Final = 0.05
MOST_PERIODS: Final = 120
"""Periods that are drawn."""


def trend_answer(source: Source, vocabulary: Vocabulary, paths: Paths, question: Question) -> dict[str, Any]:
    """The answer as JSON. Raises `DefinitionError` as the command `journeys funnel --period` does."""
    question = without_groups(question)
    if len(question.steps) < 2:
        raise DefinitionError(
            "A trend is of a share.", expected="two steps or more", found="one step", do="add the step that counts"
        )
    paths, definition = source.bind(paths, question.steps, question.options)
    exact, bars = with_bars(source, vocabulary, paths, definition, question)
    answer = source.told(exact)
    asked = {"period": question.period, "timezone": source.report.timezone}
    written = elsewhere(source, question, "trend", asked, [f"--period={question.period}"])
    found = source.told(trend(paths, definition, period=question.period, timezone=source.report.timezone))
    rows = found.filter("is_total").sort("period").to_dicts()
    if entrants(answer) == 0:
        return {"state": "nobody", "entered": bars, "elsewhere": written, "rows": rows}
    if len(rows) > MOST_PERIODS:
        raise DefinitionError(
            f"The entries span {len(rows):,} periods.",
            expected=f"at most {MOST_PERIODS}",
            do="choose a longer period, or fewer weeks of entry",
        )
    least, total = source.report.least, answer.filter("is_total").sort("step").row(-1, named=True)
    directions = _directions(rows, least)
    points = [_point(source, row, clear, question.period) for row, clear in zip(rows, directions, strict=True)]
    return {
        "said": _sentence(definition, rows, directions, total, (least, question.period, source.fewest)),
        "lines": _lines(definition, rows, total, least, question.period),
        "few": total["entered"] < least,
        "cards": [
            over_time(_title(definition, question.period), _sub(source, question.period), points, _share(rows)),
            _table(definition, rows, directions, source.report.k, question.period),
        ],
        "left_out": left_out(question, definition, vocabulary.customers, answer, met_of(source, paths, question)),
        "entered": bars,
        "elsewhere": written,
        "rows": rows,
    }


def _directions(rows: list[dict[str, Any]], least: int) -> list[int]:
    """1 for a period clearly above all others together, -1 for one below, 0 where it is not clear.

    Two proportions, Benjamini-Hochberg over the periods of at least so many entrants.
    """
    reached, entered = (np.array([row[name] for row in rows], np.int64) for name in ("reached", "entered"))
    rest_reached, rest = reached.sum() - reached, entered.sum() - entered
    rated = (entered >= least) & (rest >= least)
    found = np.zeros(len(rows), np.int64)
    if not rated.any():
        return found.tolist()
    pairs = (reached[rated], entered[rated], rest_reached[rated], rest[rated])
    clear = np.nan_to_num(benjamini_hochberg(two_proportions_z(*pairs).p_value), nan=1.0) <= LEVEL
    higher = np.sign(pairs[0] * pairs[3] - pairs[2] * pairs[1])
    found[rated] = np.where(clear, higher, 0)
    return [int(one) for one in found]


def _furthest(rows: list[dict[str, Any]], directions: list[int]) -> int | None:
    """The place of the clear period with most entrants at stake."""
    reached, entered = sum(row["reached"] for row in rows), sum(row["entered"] for row in rows)
    stakes = {
        at: abs(row["reached"] - row["entered"] * (reached - row["reached"]) / (entered - row["entered"]))
        for at, row in enumerate(rows)
        if directions[at]
    }
    return max(stakes, key=lambda at: stakes[at]) if stakes else None


def _named(period: str, row: dict[str, Any]) -> str:
    """A period in a sentence."""
    return f"on {day(row['period'])}" if period == "day" else f"in the {period} of {day(row['period'])}"


def _sentence(
    definition: Funnel,
    rows: list[dict[str, Any]],
    directions: list[int],
    total: dict[str, Any],
    rules: tuple[int, str, int],
) -> str:
    """Which period is out of line, or that it is steady; counts where too few entered for a rate, none of fewer than
    `fewest`.
    """
    least, period, fewest = rules
    names = f"from {shown_name(definition.steps[0].name)} to {shown_name(definition.steps[-1].name)}"
    if total["reached"] < fewest:
        return f"Fewer than {fewest} of {count(total['entered'])} {unit_of(definition)} go {names}"
    if total["entered"] < least:
        return f"{total['reached']} of {total['entered']} {unit_of(definition)} go {names}"
    at = _furthest(rows, directions)
    if at is None:
        start = "Steady" if sum(row["entered"] >= least for row in rows) > 1 else f"Too few {period}s to compare"
        return f"{start}: {percent(_share(rows))} go {names}"
    others = percent(_share([*rows[:at], *rows[at + 1 :]]))
    side = "Up" if directions[at] > 0 else "Down"
    return f"{side} to {percent(rows[at]['share_of_entered'])} {_named(period, rows[at])}, {others} otherwise, {names}"


def _share(rows: list[dict[str, Any]]) -> float | None:
    """The share of all who enter in some periods, each counted once in every one."""
    entered = sum(row["entered"] for row in rows)
    return sum(row["reached"] for row in rows) / entered if entered else None


def _lines(definition: Funnel, rows: list[dict[str, Any]], total: dict[str, Any], least: int, period: str) -> list[str]:
    """What the shares are of, how sure the whole is, and how many of its periods can be told."""
    if total["entered"] < least:
        return []
    unit, low, high = unit_of(definition), total["share_of_entered_low"], total["share_of_entered_high"]
    once = f"Each of the {unit} counts once a {period}. " if definition.count == "customers" else ""
    lines = [
        f"{once}In all {percent(total['share_of_entered'])} of {count(total['entered'])} {unit} get there within "
        f"{length(definition.window)}, 95 % interval {interval(low, high)}."
    ]
    if few := sum(row["entered"] < least for row in rows):
        lines.append(f"{few} of {len(rows)} {period}s have fewer than {least} whose window is over.")
    return lines


def _title(definition: Funnel, period: str) -> str:
    return f"{shown_name(definition.steps[-1].name)}, by {period} of entry"


def _sub(source: Source, period: str) -> str:
    return (
        f"Share that gets there, with its 95 % interval; dashed: of all {period}s. ▲ ▼ clearly different from all "
        f"others together (5 %, adjusted). Hatched: some still have time. None where fewer than {source.report.least} "
        "are known."
    )


def _point(source: Source, row: dict[str, Any], clear: int, period: str) -> dict[str, Any]:
    is_few = row["entered"] < source.report.least
    return {
        "label": f"{row['period']:%b %Y}" if period == "month" else f"{row['period'].day} {row['period']:%b}",
        "share": None if is_few else row["share_of_entered"],
        "low": row["share_of_entered_low"],
        "high": row["share_of_entered_high"],
        "text": percent(row["share_of_entered"]),
        "is_open": row["open"] > 0,
        "clear": clear,
        "said": f"{period.capitalize()} of {day(row['period'])}: {percent(row['share_of_entered'])} of "
        f"{count(row['entered'])} ({interval(row['share_of_entered_low'], row['share_of_entered_high'])})",
    }


def _table(
    definition: Funnel, rows: list[dict[str, Any]], directions: list[int], k: int, period: str
) -> dict[str, Any]:
    look = {1: "good", -1: "bad", 0: ""}
    cells = [
        [
            (day(row["period"]), ""),
            (count(row["entered"]), ""),
            (count(row["reached"]) + (" ○" if 0 < row["reached"] < k else ""), ""),
            (count(row["open"]), "quiet"),
            (percent(row["share_of_entered"]), look[clear]),
            (interval(row["share_of_entered_low"], row["share_of_entered_high"]), "quiet"),
        ]
        for row, clear in zip(rows, directions, strict=True)
    ]
    heads = [period, f"{unit_of(definition)} who enter", "get there", "still open", "share", "95 %"]
    return table(heads, cells, [3, 5])


TREND: Final = Kind(
    "Trend",
    trend_answer,
    "By the {period} of entry: {order}, within {window} of step 1, counting {count}. {exclude} in between ends the "
    "attempt.",
    {"period": PERIODS},
)
