"""What follows a touchpoint, or comes before it, position by position."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import polars as pl

from analytics import Paths, StepText, flow, step_matrix, wilson
from expectations.errors import DefinitionError
from explorer.answers.cards import bands, table
from explorer.answers.elsewhere import path_elsewhere
from explorer.answers.funnel import bars_of
from explorer.answers.left_out import sum_row
from explorer.kind import Kind
from explorer.question import Question
from explorer.source import Source
from explorer.vocabulary import Vocabulary
from reports.words.numbers import count, interval, percent, shown_name, wait

TOP: Final = 6
"""Touchpoints of a position; the rest are one."""
OTHER: Final = "other"
ENDS: Final = ("END_converted", "END_abandoned", "END_open", "START")
UNITS: Final = {"customers": "customer", "journeys": "journey", "sessions": "session"}


def flow_answer(source: Source, vocabulary: Vocabulary, paths: Paths, question: Question) -> dict[str, Any]:
    """The answer as JSON. Raises `DefinitionError` as the command `journeys paths flow` does, and for more steps than
    one, conditions, and attempts.
    """
    step = _step(question)
    unit, whole = UNITS[question.count], paths
    question = question.in_zone(source.report.zone)
    bound = source.bind(paths, question.steps, {"segment": ()})[0]
    if question.segment:
        bound = source.members(bound, question.segment, unit)
    backwards = question.side == "before"
    asked: dict[str, Any] = {
        "unit": unit,
        "target" if backwards else "source": list(step.any_of),
        "depth": question.depth,
        "top": TOP,
        "on": step.on,
        "collapse": question.repeats == "joined",
    }
    found = flow(bound, **asked, start=question.start, end=question.end).sort("position", "source", "target")
    rows = found.to_dicts()
    frame = {
        "entered": bars_of(source, vocabulary, _begun(bound, unit)),
        "elsewhere": path_elsewhere(source, question, step, asked),
        "rows": rows,
        "unit": question.count,
    }
    if not rows:
        period = " in a path that begins in this period" if question.start or question.end else ""
        return frame | {"said": f"Nobody has {_names(step)}{period}", "lines": [], "few": False, "cards": []}
    total = sum(row["units"] for row in rows if row["position"] == 1)
    followed = _Followed(source, question, step, _first(rows), total)
    return frame | {
        "said": _sentence(followed),
        "lines": _lines(followed),
        "few": followed.is_few,
        "cards": [_drawn(followed, vocabulary, found), _table(followed)],
        "left_out": _left_out(followed, whole, bound),
    }


@dataclass(frozen=True)
class _Followed:
    """What is followed from a step: how many in `total`, and what comes right beside the step, the largest first."""

    source: Source
    question: Question
    step: StepText
    first: list[dict[str, Any]]
    total: int

    @property
    def names(self) -> str:
        return _names(self.step)

    @property
    def is_after(self) -> bool:
        return self.question.side == "after"

    @property
    def is_few(self) -> bool:
        return self.total < self.source.report.least

    def ending(self, *ends: str) -> int:
        """How many end right there in one of these ways."""
        return sum(row["units"] for row in self.first if row["target"] in ends)

    @property
    def ahead(self) -> list[dict[str, Any]]:
        """The touchpoints beside the step."""
        return [row for row in self.first if row["target"] not in (*ENDS, OTHER)]


def _step(question: Question) -> StepText:
    """The one step that a flow begins or ends with."""
    if len(question.steps) > 1:
        raise DefinitionError(
            "A flow follows one step.",
            expected="one step, of one touchpoint or several",
            found=f"{len(question.steps)} steps",
            do="remove the others",
        )
    step = question.texts[0]
    if step.where:
        raise DefinitionError(
            "A flow follows a touchpoint or a stage without conditions.",
            expected="a step without `where`",
            do="remove the condition, or choose a segment",
        )
    if question.count not in UNITS:
        raise DefinitionError(
            "A flow counts customers, journeys or sessions.", expected=", ".join(UNITS), found=question.count
        )
    return step


def _names(step: StepText) -> str:
    return " or ".join(map(shown_name, step.any_of))


def _first(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What comes right beside the step, whichever of its words it is, the largest first.

    A customer who has the same neighbour of two words is in both counts of customers.
    """
    table = pl.DataFrame([row for row in rows if row["position"] == 1]).group_by("target", maintain_order=True)
    sums = table.agg(
        pl.col("units", "customers", "mature", "reached").sum(),
        pl.col("median_wait").first()
        if len({row["source"] for row in rows if row["position"] == 1}) == 1
        else _NO_WAIT,
    )
    return sums.sort(-pl.col("units"), "target").to_dicts()


