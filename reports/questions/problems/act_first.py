"""Where would acting bring back most goals? Incidents, groups that are always below the others, and pains, on one base.

Goals *at stake* are those that would have come at the usual rate in the report's period: the journeys at the stage
before, times the difference in going on, times the share of those who go on that reach the goal in the window of the
report. The usual rate is that of the past of an incident (`analytics.watch`), or that of journeys otherwise alike of
all other groups (`reports.questions.problems.drivers`); those of a pain are the goals missing against journeys alike
(`reports.questions.problems.pains`). A comparison, no proof. Rows are ranked by the lower end; of two rows with more
than half of the smaller one's lost journeys in the larger one, the smaller is folded into it, where more of them lie
there than of its journeys, or nearly all of these: a group of most journeys holds most of any loss. What has days is
never folded into what is always so, and two pains are not folded: a journey that met both is in both.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from functools import partial
from itertools import combinations
from typing import Any, Final

import polars as pl

from analytics import Asking, Goal, pains, stage_funnel
from reports.questions.people.groups import told_apart
from reports.questions.problems.drivers import PairCounts, with_previous
from reports.settings import ReportSettings

MOST: Final = 10
FOLDED: Final = 0.5
"""The share of the smaller one's lost journeys above which it is folded into the larger."""
DENSER: Final = 1.25
WHOLE: Final = 0.9
"""It is not, but for so many times the share of its journeys that lie there, or where so many of these do."""
PROBLEMS: Final = pl.Schema(
    {
        "kind": pl.String,
        "pain": pl.String,
        "touchpoint": pl.String,
        "dimension": pl.String,
        "segment": pl.String,
        "step": pl.UInt32,
        "name": pl.String,
        "before": pl.String,
        "first": pl.Date,
        "last": pl.Date,
        "is_lasting": pl.Boolean,
        "journeys": pl.Int64,
        "share": pl.Float64,
        "usual": pl.Float64,
        "at_stake": pl.Float64,
        "low": pl.Float64,
        "high": pl.Float64,
        "p_corrected": pl.Float64,
        "explained_by": pl.String,
        "alert": pl.String,
        "with": pl.String,
    }
)


PAIN: Final = "pain"
_PAIN_KEYS: Final = {"stage": "name", "kind": "pain", "touchpoint": "touchpoint"}
Within = tuple[tuple[str, ...], date | None, date | None]
"""Where the journeys of a row are: the columns of its group, and its days."""


def problems(
    settings: ReportSettings,
    goal: Goal,
    stages: pl.DataFrame,
    incidents: pl.DataFrame,
    found: tuple[pl.DataFrame, PairCounts],
    *,
    met: tuple[pl.DataFrame | None, timedelta] = (None, timedelta(0)),
) -> Asking[pl.DataFrame | None]:
    """The problems with most goals at stake, by the lower end of their interval; null where there is none.

    `incidents` are of `reports.questions.problems.incidents.steps_of`, `found` is the answer of `group_drivers`, and
    `met` are the pains (`reports.questions.problems.pains.trouble_of`), and the window in which a goal counts.

    Columns: `kind` String (incident, driver, pain); of a pain `pain`, `touchpoint` String (its kind, and the touchpoint
    of a trouble), its stage as `name`, its `journeys`, and of these the `share` that reaches the goal; `dimension`,
    `segment` String (null: all journeys), `step` UInt32, `name`, `before` String (what is not reached, and from where),
    `first`, `last` Date (days of an incident; null: all the time), `is_lasting` Boolean (it goes on at the end),
    `journeys` Int64 (at the stage before), `share`, `usual` Float64 (of them that go on, and that would), `at_stake`,
    `low`, `high`, `p_corrected` Float64, `explained_by` String (the breakdown within which the difference is smallest),
    `alert` String, `with` String (what is folded into it).
    """
    later, (drivers, of_groups), (trouble, window) = goals_later(stages), found, met
    rows = [*_of_incidents(incidents), *_of_drivers(drivers, stages, later), *_of_pains(trouble)]
    ranked = sorted((row for row in rows if row["low"] >= 1), key=lambda row: -row["low"])[: 2 * MOST]
    columns = {settings.name_of(column): column for column in settings.segments}
    asked = {
        pair
        for one, other in combinations(ranked, 2)
        if "incident" in (one["kind"], other["kind"]) and (pair := _pair(one, other, columns)) is not None
    }
    by_day = partial(stage_funnel, goal=goal, window=settings.trend_window, period="day", timezone=settings.timezone)
    met_of = partial(pains, goal=goal, window=settings.window, timezone=settings.timezone)
    places = {_place(row, columns, window) for row in ranked if any(one["kind"] == PAIN for one in ranked)}
    answers = yield {
        **{pair: partial(by_day, by=pair, columns=("reached",)) for pair in asked},
        **{place: partial(met_of, by=place[0], start=place[1], end=place[2]) for place in places if place},
    }
    counts = {True: answers, False: of_groups}

    def is_part(row: dict[str, Any], larger: dict[str, Any]) -> bool:
        return _is_part(row, larger, columns, counts) or _is_met_part(row, larger, columns, (window, answers))

    kept: list[dict[str, Any]] = []
    # incidents take in drivers, whichever is larger
    for row in sorted(ranked, key=lambda row: (row["kind"] != "incident", -row["low"])):
        into = next((one for one in kept if is_part(row, one)), None)
        if into is None:
            kept.append({**row, "with": ""})
        else:
            into["with"] = ", ".join(filter(None, [into["with"], _group(row)]))
    listed = sorted(kept, key=lambda row: -row["low"])[:MOST]
    return pl.DataFrame(listed, schema=PROBLEMS, orient="row") if listed else None


