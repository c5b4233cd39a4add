"""Writes the headlines of pages and charts from the published frames.

A headline claims only what its interval supports; otherwise a neutral title stands instead. A share comes with its
interval, unless that is so narrow that the words hold anywhere in it.
"""

from __future__ import annotations

from datetime import timedelta
from math import ceil, floor
from typing import Any

import polars as pl

from reports.privacy.flow import OTHER, Flow
from reports.privacy.goals import DIRECT
from reports.privacy.stages import NO_VALUE, SHOWN
from reports.questions.intervals import clearly_larger, share_interval
from reports.words.numbers import MISSING, count, interval, length, percent, points, points_interval, quoted, shown_name


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
    return int(lost["step"][0]) if _leads(lost["dropped"], journey_worth(stages)) else None


def journey_worth(stages: pl.DataFrame) -> float:
    """How many independent journeys one is worth at least, as those of a customer are alike: customers by journeys.

    1 where they are withheld.
    """
    first = stages.row(0, named=True)
    return min(1.0, first["customers"] / first["reached"]) if first["customers"] and first["reached"] else 1.0


def _leads(counts: pl.Series, worth: float) -> bool:
    """Whether the first of falling counts is clearly above the second; a single count always is.

    >>> _leads(pl.Series([540, 500]), 1), _leads(pl.Series([640, 500]), 1), _leads(pl.Series([40]), 1)
    (False, True, True)
    """
    return len(counts) < 2 or clearly_larger(float(counts[0]) * worth, float(counts[1]) * worth)


def summary_headline(stages: pl.DataFrame, goal: str, min_customers: int = 30) -> str:
    """The headline of the report: what share of journeys reaches the goal, by any route, and where they stop."""
    rows = {row["step"]: row for row in stages.iter_rows(named=True)}
    last = rows[max(rows)]
    if _only_direct(rows[min(rows)]):
        return f"All journeys are direct: {quoted(goal)} without another stage before it"
    if _is_withheld(stages, min_customers):
        return f"The share of journeys that reach {quoted(goal)} is withheld: it would reveal few customers"
    if last["share_of_entered"] is None:
        return "Too few journeys so far to say how many reach the goal"
    if last["reached"] == 0:
        return f"No journey has reached {quoted(goal)} within its window yet"
    ends = last["share_of_entered_low"], last["share_of_entered_high"]
    sentence = f"{in_words(last['share_of_entered'], *ends)} {quoted(goal)}"
    weakest, largest = weakest_step(stages), largest_loss(stages)
    if weakest is not None and weakest == largest:
        return f"{sentence}; most stop at {_step(rows, weakest)}"
    if weakest is not None:
        return f"{sentence}; the weakest step is {_step(rows, weakest)}"
    return sentence


def _only_direct(first: dict[str, Any]) -> bool:
    """Whether the only journeys there are have no stage but the goal's."""
    return first["entered"] == 0 and first["open"] == 0 and bool(first["direct"])


def _is_withheld(stages: pl.DataFrame, min_customers: int) -> bool:
    """Whether there are enough customers for a goal rate, and it is hidden all the same."""
    first, last = stages.row(0, named=True), stages.row(-1, named=True)
    return last["share_of_entered"] is None and (first["customers"] or 0) >= min_customers


