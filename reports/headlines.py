"""What does the report conclude? Sentences computed from the published frames.

A sentence claims only what clears its interval; otherwise it falls back to a neutral title that claims nothing.
"""

from __future__ import annotations

from typing import Any

import polars as pl

from reports.flows import OTHER, Flow
from reports.formats import count, percent, points, quoted, shown_name
from reports.published import NO_VALUE
from reports.trends import runs


def weakest_step(stages: pl.DataFrame) -> int | None:
    """The step with the lowest share of the step before, if its interval lies below every other step's.

    The last step counts as well; with two steps there is nothing to compare, and the answer is null.
    """
    rated = stages.filter(pl.col("share_of_previous").is_not_null()).sort("share_of_previous")
    if rated.height < 2:
        return None
    lowest, others = rated.row(0, named=True), rated.tail(-1)
    clear = lowest["share_of_previous_high"] < others["share_of_previous_low"].min()
    return int(lowest["step"]) if clear else None


def largest_loss(stages: pl.DataFrame) -> int | None:
    """The step before which most customers are lost."""
    lost = stages.filter(pl.col("dropped").is_not_null() & (pl.col("step") > 1)).sort("dropped")
    return None if lost.is_empty() or not lost["dropped"][-1] else int(lost["step"][-1])


def overview(stages: pl.DataFrame, goal: str) -> str:
    """The sentence on top of the report: how many get to the goal, and where they are lost."""
    rows = {row["step"]: row for row in stages.iter_rows(named=True)}
    last = rows[max(rows)]
    if last["share_of_entered"] is None:
        return "Too few customers so far to say how many reach the goal"
    sentence = f"{in_words(last['share_of_entered'])} {quoted(goal)}"
    weakest, largest = weakest_step(stages), largest_loss(stages)
    if weakest is not None and weakest == largest:
        return f"{sentence}; most are lost at {_step(rows, weakest)}"
    if weakest is not None:
        return f"{sentence}; the weakest step is {_step(rows, weakest)}"
    return sentence


def funnel(stages: pl.DataFrame) -> str:
    """The title of the stage funnel."""
    rows = {row["step"]: row for row in stages.iter_rows(named=True)}
    weakest, largest = weakest_step(stages), largest_loss(stages)
    if weakest is None:
        return "How far customers get, stage by stage"
    row = rows[weakest]
    sentence = (
        f"Weakest step: {percent(row['share_of_previous'])} of customers who reach "
        f"{quoted(rows[weakest - 1]['name'])} go on to {quoted(row['name'])}"
    )
    if largest is not None and largest != weakest:
        sentence += f"; the largest loss, {count(rows[largest]['dropped'])}, is before {quoted(rows[largest]['name'])}"
    return sentence


def segments(frame: pl.DataFrame, most: int = 2) -> str:
    """The title of the chart by segment: the groups that cost most, where that is clear."""
    below = frame.filter((pl.col("verdict") == "below") & (pl.col("segment") != NO_VALUE)).with_columns(
        cost=(pl.col("difference") * pl.col("previous")).abs()
    )
    worst = below.sort("cost", descending=True, nulls_last=True, maintain_order=True).unique(
        ["dimension", "segment"], keep="first", maintain_order=True
    )
    if worst.is_empty():
        return "No group of customers differs clearly from the rest"
    return "; ".join(
        f"{row['dimension']} {quoted(row['segment'])} is {points(row['difference']).lstrip('−')} below the rest "
        f"at {quoted('→ ' + shown_name(row['name']))}"
        for row in worst.head(most).iter_rows(named=True)
    )


def flow(published: Flow) -> str:
    """The title of the flow: the commonest first move, and whether it leads to the goal more often than others."""
    first = published.links.filter((pl.col("position") == 1) & (pl.col("source") != OTHER))
    if first.is_empty():
        return "The routes customers take"
    row = first.sort("units", descending=True, maintain_order=True).row(0, named=True)
    share = row["units"] / published.units
    return (
        f"The commonest start is {quoted(row['source'])} then {_shown(row['target'])}: "
        f"{percent(share)} of journeys, of which {row['goal_text']} reach the goal"
    )


def journey_map(stages: pl.DataFrame, voice: pl.DataFrame | None) -> str:
    """The title of the journey map: the stage customers like least and the one most leave, where these are clear."""
    rows = {row["step"]: row for row in stages.iter_rows(named=True)}
    said: list[str] = []
    felt = None if voice is None else voice.filter(pl.col("satisfied").is_not_null()).sort("satisfied")
    if felt is not None and felt.height > 1 and felt["high"][0] < _least(felt["low"][1:]):
        said.append(f"satisfaction is lowest at {quoted(felt['stage'][0])}")
    weakest = weakest_step(stages)
    if weakest is not None:
        said.append(f"most leave after {quoted(rows[weakest - 1]['name'])}")
    return "Journey map: " + "; ".join(said) if said else "Journey map"


def incidence(curves: pl.DataFrame, dimension: str | None) -> str:
    """The title of the curves: which group ends highest, or else lowest, where its band clears all the others'."""
    ends = curves.group_by("group", maintain_order=True).last().sort("share", descending=True)
    if dimension is None or ends.height < 2:
        return "How many journeys have reached the goal by which day"
    first, others = ends.row(0, named=True), ends.tail(-1)
    days = f"{_most(curves['days']):.0f} days"
    if first["low"] > _most(others["high"]):
        return f"{dimension} {quoted(first['group'])} gets furthest: {percent(first['share'])} within {days}"
    last = ends.row(-1, named=True)
    if last["high"] < _least(ends.head(-1)["low"]):
        return f"{dimension} {quoted(last['group'])} falls behind: {percent(last['share'])} within {days}"
    return f"No group of {dimension} is clearly ahead after {days}"


def _most(values: pl.Series) -> float:
    most = values.max()
    assert isinstance(most, float)
    return most


def trend(weekly: pl.DataFrame) -> str:
    """The title of one group's strips: its most remarkable run of unusual weeks, or that there is none."""
    found = runs(weekly)
    if not found:
        return "no week outside its expected range" if weekly["low"].drop_nulls().len() else "conversion week by week"
    return _told(found[0])


def trends(weekly: pl.DataFrame) -> str:
    """The title of the trends page: the most remarkable run of all customers, or else of a group."""
    found = runs(weekly.filter(pl.col("dimension").is_null())) or runs(weekly)
    if not found:
        return "How conversion moves"
    whose = "" if found[0]["dimension"] is None else f"{found[0]['dimension']} {quoted(found[0]['segment'])}: "
    return whose + _told(found[0])


def _told(run: dict[str, Any]) -> str:
    first, last = run["first"], run["last"]
    when = (
        f"week of {first.day} {first:%B}"
        if first == last
        else (f"weeks of {first.day} {first:%B} to {last.day} {last:%B}")
    )
    way = "below" if run["difference"] < 0 else "above"
    size = points(abs(run["difference"])).lstrip("+")
    return f"{quoted('→ ' + shown_name(run['name']))} was {size} {way} usual in the {when}"


def _least(values: pl.Series) -> float:
    least = values.min()
    assert isinstance(least, float)
    return least


def in_words(share: float) -> str:
    """The beginning of a sentence about a share of customers; a simple fraction where one is close.

    >>> in_words(0.107)
    'About one in nine customers who enter reaches'
    >>> in_words(0.5), in_words(0.134).replace(chr(0x202f), " ")
    ('Half of the customers who enter reach', '13.4 % of customers who enter reach')
    """
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


def _shown(touchpoint: str) -> str:
    return "another touchpoint" if touchpoint == OTHER else quoted(touchpoint)