_NO_WAIT: Final = pl.lit(None, pl.Duration("us")).first().alias("median_wait")


def _sentence(followed: _Followed) -> str:
    """Where most go on to or come from, and who leaves or begins; counts where too few are followed for a rate."""

    def counted(number: int) -> str:
        return f"{number} of {followed.total}" if followed.is_few else percent(number / followed.total)

    beside = "After" if followed.is_after else "Before"
    if not followed.ahead:
        return f"{beside} {followed.names}, {'no touch follows' if followed.is_after else 'there is no touch'}"
    top, left = followed.ahead[0], followed.ending("END_abandoned", "START")
    go, leave = ("go to", "leave") if followed.is_after else ("come from", "begin with it")
    said = f"{beside} {followed.names}, {counted(top['units'])} {go} {shown_name(top['target'])}"
    return f"{said} and {counted(left)} {leave}" if left else said


def _lines(followed: _Followed) -> list[str]:
    if followed.is_few:
        return []
    lines = []
    if followed.ahead:
        ends = _interval(followed.ahead[0], followed.total)
        lines.append(f"95 % interval {ends}, as wide as if each customer were followed once.")
    if open_ := followed.ending("END_open"):
        lines.append(f"{percent(open_ / followed.total)} are not over, and do not count as leaving.")
    joined = ", repeats joined" if followed.question.repeats == "joined" else ""
    how = "followed from their first" if followed.is_after else "followed back from their last"
    return [*lines, f"{count(followed.total)} {followed.question.count} {how} such touch{joined}."]


def _interval(row: dict[str, Any], total: int) -> str:
    """The interval of a share, of as many as there are customers among those who have it."""
    own = row["customers"] / row["units"] if row["units"] else 1.0
    bounds = wilson(row["units"] * own, total * own)
    return interval(bounds.low.item(), bounds.high.item())


def _drawn(followed: _Followed, vocabulary: Vocabulary, found: pl.DataFrame) -> dict[str, Any]:
    """The card of what follows what."""
    source, step, total, after = followed.source, followed.step, followed.total, followed.is_after
    known = {word.word for word in vocabulary.words if word.on == step.on}
    goals = {word for goal in source.goals for word in (goal.stages if step.on == "stage" else goal.touchpoints)}
    is_end = pl.col("target").is_in(ENDS)
    starts = found.filter(position=1).group_by("source").agg(pl.col("units").sum())
    arrived = found.filter(~is_end).group_by("position", "target").agg(pl.col("units").sum())
    left = {(row["position"], row["source"]): row["units"] for row in _left(found.filter(is_end))}
    places = [(0, *row) for row in starts.rows()] + [(place, *row) for place, *row in arrived.rows()]
    nodes = []
    for position, name, units in sorted(places, key=lambda each: (each[0], each[1] == OTHER, -each[2], each[1])):
        ends = left.get((position + 1, name), 0)
        shown = "Other" if name == OTHER else shown_name(name)
        nodes.append(
            {
                "position": position,
                "key": name,
                "name": shown,
                "word": {"word": name, "on": step.on} if name in known and name != OTHER else None,
                "kind": "rest" if name == OTHER else "goal" if name in goals else "word",
                "share": units / total,
                "left": ends / total,
                "text": percent(units / total, 0 if units / total >= 0.095 else 1) + _small(units, source.report.k),
                "said": f"{shown}: {count(units)}, {percent(units / total)}"
                + (f"; {count(ends)} {'end' if after else 'begin'} there" if ends else ""),
            }
        )
    links = [
        {"position": place - 1, "source": one, "target": other, "share": units / total}
        for place, one, other, units in found.filter(~is_end).select("position", "source", "target", "units").rows()
    ]
    heads = [
        ("first" if after else "last") if at == 0 else f"{'then' if after else 'before'}, {at + 1}"
        for at in range(followed.question.depth)
    ]
    words = "stages" if step.on == "stage" else "touchpoints"
    stub = "leaves there, or is not over" if after else "begins there"
    sub = (
        f"Share of those who are followed; {TOP} {words} a position, the rest is Other. Grey stub: who {stub}. Green: "
        "a goal. Choose one to follow it instead."
    )
    return bands("What happens next" if after else "What came before", sub, heads, nodes, links)