def summary_lede(stages: pl.DataFrame, window: timedelta, k: int, min_customers: int = 30) -> str:
    """The goal rate with its counts, the share that went through all stages, and the journeys that are too young."""
    last, first = stages.row(-1, named=True), stages.row(0, named=True)
    within = f"within {length(window)}"
    if _is_withheld(stages, min_customers):
        text = (
            f"How many of {_counted(first['entered'], k)} journeys reach it {within} is withheld: a group of fewer "
            f"than {k} customers would be known."
        )
    elif last["share_of_entered"] is None:
        text = f"A rate {within} needs more mature journeys: {_counted(first['entered'], k)} so far."
    else:
        ends = interval(last["share_of_entered_low"], last["share_of_entered_high"])
        text = (
            f"By any route, {within} of their beginning: {count(last['reached'])} of {count(last['entered'])} journeys "
            f"(95 %: {ends})."
        )
        if last["all_stages"] is not None and stages.height > 1:
            text += f" {percent(last['all_stages'] / last['entered'])} went through all stages in order."
    if first["open"]:
        text += f" {count(first['open'])} journeys are younger than {length(window)} and not counted yet."
    if first["direct"]:
        text += f" {count(first['direct'])} more are direct: the goal without another stage before it."
    return text


def _counted(value: int | None, k: int) -> str:
    return f"fewer than {k}" if value is None else count(value)


FUNNEL = "How far journeys get, stage by stage"


def funnel_headline(stages: pl.DataFrame) -> str:
    """The title of the stage funnel."""
    rows = {row["step"]: row for row in stages.iter_rows(named=True)}
    weakest, largest = weakest_step(stages), largest_loss(stages)
    if weakest is None:
        return FUNNEL
    between = f"between {quoted(rows[weakest - 1]['name'])} and {quoted(rows[weakest]['name'])}"
    if largest == weakest:
        return f"Most journeys stop {between}"
    return f"The weakest step is {between}"


def segments_headline(frame: pl.DataFrame) -> str:
    """The title of the chart by segment: the group clearly below the others that costs most, otherwise above them."""
    if frame.filter(pl.col("verdict").is_not_null()).is_empty():
        return "From stage to stage, by group"
    found = _most_different(frame)
    if found is not None:
        side = "less" if found["verdict"] == "below" else "more"
        return f"{found['dimension']} {quoted(found['segment'])} goes on to {quoted(found['name'])} {side} often"
    named = frame.filter(pl.col("segment") != NO_VALUE)
    known = (named["state"] == SHOWN).all()
    return f"No group{'' if known else ' of which enough is known'} differs clearly from the others"


def segments_detail(frame: pl.DataFrame) -> str:
    """What stands behind the title: the shares and the difference with its interval; empty where nothing differs."""
    found = _most_different(frame)
    if found is None:
        return ""
    ends = interval(*sorted((abs(found["difference_low"]), abs(found["difference_high"]))))
    size = points(abs(found["difference"])).lstrip("+")
    return f"{percent(found['share'])} go on, {size} ({ends}) {found['verdict']} the others. "


def _most_different(frame: pl.DataFrame) -> dict[str, Any] | None:
    """The group and step clearly below the others that affects most journeys, otherwise clearly above."""
    known = frame.filter(pl.col("segment") != NO_VALUE).drop_nulls("difference")
    for side in ("below", "above"):
        different = known.filter(pl.col("verdict") == side).with_columns(
            weight=(pl.col("difference") * pl.col("previous")).abs()
        )
        if len(different):
            return different.sort("weight", descending=True, nulls_last=True, maintain_order=True).row(0, named=True)
    return None


def flow_headline(published: Flow, worth: float = 1.0) -> str:
    """The title of the flow: the most frequent first move, if clearly so for journeys of this `journey_worth`."""
    first = _first_move(published, worth)
    if first is None:
        return "The routes customers take"
    return f"The commonest start is {quoted(first['source'])} then {_target(first['target'])}"


def flow_detail(published: Flow, window: timedelta, worth: float = 1.0) -> str:
    """What stands behind the title: the share of the first move, and the share of it that reaches the goal."""
    row = _first_move(published, worth)
    if row is None:
        return ""
    share = percent(row["units"] / published.units, 0 if published.rounded else 1)
    goal = f"; {row['goal_text']} of these reach the goal within {length(window)}"
    return f"{share} of journeys start so{'' if row['goal_text'] == MISSING else goal}. "


