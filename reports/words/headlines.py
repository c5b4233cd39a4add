"""Writes the headlines of pages and charts from the published frames.

A headline claims only what its interval supports; otherwise a neutral title stands instead. A share comes with its
interval, unless that is so narrow that the words hold anywhere in it.
"""

from __future__ import annotations

from math import ceil, floor
from typing import Any

import polars as pl

from reports.privacy.flow import OTHER, Flow
from reports.privacy.stages import NO_VALUE, SHOWN
from reports.privacy.trends import unusual_runs
from reports.questions.intervals import clearly_larger, share_interval
from reports.words.numbers import count, interval, percent, points, quoted


def weakest_step(stages: pl.DataFrame) -> int | None:
    """The step with the lowest share of the step before, if its interval lies below every other step's.

    The last step counts as well. Null with two steps, as there is nothing to compare, and where a withheld step may be
    lower.
    """
    rated = stages.filter(pl.col("share_of_previous").is_not_null()).sort("share_of_previous")
    if rated.height < 2:
        return None
    lowest = rated.row(0, named=True)
    others = stages.filter((pl.col("step") > 1) & (pl.col("step") != lowest["step"])).iter_rows(named=True)
    clear = all(lowest["share_of_previous_high"] < _floor(row) for row in others)
    return int(lowest["step"]) if clear else None


def _floor(row: dict[str, Any]) -> float:
    """The lowest share of a step that is consistent with the published numbers."""
    if row["share_of_previous_low"] is not None:
        return float(row["share_of_previous_low"])
    if row["bound_low"] is not None:
        return float(row["bound_low"])
    if row["previous"] is not None and row["reached"] is not None:
        return share_interval(row["reached"], row["previous"])[0] if row["previous"] else 1.0
    return 0.0


def largest_loss(stages: pl.DataFrame) -> int | None:
    """The step before which most customers are lost, if clearly more than before any other and none is withheld."""
    lost = stages.filter(pl.col("step") > 1).sort("dropped", descending=True, nulls_last=True)
    if lost.is_empty() or lost["dropped"].has_nulls() or not lost["dropped"][0]:
        return None
    return int(lost["step"][0]) if _leads(lost["dropped"]) else None


def _leads(counts: pl.Series) -> bool:
    """Whether the first of falling counts is clearly above the second; a single count always is.

    >>> _leads(pl.Series([540, 500])), _leads(pl.Series([640, 500])), _leads(pl.Series([40]))
    (False, True, True)
    """
    return len(counts) < 2 or clearly_larger(float(counts[0]), float(counts[1]))


def overview_headline(stages: pl.DataFrame, goal: str) -> str:
    """The headline of the report: how many reach the goal, and where they are lost."""
    rows = {row["step"]: row for row in stages.iter_rows(named=True)}
    last = rows[max(rows)]
    if last["share_of_entered"] is None:
        return "Too few customers so far to say how many reach the goal"
    ends = last["share_of_entered_low"], last["share_of_entered_high"]
    sentence = f"{in_words(last['share_of_entered'], *ends)} {quoted(goal)}"
    weakest, largest = weakest_step(stages), largest_loss(stages)
    if weakest is not None and weakest == largest:
        return f"{sentence}; most are lost at {_step(rows, weakest)}"
    if weakest is not None:
        return f"{sentence}; the weakest step is {_step(rows, weakest)}"
    return sentence


def funnel_headline(stages: pl.DataFrame) -> str:
    """The title of the stage funnel."""
    rows = {row["step"]: row for row in stages.iter_rows(named=True)}
    weakest, largest = weakest_step(stages), largest_loss(stages)
    if weakest is None:
        return "How far customers get, stage by stage"
    row = rows[weakest]
    sentence = (
        f"Weakest step: {percent(row['share_of_previous'])} "
        f"({interval(row['share_of_previous_low'], row['share_of_previous_high'])}) of customers who reach "
        f"{quoted(rows[weakest - 1]['name'])} go on to {quoted(row['name'])}"
    )
    if largest is not None and largest != weakest:
        sentence += f"; the largest loss, {count(rows[largest]['dropped'])}, is before {quoted(rows[largest]['name'])}"
    return sentence


def segments_headline(frame: pl.DataFrame, max_groups: int = 2) -> str:
    """The title of the chart by segment: the groups clearly below the rest that cost most, otherwise those above it."""
    if frame.filter(pl.col("verdict").is_not_null()).is_empty():
        return "Conversion from stage to stage, by group"
    sentences = [sentence for side in ("below", "above") for sentence in _different_groups(frame, side, max_groups)]
    if sentences:
        return "; ".join(sentences[:max_groups])
    named = frame.filter(pl.col("segment") != NO_VALUE)
    known = named["state"].is_in([SHOWN]).all()
    return f"No group of customers{'' if known else ' of which enough is known'} differs clearly from the rest"


