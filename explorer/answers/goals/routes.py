"""By which routes journeys reach a goal, how often, and what it takes."""

from __future__ import annotations

from typing import Any, Final

from analytics import Goal, Paths, goal_routes, goal_window, summary, wilson
from expectations.errors import DefinitionError, nearest
from explorer.answers.cards import ranges, table
from explorer.answers.elsewhere import goal_elsewhere
from explorer.answers.funnel import with_bars
from explorer.answers.left_out import sum_row
from explorer.kind import Kind, goals_of
from explorer.question import ANYTHING, Question
from explorer.source import Source
from explorer.vocabulary import Vocabulary
from reports.questions.money import money_of
from reports.words.numbers import average, count, interval, length, percent, shown_name, wait

DIRECT: Final = "direct"
CAUTION: Final = "Families differ in more than their route: a higher rate is no reason to lead customers there."


def routes_answer(source: Source, vocabulary: Vocabulary, paths: Paths, question: Question) -> dict[str, Any]:
    """The answer as JSON. Raises `DefinitionError` as the command `journeys goals --routes` does."""
    goal, report = goal_asked(source, question), source.report
    question = question.in_zone(report.zone)
    whole = paths.require_touches()
    bound = source.members(whole, question.segment, "journey")
    money = money_of(report, [goal.value] if isinstance(goal.value, str) else [])
    found = goal_routes(bound, goal, start=question.start, end=question.end, window=report.window, money=money)
    rows = found.to_dicts()
    horizon = goal_window(bound, goal.horizon or report.window)
    frame = {
        "entered": _bars(source, vocabulary, whole, question, horizon),
        "within": length(horizon),
        "elsewhere": goal_elsewhere(source, question, goal),
        "rows": rows,
        "unit": "journeys",
    }
    if not sum(row["units"] for row in rows):
        return frame | {"state": "nobody"}
    rated = [row for row in rows if row["family"] != DIRECT]
    reached, mature = (sum(row[name] for row in rated) for name in ("reached", "mature"))
    few = reached < report.least
    best = max(rated, key=lambda row: row["reached"], default=None)
    return frame | {
        "said": _sentence(goal, best, reached, mature, report.least),
        "lines": _lines(rated, best, reached, horizon, few=few),
        "few": few,
        "cards": [
            _drawn(source, goal, rated, reached / mature if mature else None, horizon),
            _table(rows, report.k),
        ],
        "left_out": _left_out(whole, rows, horizon, question),
    }


def goal_asked(source: Source, question: Question) -> Goal:
    """The goal that a question names, or the main one. Raises `DefinitionError` where there is none."""
    goals = {goal.name: goal for goal in source.goals}
    if not goals:
        raise DefinitionError(
            "No goal is named.",
            where=source.config,
            expected="[[goals]] with a name and steps",
            do='write [[goals]], then name = "Order placed" and steps = ["Order placed"], and run journeys stitch',
        )
    name = question.goal or next(iter(goals))
    if name not in goals:
        raise DefinitionError(
            f"There is no goal {name!r}.", expected=f"one of {', '.join(goals)}", do=nearest(name, goals)
        )
    return goals[name]


def _bars(
    source: Source, vocabulary: Vocabulary, paths: Paths, question: Question, horizon: Any
) -> list[dict[str, Any]]:
    """The journeys of the segment by week or month of their beginning."""
    begun = {"steps": [ANYTHING], "window": horizon, "order": "ordered", "exclude": (), "same": (), "by": ()}
    asked = question.model_copy(update=begun | {"count": "journeys" if "journey" in paths.schema else "customers"})
    bound, definition = source.bind(paths, asked.steps, asked.options)
    return with_bars(source, vocabulary, bound, definition, asked)[1]


def _sentence(goal: Goal, best: dict[str, Any] | None, reached: int, mature: int, least: int) -> str:
    """By which family most reach the goal; counts where too few do for a share."""
    name = shown_name(goal.name)
    if not reached or best is None:
        return f"None of {count(mature)} journeys reaches {name}"
    counted = (
        f"{percent(best['reached'] / reached)} of {count(reached)}"
        if reached >= least
        else f"{best['reached']} of {reached}"
    )
    return f"{counted} journeys that reach {name} come by the route “{shown_name(best['family'])}”"