def goals_later(stages: pl.DataFrame) -> dict[int, float]:
    """By step, the share of those who reach it that reach the goal; without steps where it is not known."""
    goal = stages.row(-1, named=True)
    return {
        row["step"]: goal["reached"] / row["reached"]
        for row in stages.iter_rows(named=True)
        if goal["reached"] and row["reached"]
    }


def _of_incidents(incidents: pl.DataFrame) -> list[dict[str, Any]]:
    """Incidents of shares, with what the watch says is at stake."""
    return [
        {
            "kind": "incident",
            **{name: row[name] for name in ("dimension", "segment", "step", "first", "last", "low", "high", "alert")},
            "before": row["source"] or row["name"].split(" -> ", maxsplit=1)[0],
            "name": row["target"] or row["name"].split(" -> ")[-1],
            "is_lasting": row["status"] == "open" or row["is_new_usual"],
            "journeys": row["of"],
            "share": row["share"],
            "usual": row["expected"],
            "at_stake": row["goals"],
            "p_corrected": row["p_corrected"],
        }
        for row in incidents.iter_rows(named=True)
        if row["measure"] in ("pair", "stage", "goal") and row["share"] is not None
    ]


def _of_drivers(drivers: pl.DataFrame, stages: pl.DataFrame, later: dict[int, float]) -> list[dict[str, Any]]:
    """Groups that are always below the others."""
    names, found = dict(stages.select("step", "name").iter_rows()), []
    for row in drivers.iter_rows(named=True):
        if row["step"] in later:
            goals = row["journeys"] * later[row["step"]]
            found.append(
                {
                    "kind": "driver",
                    **{name: row[name] for name in ("dimension", "segment", "step", "name", "journeys", "share")},
                    **{"before": names[row["step"] - 1], "first": None, "last": None, "is_lasting": False},
                    "usual": row["share"] - row["adjusted"],
                    "at_stake": -row["adjusted"] * goals,
                    "low": -row["high"] * goals,
                    "high": -row["low"] * goals,
                    **{name: row[name] for name in ("explained_by", "p_corrected")},
                    "alert": None,
                }
            )
    return found


def _of_pains(trouble: pl.DataFrame | None) -> list[dict[str, Any]]:
    """Pains, with what their card says."""
    same = {"name": "stage", "pain": "kind", "touchpoint": "touchpoint", "journeys": "with_it"}
    same |= {"share": "goal_rate", "usual": "goal_rate_alike", "p_corrected": "p_corrected"}
    same |= {"at_stake": "at_stake", "low": "at_stake_low", "high": "at_stake_high"}
    empty = {**dict.fromkeys(PROBLEMS), "kind": PAIN, "is_lasting": False}
    return [
        empty | {own: row[its] for own, its in same.items()} for row in ([] if trouble is None else trouble.to_dicts())
    ]


def _group(row: dict[str, Any]) -> str:
    if row["kind"] == PAIN:
        return row["touchpoint"] or "slow pages"
    return f"{row['dimension']} {row['segment']}"


def _place(row: dict[str, Any], columns: Mapping[str, str], window: timedelta) -> Within | None:
    """Where the journeys of an incident or a group are: those that met an incident began up to the window before it.

    Everywhere for a pain; null where the group is no column.
    """
    if row["dimension"] is not None and row["dimension"] not in columns:
        return None
    by = () if row["dimension"] is None else (columns[row["dimension"]],)
    first = None if row["first"] is None else row["first"] - window
    return by, first, None if row["is_lasting"] else row["last"]