def _left(ends: pl.DataFrame) -> list[dict[str, Any]]:
    return ends.group_by("position", "source").agg(pl.col("units").sum()).to_dicts()


def _small(number: int, k: int) -> str:
    return " ○" if 0 < number < k else ""


def _table(followed: _Followed) -> dict[str, Any]:
    k, total = followed.source.report.k, followed.total
    ends = {
        "END_converted": "(ends with the goal)",
        "END_abandoned": "(leaves)",
        "END_open": "(not over)",
        "START": "(begins there)",
        OTHER: "Other",
    }
    rows = [
        [
            (ends.get(row["target"]) or shown_name(row["target"]), ""),
            (count(row["units"]), ""),
            (count(row["customers"]) + _small(row["customers"], k), "quiet"),
            (percent(row["units"] / total), ""),
            (_interval(row, total), "quiet"),
            (wait(row["median_wait"]), ""),
            (percent(row["reached"] / row["mature"]) if row["mature"] else "", "quiet"),
        ]
        for row in followed.first
    ]
    beside = f"{'after' if followed.is_after else 'before'} {followed.names}"
    heads = [beside, followed.question.count, "customers", "share", "95 %", "median wait", "reach the goal"]
    return table(heads, rows, [2, 4, 6])


def _left_out(followed: _Followed, whole: Paths, bound: Paths) -> list[dict[str, Any]]:
    """The units of the lake down to those who are followed."""
    question, unit = followed.question, UNITS[followed.question.count]
    every = _units(whole, unit)
    rows = [sum_row(every, f"{question.count} in the lake", "all")]
    if question.segment:
        inside = _units(bound, unit)
        rows.append(sum_row(every - inside, "do not begin in this segment", "out"))
        every = inside
    if question.start or question.end:
        begun = _units(bound, unit, start=question.start, end=question.end)
        rows.append(sum_row(every - begun, "begin outside the period", "out"))
        every = begun
    rows.append(sum_row(every - followed.total, f"never at {followed.names}", "out"))
    return [*rows, sum_row(followed.total, "followed above", "in")]


def _units(paths: Paths, unit: Any, start: datetime | None = None, end: datetime | None = None) -> int:
    return int(step_matrix(paths, depth=1, unit=unit, start=start, end=end)["units"].sum())


def _begun(paths: Paths, unit: str) -> pl.Series:
    """When each unit begins; without journeys or sessions a path is that of a customer."""
    names = ["customer", *([unit] if unit != "customer" and unit in paths.schema else [])]
    parts = paths.each(lambda part, _: paths.read(part, [*names, "at"]).drop_nulls().group_by(names).agg(pl.min("at")))
    return pl.concat([pl.Series("at", [], pl.Datetime("us", "UTC")), *(part["at"] for part in parts)])


FLOW: Final = Kind(
    "Flow",
    flow_answer,
    "What comes {side} step 1 in their {count}, over {depth} positions; repeats are {repeats}.",
    {
        "side": (
            ("after", "after the first", "Where they go from there"),
            ("before", "before the last", "Where they came from"),
        ),
        "count": (
            ("journeys", "journeys", "Up to the goal, or a long pause"),
            ("sessions", "sessions", "Up to a short pause"),
            ("customers", "customers", "The whole path of each"),
        ),
        "depth": (("4", "4", ""), ("3", "3", ""), ("5", "5", ""), ("6", "6", "")),
        "repeats": (
            ("joined", "joined", "The same again is one position"),
            ("kept", "kept", "Each touch is a position"),
        ),
    },
    ("steps", "only", "entered"),
    "begun",
)