def _lines(
    rated: list[dict[str, Any]], best: dict[str, Any] | None, reached: int, horizon: Any, *, few: bool
) -> list[str]:
    if few or best is None:
        return [CAUTION]
    own = best["customers_reached"] / best["reached"]
    bounds = wilson(best["reached"] * own, reached * own)
    lines = [
        f"95 % interval {interval(bounds.low.item(), bounds.high.item())}, as wide as if each customer reached it "
        f"once. Reached: within {length(horizon)} of the beginning."
    ]
    if nearly := [shown_name(row["family"]) for row in rated if row["nearly_there"]]:
        lines.append(f"Nearly there already, so their rate says little: {', '.join(nearly)}.")
    return [*lines, CAUTION]


def _drawn(
    source: Source, goal: Goal, rated: list[dict[str, Any]], usual: float | None, horizon: Any
) -> dict[str, Any]:
    top = max([row["goal_rate_high"] or 0 for row in rated if row["enough"]] + [usual or 0, 0.05])
    rows = [
        {
            "name": shown_name(row["family"]),
            "at": row["goal_rate"] if row["enough"] else None,
            "low": row["goal_rate_low"],
            "high": row["goal_rate_high"],
            "other": None,
            "clear": None,
            "said": f"{shown_name(row['family'])}: {percent(row['goal_rate'])} of {count(row['mature'])}",
            "texts": [
                percent(row["goal_rate"]) if row["enough"] else "too few",
                percent(row["share_of_goals"]),
                average(row["median_touches"]),
                wait(row["median_time"]),
            ],
        }
        for row in rated
    ]
    sub = (
        f"Share of the journeys of each family that reach the goal within {length(horizon)}, with its 95 % interval; "
        f"dashed: of all. None of fewer than {source.report.least} customers. A journey belongs to the first family "
        "that its touches before the goal fit; touches and time: the median of those that reach it."
    )
    heads = ["route", "goal rate", "of all goals", "touches", "time"]
    return ranges(
        f"Routes to {shown_name(goal.name)}",
        sub,
        heads,
        rows,
        (0.0, min(1.0, top * 1.05)),
        usual=usual,
        hidden=[1, 2, 3],
    )


def _table(rows: list[dict[str, Any]], k: int) -> dict[str, Any]:
    def few(row: dict[str, Any], name: str) -> str:
        return count(row[name]) + (" ○" if 0 < row[f"customers_{name}"] < k else "")

    cells = [
        [
            (shown_name(row["family"]), ""),
            (count(row["units"]), ""),
            (count(row["open"]), "quiet"),
            (few(row, "mature"), ""),
            (few(row, "reached"), ""),
            (percent(row["goal_rate"]) if row["enough"] else "too few", ""),
            (interval(row["goal_rate_low"], row["goal_rate_high"]) if row["enough"] else "", "quiet"),
            (wait(row["p90_time"]), "quiet"),
            (average(row["effort"], 1), ""),
            (percent(row["csat"]) if row["csat_n"] else "", ""),
        ]
        for row in rows
    ]
    heads = ["route", "journeys", "open", "over", "reach it", "rate", "95 %", "9 in 10 within", "effort", "satisfied"]
    return table(heads, cells, [1, 2, 6, 7, 8, 9])


def _left_out(whole: Paths, rows: list[dict[str, Any]], horizon: Any, question: Question) -> list[dict[str, Any]]:
    """The journeys of the lake down to those that have a rate."""
    total = summary(whole).row(0, named=True)
    every = total["customers"] if total["journeys"] is None else total["journeys"]
    rated = [row for row in rows if row["family"] != DIRECT]
    units, over = (sum(row[name] for row in rated) for name in ("units", "mature"))
    direct = sum(row["units"] for row in rows) - units
    out = [sum_row(every, "journeys in the lake", "all")]
    if question.segment or question.start or question.end:
        out.append(sum_row(every - units - direct, "begin outside this segment or period", "out"))
    return [
        *out,
        sum_row(direct, "are nothing but the goal: direct", "out"),
        sum_row(units - over, f"begin less than {length(horizon)} before the end of data: open", "open"),
        sum_row(over, "in the rates above", "in"),
    ]


GOALS: Final = Kind(
    "Goals",
    routes_answer,
    "By which routes journeys reach {goal}.",
    {"goal": goals_of},
    ("only", "entered"),
)