def _first_move(published: Flow, worth: float) -> dict[str, Any] | None:
    first = published.links.filter((pl.col("position") == 1) & (pl.col("source") != OTHER))
    first = first.sort("units", descending=True, maintain_order=True)
    return None if first.is_empty() or not _leads(first["units"], worth) else first.row(0, named=True)


def credit_headline(credit: pl.DataFrame) -> str:
    """The title of the credit: who helps more than the last touch shows, at most two, those with most more.

    Both say so: the credit by Markov, and the effect.
    """
    more = credit.filter(pl.col("markov_low") > pl.col("last"), pl.col("effect_low") > 0).sort(
        pl.col("markov") - pl.col("last"), "channel", descending=[True, False]
    )
    names = [quoted(name) for name in more["channel"].head(2)]
    if not names:
        return "Which channels get the credit for the goals"
    return f"{' and '.join(names)} {'help' if len(names) > 1 else 'helps'} more than the last touch shows"


def credit_detail(credit: pl.DataFrame) -> str:
    """Where the credit by Markov and the effect part, those first that are farthest apart; at most two."""
    apart = credit.filter("part").sort((pl.col("effect") - pl.col("markov")).abs(), "channel", descending=[True, False])
    told = [
        f"{shown_name(row['channel'])} (credit {percent(row['markov'])}, effect "
        f"{points_interval(row['effect_low'], row['effect_high'])} %)"
        for row in apart.head(2).iter_rows(named=True)
    ]
    return f"Credit and effect part at {'; '.join(told)}. " if told else ""


def families_headline(families: pl.DataFrame) -> str:
    """The title of the routes to the goal: the family that brings most goals, where its share is told."""
    first = families.row(0, named=True)
    if not first["share_of_goals"]:
        return "By which routes journeys reach the goal"
    if first["family"] == DIRECT:
        return f"{percent(first['share_of_goals'])} of goals come with no touch before them"
    return f"{percent(first['share_of_goals'])} of goals come by {quoted(first['family'])}"


def commonest_headline(reached: pl.DataFrame, lost: pl.DataFrame, worth: float = 1.0) -> str:
    """The title of the commonest paths: the commonest one to the goal, otherwise the commonest without it, if clear.

    `reached` and `lost` have `route` and `units`, most frequent first; journeys have this `journey_worth`.
    """
    if reached.height and _leads(reached["units"], worth):
        return f"The commonest path to the goal is {_path_text(reached['route'][0].to_list())}"
    if lost.height and _leads(lost["units"], worth):
        return f"The commonest path without the goal is {_path_text(lost['route'][0].to_list())}"
    return "The commonest complete paths"


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
    if voice is not None:
        rated = voice.filter(pl.col("satisfied").is_not_null()).sort("satisfied")
        if rated.height > 1 and rated["high"][0] < _minimum(rated["low"][1:]):
            scope = "" if rated.height == voice.height else f" of {rated.height} stages with enough answers"
            clauses.append(f"satisfaction is lowest at {quoted(rated['stage'][0])}{scope}")
    weakest = weakest_step(stages)
    if weakest is not None:
        clauses.append(f"the largest share leaves after {quoted(rows[weakest - 1]['name'])}")
    sentence = "; ".join(clauses)
    return sentence[:1].upper() + sentence[1:] if clauses else "The journey, stage by stage"


def incidence_headline(curves: pl.DataFrame, dimension: str | None) -> str:
    """The title of the curves: the group that ends highest, otherwise lowest, where its band clears all others."""
    ends = curves.group_by("group", maintain_order=True).last().sort("share", descending=True)
    if dimension is None or ends.height < 2:
        return "How many journeys have reached the goal by which day"
    first, others = ends.row(0, named=True), ends.tail(-1)
    days = f"{_maximum(curves['days']):.0f} days"
    if first["low"] > _maximum(others["high"]):
        return f"{dimension} {quoted(first['group'])} gets furthest within {days}"
    last = ends.row(-1, named=True)
    if last["high"] < _minimum(ends.head(-1)["low"]):
        return f"{dimension} {quoted(last['group'])} falls behind within {days}"
    return f"No group of {dimension} is clearly ahead after {days}"


