"""Turns the numbers behind a chart into a table for the page and into plain columns for files.

A table shows what the chart shows, in the same words; files hold every column of the published frame.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from reports.privacy.flow import OTHER
from reports.privacy.stages import BOUNDED, FEW, WITHHELD
from reports.questions.answers import GoalDefinition
from reports.questions.cube import Cube
from reports.words.numbers import (
    MISSING,
    average,
    bounded,
    channel_name,
    count,
    interval,
    length,
    percent,
    points,
    points_interval,
    quoted,
    shown_name,
    signed_percent,
    two_digits,
    wait,
    whole_interval,
)
from reports.words.problems import at_stake_of, friction_of, pain_of, problem_of, whom_of


@dataclass(frozen=True)
class Table:
    """A table of text: column heads and rows; `words` are the positions of columns that hold no numbers."""

    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    words: tuple[int, ...] = (0,)


def stages_table(frame: pl.DataFrame) -> Table:
    """The stage funnel."""
    heads = (
        "Stage",
        "Journeys",
        "Of all",
        "95 % interval",
        "Of the stage before",
        "95 % interval",
        "Did not go on to it",
        "Touched it",
        "Skipped it",
        "Median time",
        "90 % within",
        "Younger, so far",
        "Through all stages",
    )
    rows = [
        (
            shown_name(r["name"]),
            _counted(r["reached"]),
            percent(r["share_of_entered"]),
            interval(r["share_of_entered_low"], r["share_of_entered_high"]),
            _rate(r["share_of_previous"], r) if r["step"] > 1 else MISSING,
            interval(r["share_of_previous_low"], r["share_of_previous_high"]),
            _counted(r["dropped"]) if r["step"] > 1 else MISSING,
            _counted(r["touched"]),
            _counted(r["skipped"]),
            wait(r["median_wait"]),
            wait(r["p90_wait"]),
            _counted(r["open"]),
            MISSING if r["kind"] != "goal" else _counted(r["all_stages"]),
        )
        for r in frame.sort("step").iter_rows(named=True)
    ]
    return Table(heads, tuple(rows))


def goals_table(frame: pl.DataFrame) -> Table:
    """The goals with their rates; worth and what the customer gets only where a goal says so."""
    has_value = frame["value"].count() > 0
    has_words = frame["for_customer"].str.len_chars().sum() > 0
    heads: tuple[str, ...] = ("Goal", "Within", "Journeys", "Reached it", "Rate", "95 % interval", "Later", "Direct")
    rows = [
        (
            shown_name(r["goal"]),
            length(r["horizon"]),
            _counted(r["mature"]),
            _counted(r["reached"]),
            {FEW: "too few", WITHHELD: "withheld"}.get(r["state"], percent(r["goal_rate"])),
            interval(r["goal_rate_low"], r["goal_rate_high"]),
            _counted(r["late"]),
            _counted(r["direct"]),
            *([MISSING if r["value"] is None else count(round(r["value"]))] if has_value else []),
            *([r["for_customer"] or MISSING] if has_words else []),
        )
        for r in frame.iter_rows(named=True)
    ]
    heads = (*heads, *(["Value"] if has_value else []), *(["For the customer"] if has_words else []))
    return Table(heads, tuple(rows), words=(0, 1, *([len(heads) - 1] if has_words else [])))


def definitions_table(goals: Sequence[GoalDefinition]) -> Table:
    """What each goal means, in words."""
    rows = [
        (
            shown_name(goal.name),
            " or ".join(_step(step) for step in goal.steps),
            length(goal.horizon),
            goal.owner or MISSING,
            goal.reviewed or "not reviewed",
            goal.says or MISSING,
        )
        for goal in goals
    ]
    return Table(
        ("Goal", "A touch of", "Within", "Owner", "Reviewed", "In words"), tuple(rows), words=(0, 1, 2, 3, 4, 5)
    )


def _step(step: str) -> str:
    """A step of a goal: a touchpoint, or any touch of a stage."""
    name = step.removeprefix("stage:")
    return quoted(name) if name == step else f"the stage {quoted(name)}"


def changes_table(frame: pl.DataFrame) -> Table:
    """The newest period against the one before, step by step."""
    heads = (
        "Stage",
        "Of all: difference",
        "95 % interval",
        "Of the stage before: difference",
        "95 % interval",
        "Clear",
    )
    rows = [
        (
            shown_name(r["name"]),
            points(r["entered_difference"]),
            points_interval(r["entered_low"], r["entered_high"]),
            points(r["previous_difference"]),
            points_interval(r["previous_low"], r["previous_high"]),
            MISSING
            if r["previous_low"] is None
            else "yes"
            if r["previous_low"] > 0 or r["previous_high"] < 0
            else "no",
        )
        for r in frame.filter(pl.col("step") > 1).sort("step").iter_rows(named=True)
    ]
    return Table(heads, tuple(rows), words=(0, 5))


def segments_table(frame: pl.DataFrame) -> Table:
    """Step conversion by group."""
    heads = (
        "Group",
        "Step",
        "Conversion",
        "95 % interval",
        "Journeys before",
        "Difference from the others",
        "95 % interval of it",
    )
    rows = [
        (
            f"{r['dimension']}: {shown_name(r['segment'])}",
            f"→ {shown_name(r['name'])}",
            _rate(r["share"], r),
            interval(r["low"], r["high"]),
            _counted(r["previous"]),
            points(r["difference"]),
            points_interval(r["difference_low"], r["difference_high"]),
        )
        for r in frame.iter_rows(named=True)
    ]
    return Table(heads, tuple(rows), words=(0, 1))


def links_table(frame: pl.DataFrame) -> Table:
    """The moves of a flow, largest first."""
    heads = ("From", "To", "Step", "Journeys", "Of the source", "Reach the goal")
    rows = [
        (
            _touchpoint(r["source"]),
            _touchpoint(r["target"]),
            f"{r['position']} → {r['position'] + 1}",
            count(r["units"]),
            percent(r["share_of_source"]),
            r["goal_text"],
        )
        for r in frame.sort("units", descending=True, maintain_order=True).head(60).iter_rows(named=True)
    ]
    return Table(heads, tuple(rows), words=(0, 1, 2))


def problems_table(frame: pl.DataFrame) -> Table:
    """The problems with most goals at stake."""
    heads = ("Problem", "Where", "Goals at stake", "95 % interval", "Go on, or reach the goal", "Usually", "Journeys")
    rows = [
        (
            problem_of(r),
            whom_of(r),
            f"{r['at_stake']:,.0f}",
            whole_interval(r["low"], r["high"]),
            percent(r["share"]),
            percent(r["usual"]),
            count(r["journeys"]),
        )
        for r in frame.iter_rows(named=True)
    ]
    return Table(heads, tuple(rows), words=(0, 1))


def used_table(frame: pl.DataFrame) -> Table:
    """Touchpoints by stage."""
    rows = [
        (shown_name(r["stage"]), shown_name(r["touchpoint"]), count(r["customers"]), percent(r["share"]))
        for r in frame.iter_rows(named=True)
    ]
    return Table(("Stage", "Touchpoint", "Customers", "Of the stage's customers"), tuple(rows), words=(0, 1))


def paths_table(frame: pl.DataFrame) -> Table:
    """The commonest whole paths."""
    rows = [
        (" → ".join(_touchpoint(name) for name in r["route"]), r["ended"], count(r["units"]), percent(r["share"]))
        for r in frame.iter_rows(named=True)
    ]
    return Table(("Path", "Ended", "Journeys", "Of all mature journeys"), tuple(rows), words=(0, 1))


def credit_table(frame: pl.DataFrame) -> Table:
    """The credit of channels by three models, goal rates with and without them, and the effect."""
    heads = ["Channel", "Last", "Linear", "Markov", "95 % interval", "With", "Without", "Effect", "95 % interval"]
    more = [(name, head) for name, head in _SPENT if frame[name].count()]
    rows = [
        (
            channel_name(r["channel"]),
            *(percent(r[name]) for name in ("last", "linear", "markov")),
            interval(r["markov_low"], r["markov_high"]),
            *(percent(r[name]) for name in ("rate_with", "rate_without")),
            signed_percent(r["effect"]),
            points_interval(r["effect_low"], r["effect_high"]),
            *(cell for name, _ in more for cell in _with_ends(r, name)),
        )
        for r in frame.iter_rows(named=True)
    ]
    for name, head in more:
        heads += [head] if name == "cost" else [head, "95 % interval"]
    return Table(tuple(heads), tuple(rows))


_SPENT = (("cost", "Cost"), ("cost_per_goal", "Cost a goal"), ("return_on_cost", "Return"))


def _with_ends(row: dict[str, Any], name: str) -> list[str]:
    """An amount, and its interval where it has one."""
    if name == "cost":
        return [count(row[name])]
    low, high = (row[f"{name}{end}"] for end in ("_low", "_high"))
    return [two_digits(row[name]), MISSING if low is None or high is None else f"{two_digits(low)}–{two_digits(high)}"]


def families_table(frame: pl.DataFrame, currency: str | None) -> Table:
    """The families of routes: what they bring, what they take, and how they felt; columns of nothing are left out."""
    worth = "Value a goal" + (f" ({currency})" if currency else "")
    columns: list[tuple[str, str, Callable[[dict[str, Any]], str]]] = [
        ("family", "Route", lambda r: shown_name(r["family"])),
        ("share_of_goals", "Of goals", lambda r: percent(r["share_of_goals"])),
        ("goal_rate", "Goal rate", lambda r: percent(r["goal_rate"])),
        ("goal_rate_low", "95 % interval", lambda r: interval(r["goal_rate_low"], r["goal_rate_high"])),
        ("median_time", "Median time", lambda r: wait(r["median_time"])),
        ("median_touches", "Touches", lambda r: average(r["median_touches"])),
        ("handoffs", "Hand-offs", lambda r: average(r["handoffs"], 1)),
        ("effort", "Effort", lambda r: average(r["effort"], 1)),
        ("value_per_goal", worth, lambda r: average(r["value_per_goal"])),
        ("csat", "Satisfied", lambda r: percent(r["csat"])),
        ("csat_low", "95 % interval", lambda r: interval(r["csat_low"], r["csat_high"])),
        ("late_share", "Nearly there", lambda r: percent(r["late_share"])),
    ]
    kept = [(head, text) for name, head, text in columns if frame[name].count()]
    rows = [tuple(text(row) for _, text in kept) for row in frame.iter_rows(named=True)]
    return Table(tuple(head for head, _ in kept), tuple(rows))


def positions_table(frame: pl.DataFrame) -> Table:
    """Where journeys are at each position, one row per touchpoint."""
    wide = frame.with_columns(pl.col("position").cast(pl.String)).pivot(
        on="position", index="touchpoint", values="share", aggregate_function="first"
    )
    steps = [name for name in wide.columns if name != "touchpoint"]
    steps.sort(key=int)
    rows = [(_touchpoint(r["touchpoint"]), *(percent(r[step]) for step in steps)) for r in wide.iter_rows(named=True)]
    return Table(("Touchpoint", *(f"Step {step}" for step in steps)), tuple(rows))


def moves_table(frame: pl.DataFrame) -> Table:
    """Moves between touchpoints, most frequent first."""
    ends = {
        "START": "(start)",
        "END_converted": "(goal reached)",
        "END_abandoned": "(abandoned)",
        "END_open": "(still open)",
    }
    rows = [
        (
            ends.get(r["source"]) or _touchpoint(r["source"]),
            ends.get(r["target"]) or _touchpoint(r["target"]),
            count(r["transitions"]),
            count(r["customers"]),
        )
        for r in frame.head(60).iter_rows(named=True)
    ]
    return Table(("From", "To", "Moves", "Customers"), tuple(rows), words=(0, 1))


def weeks_table(frame: pl.DataFrame) -> Table:
    """Step conversion by week."""
    rows = [
        (
            f"{r['week'].day} {r['week']:%b %Y}",
            f"→ {shown_name(r['name'])}",
            _rate(r["share"], r),
            interval(r["low"], r["high"]),
            _counted(r["previous"]),
            "alert" if r["unusual"] else "not over" if r["state"] == "open" else "",
        )
        for r in frame.sort("week", "step").iter_rows(named=True)
    ]
    heads = ("Week of", "Step", "Conversion", "95 % interval", "Journeys before", "Note")
    return Table(heads, tuple(rows), words=(0, 1, 5))


def release_name(row: Mapping[str, Any]) -> str:
    """What was released: what was noted, or a version with the name of its column.

    >>> release_name({"name": "4.2", "column": "App version"})
    'App version 4.2'
    """
    name = shown_name(row["name"])
    return name if row["column"] is None else f"{shown_name(row['column'])} {name}"


def releases_table(frame: pl.DataFrame) -> Table:
    """Releases, the newest first."""
    rows = [(f"{r['day'].day} {r['day']:%b %Y}", release_name(r)) for r in frame.reverse().iter_rows(named=True)]
    return Table(("Day", "Released"), tuple(rows), words=(0, 1))


def incidents_table(frame: pl.DataFrame) -> Table:
    """All alerts, the newest first."""
    heads = ("Since", "Alert", "Goals at stake", "95 % interval", "Status")
    rows = [
        (
            f"{r['first'].day} {r['first']:%b %Y}",
            r["sentence"],
            count(r["goals"]),
            MISSING if r["goals"] is None else whole_interval(r["low"], r["high"]),
            "open" if r["closed"] is None else f"closed {r['closed'].day} {r['closed']:%b}",
        )
        for r in frame.iter_rows(named=True)
    ]
    return Table(heads, tuple(rows), words=(0, 1, 4))


def incident_days_table(frame: pl.DataFrame) -> Table:
    """The days of one incident."""
    rows = [
        (
            f"{r['day'].day} {r['day']:%b %Y}",
            percent(r["share"]),
            interval(r["low"], r["high"]),
            percent(r["others"]),
            count(r["of"]),
        )
        for r in frame.iter_rows(named=True)
    ]
    return Table(("Day", "Goes on", "Expected", "All others", "Journeys"), tuple(rows), words=(0,))


def linked_table(frame: pl.DataFrame, words: dict[str, str]) -> Table:
    """How touches are tied to customers."""
    rows = [(words.get(r["way"], r["way"]), percent(r["share"])) for r in frame.iter_rows(named=True)]
    return Table(("Tied", "Of all touches"), tuple(rows))


def verdicts_table(frame: pl.DataFrame) -> Table:
    """Expectations that were not met, by day."""
    rows = [
        (
            f"{r['day'].day} {r['day']:%b %Y}",
            r["suite"],
            r["belief"],
            "refuses" if r["severity"] == "refuse" else "warns",
            percent(r["share"]),
        )
        for r in frame.filter(pl.col("belief").is_not_null() & (pl.col("met") < pl.col("of"))).iter_rows(named=True)
    ]
    return Table(("Day", "Suite", "Not met", "If not met", "Of the day's rows"), tuple(rows), words=(0, 1, 2, 3))


def refused_table(frame: pl.DataFrame, k: int) -> Table:
    """Messages in quarantine by reason."""
    rows = [
        (r["reason"].replace("_", " "), f"under {k}" if r["messages"] is None else count(r["messages"]))
        for r in frame.iter_rows(named=True)
    ]
    return Table(("Reason", "Messages"), tuple(rows))


def times_table(frame: pl.DataFrame) -> Table:
    """Journeys by the time they took to the goal."""
    rows = [(r["name"], count(r["journeys"]), percent(r["share"])) for r in frame.iter_rows(named=True)]
    return Table(("From the first touch to the goal", "Journeys", "Of those that reached it"), tuple(rows))


def incidence_table(frame: pl.DataFrame) -> Table:
    """The share that has reached the goal by day, at about ten moments."""
    rows = [
        (
            "All" if r["group"] is None else shown_name(r["group"]),
            f"{r['days']:.1f}",
            percent(r["share"]),
            interval(r["low"], r["high"]),
            count(r["journeys"]),
        )
        for r in frame.with_row_index().iter_rows(named=True)
        if r["index"] % 6 == 0 or r["days"] == frame["days"][-1]
    ]
    return Table(("Group", "Days since the first touch", "Reached the goal", "95 % interval", "Journeys"), tuple(rows))


def cube_table(published: Cube, names: tuple[str, ...]) -> Table:
    """The cube summed over its periods: all journeys, the groups of each dimension, then those of both."""
    counts = [name for name in published.cells.columns if name.startswith("n")]
    fields = ("a", "b")[: len(names)]
    rows: list[tuple[str, ...]] = []
    for dimensions in ((), *((field,) for field in fields), *([fields] if len(fields) > 1 else [])):
        cells = published.cells.filter(*(pl.col(field).is_not_null() for field in dimensions))
        total = pl.col(counts).sum()
        sums = cells.group_by(dimensions).agg(total) if dimensions else cells.select(total)
        for row in sums.sort("n1", *dimensions, descending=[True, *(False for _ in dimensions)]).iter_rows(named=True):
            groups = (shown_name(row[field]) if field in dimensions else "all" for field in fields)
            rows.append((*groups, *(count(row[name]) for name in counts)))
    heads = (*names, *(shown_name(step) for step in published.steps))
    return Table(heads, tuple(rows), words=tuple(range(len(names))))


def as_files(frame: pl.DataFrame) -> pl.DataFrame:
    """The frame with plain columns, as it is written to a file: times in seconds, lists as text.

    >>> from datetime import timedelta
    >>> as_files(pl.DataFrame({"median_wait": [timedelta(minutes=2)]})).to_dict(as_series=False)
    {'median_wait_seconds': [120.0]}
    """
    columns: list[pl.Expr] = []
    for name, dtype in frame.schema.items():
        if isinstance(dtype, pl.Duration):
            columns.append((pl.col(name).dt.total_microseconds() / 1e6).alias(f"{name}_seconds"))
        elif isinstance(dtype, pl.List):
            columns.append(pl.col(name).list.join(" → ").alias(name))
        else:
            columns.append(pl.col(name))
    return frame.select(columns)


def _touchpoint(name: str) -> str:
    return "Other" if name == OTHER else shown_name(name)


def _counted(value: int | None) -> str:
    return "withheld" if value is None else count(value)


def _rate(share: float | None, row: dict[str, Any]) -> str:
    if row["state"] == BOUNDED:
        return bounded(row["bound_low"], row["bound_high"])
    return {FEW: "too few", WITHHELD: "withheld"}.get(row["state"], percent(share)) if share is None else percent(share)


def friction_table(frame: pl.DataFrame) -> Table:
    """What journeys meet at each stage."""
    rows = [
        (
            shown_name(row["stage"]),
            friction_of(row),
            count(row["with_it"]),
            count(row["journeys"]),
            percent(row["share"]),
            "yes" if row["is_costly"] else "",
        )
        for row in frame.iter_rows(named=True)
    ]
    heads = ("Stage", "What", "Journeys that met it", "Journeys at the stage", "Share", "Clearly costs goals")
    return Table(heads, tuple(rows), words=(0, 1, 5))


def pains_table(frame: pl.DataFrame) -> Table:
    """What gets in the way."""
    rows = [
        (
            pain_of(row),
            count(row["with_it"]),
            count(row["reached"]),
            percent(row["goal_rate"]),
            interval(row["goal_rate_low"], row["goal_rate_high"]),
            percent(row["goal_rate_alike"]),
            at_stake_of(row),
        )
        for row in frame.iter_rows(named=True)
    ]
    heads = ("What", "Journeys", "Reached the goal", "Goal rate", "95 % interval", "Alike", "Goals at stake")
    return Table(heads, tuple(rows))