def _different_groups(frame: pl.DataFrame, side: str, max_groups: int) -> list[str]:
    """Sentences on the groups clearly on this side of the rest, those that affect most customers first."""
    different = frame.filter((pl.col("verdict") == side) & (pl.col("segment") != NO_VALUE)).with_columns(
        weight=(pl.col("difference") * pl.col("previous")).abs()
    )
    groups = different.sort("weight", descending=True, nulls_last=True, maintain_order=True).unique(
        ["dimension", "segment"], keep="first", maintain_order=True
    )
    return [
        f"{row['dimension']} {quoted(row['segment'])} is {points(row['difference']).lstrip('−+')} "
        f"({interval(*sorted((abs(row['difference_low']), abs(row['difference_high']))))}) {side} the rest "
        f"in going on to {quoted(row['name'])}"
        for row in groups.drop_nulls("difference").head(max_groups).iter_rows(named=True)
    ]


def flow_headline(published: Flow) -> str:
    """The title of the flow: the most frequent first move, if clearly so, and the share of it that reaches the goal."""
    first = published.links.filter((pl.col("position") == 1) & (pl.col("source") != OTHER))
    first = first.sort("units", descending=True, maintain_order=True)
    if first.is_empty() or not _leads(first["units"]):
        return "The routes customers take"
    row = first.row(0, named=True)
    bounds = row["goal_text"][:1].isalpha()
    goal = row["goal_text"] if bounds else _estimated(round(row["goal_share"] * row["units"]), row["units"])
    return (
        f"The commonest start is {quoted(row['source'])} then {_target(row['target'])}: "
        f"{_estimated(row['units'], published.units)} of journeys, of which {goal} reach the goal"
    )


def _estimated(part: int, whole: int) -> str:
    """A share with its interval."""
    return f"{percent(part / whole)} ({interval(*share_interval(part, whole))})"


def commonest_headline(reached: pl.DataFrame, lost: pl.DataFrame) -> str:
    """The title of the commonest paths: the commonest path to the goal, and the commonest abandoned one.

    `reached` and `lost` have `route` and `units`, most frequent first.
    """
    clauses = []
    if reached.height and _leads(reached["units"]):
        clauses.append(f"the most frequent path to the goal is {_path_text(reached['route'][0].to_list())}")
    if lost.height and _leads(lost["units"]):
        clauses.append(f"journeys are most often left after {_path_text(lost['route'][0].to_list())}")
    sentence = "; ".join(clauses)
    return sentence[:1].upper() + sentence[1:] if len(clauses) == 2 else "The commonest complete paths"


def _path_text(route: list[str]) -> str:
    """A path in a sentence, in full where it is short.

    >>> _path_text(["Ad"]), _path_text(["Ad", "Shop"]), _path_text(["Ad", "Shop", "Ad", "Shop"])
    ('“Ad” alone', '“Ad” → “Shop”', '4 touches long, from “Ad” to “Shop”')
    """
    if len(route) > 3:
        return f"{len(route)} touches long, from {quoted(route[0])} to {quoted(route[-1])}"
    return " → ".join(quoted(name) for name in route) if len(route) > 1 else f"{quoted(route[0])} alone"


def journey_map_headline(stages: pl.DataFrame, voice: pl.DataFrame | None) -> str:
    """The title of the journey map: the stages with the lowest satisfaction and the highest drop-off, where clear."""
    rows = {row["step"]: row for row in stages.iter_rows(named=True)}
    clauses: list[str] = []
    rated = None if voice is None else voice.filter(pl.col("satisfied").is_not_null()).sort("satisfied")
    if rated is not None and rated.height > 1 and rated["high"][0] < _minimum(rated["low"][1:]):
        is_complete = voice is None or rated.height == voice.height
        scope = "" if is_complete else f" of {rated.height} stages with enough answers"
        clauses.append(f"satisfaction is lowest at {quoted(rated['stage'][0])}{scope}")
    weakest = weakest_step(stages)
    if weakest is not None:
        clauses.append(f"the largest share leaves after {quoted(rows[weakest - 1]['name'])}")
    return "Journey map: " + "; ".join(clauses) if clauses else "Journey map"