def _is_met_part(
    row: dict[str, Any],
    larger: dict[str, Any],
    columns: Mapping[str, str],
    found: tuple[timedelta, Mapping[Any, pl.DataFrame]],
) -> bool:
    """Whether more than half of the goals that a row has lost are lost in the larger row, where one of them is a pain.

    Lost in both are the goals missing of the journeys that met the pain in the place of the other row. A pain is only
    folded where more of it lies in that place than of the journeys at its stage.
    """
    if (row["kind"] == PAIN) == (larger["kind"] == PAIN):
        return False
    pain, other = (row, larger) if row["kind"] == PAIN else (larger, row)
    window, met_in = found
    place = _place(other, columns, window)
    if place is None:
        return False
    same = [pl.col(own).eq_missing(pl.lit(pain[its])) for own, its in _PAIN_KEYS.items()]
    whole = pl.col("is_total") if not place[0] else ~pl.col("is_total")
    both = met_in[place].filter(*same, whole, _is_of({**other, "first": None}, columns))
    journeys, reached, at_stage = (int(both[name].sum()) for name in ("with_it", "reached", "journeys"))
    part: float = (journeys * pain["usual"] - reached) / row["at_stake"]
    everywhere = met_in[_place(pain, columns, window)].filter(*same, pl.col("is_total"))
    of_all = int(everywhere["journeys"].sum()) if row["kind"] == PAIN else row["journeys"]
    own: float = (at_stage if row["kind"] == PAIN else journeys) / max(of_all, 1)
    return part > FOLDED and (part > DENSER * own or own > WHOLE)


def _pair(one: dict[str, Any], other: dict[str, Any], columns: Mapping[str, str]) -> tuple[str, ...] | None:
    """The columns by which the lost journeys of two rows are told apart; null where they have none in common."""
    dimensions = {row["dimension"] for row in (one, other)} - {None}
    is_known = all(name in columns for name in dimensions)
    if PAIN in (one["kind"], other["kind"]) or one["step"] != other["step"] or not is_known or not dimensions:
        return None
    if one["dimension"] == other["dimension"] and one["segment"] != other["segment"]:
        return None
    return tuple(sorted(columns[name] for name in dimensions))


def _is_part(
    row: dict[str, Any],
    larger: dict[str, Any],
    columns: Mapping[str, str],
    counts: Mapping[bool, PairCounts],
) -> bool:
    """Whether more than half of the journeys that a row has lost are lost in the larger row, and not by chance.

    `counts` are those by day, and those of all days.
    """
    pair, by_day = _pair(row, larger, columns), "incident" in (row["kind"], larger["kind"])
    if pair is None:
        return False
    keys = [*pair, *(["period"] if by_day else [])]
    rows = with_previous(counts[by_day][pair], keys).filter(~pl.col("is_total"), pl.col("step") == row["step"])
    own = rows.filter(_is_of(row, columns))
    both = own.filter(_is_of(larger, columns))
    # the usual rate of the stage: that of the same group on other days, or of all other groups
    same = _is_of({**row, "first": None}, columns)
    usual = _share(rows.filter(same & ~_is_of(row, columns) if row["kind"] == "incident" else ~same))
    lost = _lost(own, usual)
    part, journeys = _lost(both, usual) / lost if lost > 0 else 0.0, _journeys(both) / max(_journeys(own), 1)
    return part > FOLDED and (part > DENSER * journeys or journeys > WHOLE)


def _is_of(row: dict[str, Any], columns: Mapping[str, str]) -> pl.Expr:
    """Whether journeys are of a row's group, and began on its days."""
    last = date.max if row["is_lasting"] else row["last"] or date.max
    days = pl.lit(True) if row["first"] is None else pl.col("period").dt.date().is_between(row["first"], last)
    if row["dimension"] is None:
        return days
    is_own: pl.Expr = told_apart(pl.col(columns[row["dimension"]])) == row["segment"]
    return days & is_own.fill_null(False)


def _share(rows: pl.DataFrame) -> float:
    return int(rows["reached"].sum()) / max(_journeys(rows), 1)


def _journeys(rows: pl.DataFrame) -> int:
    """The journeys at the stage before."""
    return int(rows["previous"].sum())


def _lost(rows: pl.DataFrame, usual: float) -> float:
    return _journeys(rows) * usual - int(rows["reached"].sum())