def _maximum(values: pl.Series) -> float:
    maximum = values.max()
    assert isinstance(maximum, float)
    return maximum


def trend_headline(weekly: pl.DataFrame) -> str:
    """The title of the weeks: the steps with an alert, or that there is none.

    >>> trend_headline(pl.DataFrame({"step": [2, 3], "name": ["Cart", "Paid"], "unusual": [False, True]}))
    'Conversion week by week, with an alert before “Paid”'
    """
    names = weekly.filter("unusual").unique("step").sort("step")["name"].to_list()
    if not names:
        return "Conversion week by week"
    before = " and ".join(filter(None, [", ".join(map(quoted, names[:-1])), quoted(names[-1])]))
    return f"Conversion week by week, with {'an alert' if len(names) == 1 else 'alerts'} before {before}"


def _minimum(values: pl.Series) -> float:
    minimum = values.min()
    assert isinstance(minimum, float)
    return minimum


def changes_headline(changes: pl.DataFrame) -> str:
    """The title of the change between two periods: of the steps that moved clearly, the one that moved most.

    In: `name`, `previous_difference`, `previous_low`, `previous_high` by step.
    """
    clear = changes.filter((pl.col("previous_low") > 0) | (pl.col("previous_high") < 0))
    if clear.is_empty():
        return "No step has clearly changed"
    row = clear.sort(pl.col("previous_difference").abs(), descending=True).row(0, named=True)
    return f"Going on to {quoted(row['name'])} {'rose' if row['previous_difference'] > 0 else 'fell'} clearly"


def in_words(share: float, low: float, high: float) -> str:
    """The start of a sentence about a share of journeys; a simple fraction where one is close.

    Where the interval is wider than a fifth of the share, the sentence gives its ends.

    >>> in_words(0.107, 0.104, 0.110)
    'About one in nine journeys reaches'
    >>> in_words(0.5, 0.495, 0.505), in_words(0.134, 0.13, 0.138).replace(chr(0x202f), " ")
    ('Half of the journeys reach', '13.4 % of journeys reach')
    >>> in_words(0.5, 0.34, 0.66).replace(chr(0x202f), " ")
    'Between 34 % and 66 % of journeys reach'
    >>> in_words(1.0, 0.98, 1.0), in_words(0.9997, 0.999, 1.0)
    ('Every journey reaches', 'Nearly every journey reaches')
    """
    if share == 1.0:
        return "Every journey reaches"
    if high - low > share / 5:
        ends = (percent(floor(round(low * 100, 6)) / 100, 0), percent(ceil(round(high * 100, 6)) / 100, 0))
        return f"Between {ends[0]} and {ends[1]} of journeys reach"
    if share >= 0.9995:
        return "Nearly every journey reaches"
    words = ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
    if abs(share - 0.5) < 0.005:
        return "Half of the journeys reach"
    for above, below in ((2, 3), (3, 4)):
        if abs(share * below / above - 1) < 0.02:
            return f"About {words[above - 2]} in {words[below - 2]} journeys reach"
    parts = round(1 / share) if share > 0 else 0
    if 2 < parts <= 10 and abs(share * parts - 1) < 0.04:
        about = "One" if abs(share * parts - 1) < 0.01 else "About one"
        return f"{about} in {words[parts - 2]} journeys reaches"
    return f"{percent(share)} of journeys reach"


def _step(rows: dict[int, dict[str, Any]], step: int) -> str:
    return f"{quoted(rows[step - 1]['name'])} → {quoted(rows[step]['name'])}"


def _target(touchpoint: str) -> str:
    return "another touchpoint" if touchpoint == OTHER else quoted(touchpoint)
