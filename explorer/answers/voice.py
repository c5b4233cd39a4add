"""How satisfied customers are: the scores of a survey by what came before the answer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import polars as pl

from analytics import SURVEY_SCALES, Paths, benjamini_hochberg, voice
from expectations.errors import DefinitionError, nearest
from explorer.answers.cards import ranges, table
from explorer.answers.elsewhere import voice_elsewhere
from explorer.answers.funnel import bars_of
from explorer.answers.left_out import sum_row
from explorer.kind import Kind, columns_of
from explorer.question import Question
from explorer.source import Source
from explorer.vocabulary import ON, Vocabulary
from reports.words.numbers import MISSING, count, length, shown_name

LEVEL: Final = 0.05
Z: Final = 1.959964
"""Standard errors from the middle of a 95 % interval to its end."""
NAMES: Final = {"csat": "CSAT", "nps": "NPS", "ces": "CES"}
SPANS: Final = {"csat": (0.0, 1.0), "nps": (-1.0, 1.0), "ces": (1.0, 7.0)}
MEANS: Final = {
    "csat": "the share of 4 and 5, in percent",
    "nps": "the share of 9 and 10 less that of 0 to 6, from −100 to 100",
    "ces": "the mean, from 1 to 7",
}


@dataclass(frozen=True)
class _Scores:
    """The scores of a survey: of all, and of the groups that are shown, with the side of all others each lies on."""

    source: Source
    question: Question
    total: dict[str, Any]
    shown: list[dict[str, Any]]
    directions: list[int]

    @property
    def survey(self) -> str:
        return self.question.survey

    @property
    def label(self) -> str:
        """The name of the column of the groups."""
        return self.source.report.name_of(self.question.per).lower()

    @property
    def least(self) -> int:
        """The fewest answers of a group that is shown."""
        return least_of(self.source)

    @property
    def is_few(self) -> bool:
        return self.number(self.total) < self.least

    def number(self, row: dict[str, Any]) -> int:
        """How many answers a row has."""
        return int(row[f"{self.survey}_n"])

    def name(self, row: dict[str, Any]) -> str:
        """The name of a group."""
        return shown_name(row[self.question.per])

    def score(self, row: dict[str, Any]) -> str:
        """The score of a row in words."""
        return _score(row[self.survey], self.survey)


def least_of(source: Source) -> int:
    """The fewest answers of a group that is shown."""
    return max(source.report.least, source.report.k)


def voice_answer(source: Source, vocabulary: Vocabulary, paths: Paths, question: Question) -> dict[str, Any]:
    """The answer as JSON. Raises `DefinitionError` as `voice` does, and where touches have no answers of surveys."""
    paths = paths.require_touches()
    _check(source, paths, question)
    question = question.in_zone(source.report.zone)
    column, number = question.per, f"{question.survey}_n"
    total, *groups = voice(
        paths, by=column, start=question.start, end=question.end, lookback=question.window
    ).to_dicts()
    known = [row for row in groups if row[column] is not None and row[number] >= least_of(source)]
    shown = sorted(known, key=lambda row: (-row[number], row[column]))[: source.report.values_per_segment]
    scores = _Scores(source, question, total, shown, _directions(total, shown, question.survey))
    frame = {
        "entered": bars_of(source, vocabulary, _answered_at(paths, question.survey)),
        "elsewhere": voice_elsewhere(source, question),
        "rows": [total, *shown],
        "unit": "answers",
    }
    if not total[number]:
        others = [f"{NAMES[name]} has {count(total[f'{name}_n'])}" for name in NAMES if total[f"{name}_n"]]
        lines = [f"{', '.join(others)}."] if others else ["No touch has an answer to any survey."]
        said = f"Nobody has answered {NAMES[question.survey]}"
        return frame | {"said": said, "lines": lines, "few": False, "cards": []}
    return frame | {
        "said": _sentence(scores),
        "lines": _lines(scores),
        "few": scores.is_few,
        "cards": [_drawn(scores), _table(scores)],
        "left_out": _left_out(scores, sum(row[number] for row in groups if row[column] is None)),
    }


def _answered_at(paths: Paths, survey: str) -> pl.Series:
    """When each answer to a survey came."""
    is_one = (pl.col("survey").cast(pl.String) == survey) & pl.col("score").is_not_null()
    parts = paths.each(lambda part, _: paths.read(part, ["at", "survey", "score"]).filter(is_one)["at"])
    return pl.concat([pl.Series("at", [], pl.Datetime("us", "UTC")), *parts])


def _check(source: Source, paths: Paths, question: Question) -> None:
    """Raises `DefinitionError` for a column without words, and for paths without answers."""
    known = [name for name in (*ON, *source.columns) if name in paths.dictionaries]
    if question.per not in known:
        raise DefinitionError(
            f"The explorer does not show scores by {question.per!r}.",
            expected=f"one of {', '.join(known)}",
            do=nearest(question.per, known) or "name it under context of [paths], and run journeys stitch",
        )
    if not {"survey", "score"} <= set(paths.schema):
        raise DefinitionError(
            "No touch has the answer of a survey.",
            expected=f"events with `survey` ({', '.join(SURVEY_SCALES)}) and `score`",
            do='land answers as events of kind "feedback" with survey and score, and run journeys stitch',
        )


def _score(value: float | None, survey: str) -> str:
    """A score as it is usually written.

    >>> _score(0.204, "nps"), _score(0.815, "csat").replace("\\u202f", " "), _score(4.796, "ces")
    ('+20', '81.5 %', '4.8')
    """
    if value is None:
        return MISSING
    if survey == "csat":
        return f"{100 * value:.1f}\u202f%"
    if survey == "ces":
        return f"{value:.1f}"
    return f"{100 * value:+.0f}".replace("-", "−").replace("+0", "0")


def _ends(row: dict[str, Any], survey: str) -> str:
    low, high = row[f"{survey}_low"], row[f"{survey}_high"]
    if low is None or high is None:
        return MISSING
    one, other = (_score(end, survey).replace("\u202f%", "") for end in (low, high))
    return f"{one} to {other}" if survey == "nps" else f"{one}–{other}"


def _directions(total: dict[str, Any], shown: Sequence[dict[str, Any]], survey: str) -> list[int]:
    """1 for a group clearly above all others together, -1 for one below, 0 where it is not clear.

    Normal approximation, with standard errors from the 95 % intervals; that of all others from the interval of all and
    their number. Benjamini-Hochberg over the groups.
    """
    gaps, chances = [], []
    for row in shown:
        n, every = row[f"{survey}_n"], total[f"{survey}_n"]
        errors = [_error(row, survey), _error(total, survey)]
        if n >= every or None in errors or row[survey] is None:
            gaps.append(0.0)
            chances.append(math.nan)
            continue
        own, whole = (error or 0.0 for error in errors)
        rest = (total[survey] * every - row[survey] * n) / (every - n)
        error = math.hypot(own, whole * math.sqrt(every / (every - n)))
        gaps.append(row[survey] - rest)
        chances.append(math.erfc(abs(gaps[-1]) / error / math.sqrt(2)) if error else math.nan)
    if not chances:
        return []
    adjusted = np.nan_to_num(benjamini_hochberg(np.array(chances)), nan=1.0)
    return [int(math.copysign(1, gap)) if chance <= LEVEL else 0 for gap, chance in zip(gaps, adjusted, strict=True)]


def _error(row: dict[str, Any], survey: str) -> float | None:
    low, high = row[f"{survey}_low"], row[f"{survey}_high"]
    return None if low is None or high is None else float(high - low) / (2 * Z)


def _sentence(scores: _Scores) -> str:
    """Where the score is clearly lower, else clearly higher, else that no group is; a count where there are too few."""
    name, number, survey = NAMES[scores.survey], scores.number(scores.total), scores.survey
    if scores.is_few:
        return f"{name} has {number} {'answer' if number == 1 else 'answers'}"
    all_ = f"{scores.score(scores.total)} in all"
    clear = [(row[survey], side, row) for row, side in zip(scores.shown, scores.directions, strict=True) if side]
    if not clear:
        compared = "no clear difference" if len(scores.shown) > 1 else "too few to compare"
        return f"{name} is {all_}: {compared} by {scores.label}"
    lower = [each for each in clear if each[1] < 0]
    row = (min(lower, key=lambda each: each[0]) if lower else max(clear, key=lambda each: each[0]))[2]
    return f"{name} is {'lower' if lower else 'higher'} after {scores.name(row)}: {scores.score(row)}, {all_}"


def _lines(scores: _Scores) -> list[str]:
    if scores.is_few:
        return []
    total = scores.total
    return [
        f"In all, 95 % interval {_ends(total, scores.survey)}, of {count(scores.number(total))} answers of "
        f"{count(total[f'customers_{scores.survey}'])} customers."
    ]


def _drawn(scores: _Scores) -> dict[str, Any]:
    survey, total, label = scores.survey, scores.total, scores.label
    rows = [
        {
            "name": scores.name(row),
            "at": row[survey],
            "low": row[f"{survey}_low"],
            "high": row[f"{survey}_high"],
            "other": None,
            "clear": side,
            "said": f"{scores.name(row)}: {scores.score(row)} ({_ends(row, survey)})",
            "texts": [count(scores.number(row)), scores.score(row), _ends(row, survey)],
        }
        for row, side in zip(scores.shown, scores.directions, strict=True)
    ]
    lowest, highest = SPANS[survey]
    ends = [row[name] for row in rows for name in ("low", "high", "at") if row[name] is not None] + [total[survey]]
    edge = 0.05 * (highest - lowest)
    span = (max(lowest, min(ends) - edge), min(highest, max(ends) + edge))
    sub = (
        f"{NAMES[survey]}: {MEANS[survey]}; by the {label} of the last touch before the answer, within "
        f"{length(scores.question.window)}, with its 95 % interval. ▲ ▼ clearly different from all others together "
        f"(5 %, adjusted), ring not clear. Dashed: all. None of fewer than {scores.least} answers."
    )
    heads = [label, "answers", NAMES[survey], "95 %"]
    return ranges(f"{NAMES[survey]} by {label}", sub, heads, rows, span, usual=total[survey], hidden=[2])


def _table(scores: _Scores) -> dict[str, Any]:
    survey, k = scores.survey, scores.source.report.k

    def row_of(row: dict[str, Any]) -> list[tuple[str, str]]:
        people = row[f"customers_{survey}"]
        return [
            ("All" if row["is_total"] else scores.name(row), ""),
            (count(scores.number(row)), ""),
            (count(people) + (" ○" if 0 < people < k else ""), ""),
            (scores.score(row), ""),
            (_ends(row, survey), "quiet"),
            (count(row["touches"]), "quiet"),
        ]

    heads = [scores.label, "answers", "customers", NAMES[survey], "95 %", "touches"]
    return table(heads, [row_of(row) for row in (scores.total, *scores.shown)], [2, 5])


def _left_out(scores: _Scores, alone: int) -> list[dict[str, Any]]:
    """The answers of the survey down to those of the groups that are shown; `alone` follow no touch with a group."""
    every, inside = scores.number(scores.total), sum(map(scores.number, scores.shown))
    within = length(scores.question.window)
    return [
        sum_row(every, f"answers to {NAMES[scores.survey]}", "all"),
        sum_row(alone, f"no touch with a value of {scores.label} in the {within} before", "out"),
        sum_row(every - alone - inside, f"in groups of fewer than {scores.least}, or beyond the largest", "out"),
        sum_row(inside, "in the groups above", "in"),
    ]


VOICE: Final = Kind(
    "Voice",
    voice_answer,
    "{survey}, by the {per} of the last touch up to {window} before the answer.",
    {
        "survey": (
            ("csat", "CSAT", "The share that is satisfied"),
            ("nps", "NPS", "Would recommend, less would not"),
            ("ces", "CES", "How easy it was"),
        ),
        "per": columns_of(*ON),
    },
    ("entered",),
    "answered",
)