def incidence_headline(curves: pl.DataFrame, dimension: str | None) -> str:
    """The title of the curves: the group that ends highest, otherwise lowest, where its band clears all others."""
    ends = curves.group_by("group", maintain_order=True).last().sort("share", descending=True)
    if dimension is None or ends.height < 2:
        return "How many journeys have reached the goal by which day"
    first, others = ends.row(0, named=True), ends.tail(-1)
    days = f"{_maximum(curves['days']):.0f} days"
    if first["low"] > _maximum(others["high"]):
        return f"{dimension} {quoted(first['group'])} gets furthest: {_ended(first)} within {days}"
    last = ends.row(-1, named=True)
    if last["high"] < _minimum(ends.head(-1)["low"]):
        return f"{dimension} {quoted(last['group'])} falls behind: {_ended(last)} within {days}"
    return f"No group of {dimension} is clearly ahead after {days}"


def _ended(row: dict[str, Any]) -> str:
    return f"{percent(row['share'])} ({interval(row['low'], row['high'])})"


def _maximum(values: pl.Series) -> float:
    maximum = values.max()
    assert isinstance(maximum, float)
    return maximum


def trend_headline(weekly: pl.DataFrame, prefix: str = "") -> str:
    """The title of one group's strips: its most remarkable run of unusual weeks, or that there is none.

    `prefix` names the group, such as "Device “App”: ".
    """
    runs = unusual_runs(weekly)
    if runs:
        sentence = _run_sentence(runs[0])
    else:
        compared = weekly["low"].drop_nulls().len() > 0
        sentence = "No week outside its expected range" if compared else "Conversion week by week"
    return f"{prefix}{sentence[:1].lower()}{sentence[1:]}" if prefix else sentence


def trends_headline(weekly: pl.DataFrame) -> str:
    """The title of the trends page: the most remarkable run of all customers, otherwise of a group."""
    runs = unusual_runs(weekly.filter(pl.col("dimension").is_null())) or unusual_runs(weekly)
    if not runs:
        return "How conversion moves"
    sentence = _run_sentence(runs[0])
    if runs[0]["dimension"] is None:
        return sentence
    return f"{runs[0]['dimension']} {quoted(runs[0]['segment'])}: {sentence[:1].lower()}{sentence[1:]}"


def _run_sentence(run: dict[str, Any]) -> str:
    first, last = run["first"], run["last"]
    when = (
        f"week of {first.day} {first:%B}"
        if first == last
        else (f"weeks of {first.day} {first:%B} to {last.day} {last:%B}")
    )
    side = "below" if run["difference"] < 0 else "above"
    size = points(abs(run["difference"])).lstrip("+")
    return f"Going on to {quoted(run['name'])} was {size} {side} usual in the {when}"


def _minimum(values: pl.Series) -> float:
    minimum = values.min()
    assert isinstance(minimum, float)
    return minimum


def in_words(share: float, low: float, high: float) -> str:
    """The start of a sentence about a share of customers; a simple fraction where one is close.

    Where the interval is wider than a fifth of the share, the sentence gives its ends.

    >>> in_words(0.107, 0.104, 0.110)
    'About one in nine customers who enter reaches'
    >>> in_words(0.5, 0.495, 0.505), in_words(0.134, 0.13, 0.138).replace(chr(0x202f), " ")
    ('Half of the customers who enter reach', '13.4 % of customers who enter reach')
    >>> in_words(0.5, 0.34, 0.66).replace(chr(0x202f), " ")
    'Between 34 % and 66 % of customers who enter reach'
    """
    if high - low > share / 5:
        ends = (percent(floor(low * 100) / 100, 0), percent(ceil(high * 100) / 100, 0))
        return f"Between {ends[0]} and {ends[1]} of customers who enter reach"
    words = ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
    if abs(share - 0.5) < 0.005:
        return "Half of the customers who enter reach"
    for above, below in ((2, 3), (3, 4)):
        if abs(share * below / above - 1) < 0.02:
            return f"About {words[above - 2]} in {words[below - 2]} customers who enter reach"
    parts = round(1 / share) if share > 0 else 0
    if 2 < parts <= 10 and abs(share * parts - 1) < 0.04:
        about = "One" if abs(share * parts - 1) < 0.01 else "About one"
        return f"{about} in {words[parts - 2]} customers who enter reaches"
    return f"{percent(share)} of customers who enter reach"


def _step(rows: dict[int, dict[str, Any]], step: int) -> str:
    return f"{quoted(rows[step - 1]['name'])} → {quoted(rows[step]['name'])}"


def _target(touchpoint: str) -> str:
    return "another touchpoint" if touchpoint == OTHER else quoted(touchpoint)
