"""Where would acting bring back most goals? Groups that go on less often than all others, or fell, and weeks below.

Goals *at stake* are those that would have come at the usual rate: the journeys at the stage before, times the
difference in going on, times the share of those who reach the stage that reach the goal. The usual rate is that of all
other known groups, that of the group itself before it fell (moved as the others moved since), or the usual share of the
weeks before. A comparison, no proof; problems overlap and must not be added up. A group that was not below the others
before it fell is named for its fall alone.

Computed from published frames alone, so that nothing withheld is in it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Final

import polars as pl

from reports.privacy.stages import NO_VALUE
from reports.privacy.trends import unusual_runs
from reports.questions.groups import ALL_OTHERS
from reports.questions.intervals import share_interval

MOST: Final = 10
PROBLEMS: Final = pl.Schema(
    {
        "dimension": pl.String,
        "segment": pl.String,
        "step": pl.UInt32,
        "name": pl.String,
        "first": pl.Date,
        "last": pl.Date,
        "is_lasting": pl.Boolean,
        "journeys": pl.Int64,
        "share": pl.Float64,
        "usual": pl.Float64,
        "at_stake": pl.Float64,
        "low": pl.Float64,
        "high": pl.Float64,
    }
)


def problems(
    stages: pl.DataFrame, segments: pl.DataFrame | None, weeks: pl.DataFrame | None, falls: pl.DataFrame | None = None
) -> pl.DataFrame | None:
    """The problems with most goals at stake, by the lower end of their interval; null where there is none.

    What fell has a place before what is always so, which may be larger and is known.

    Columns: `dimension`, `segment` String (null: all journeys), `step` UInt32, `name` String (the stage that is not
    reached), `first`, `last` Date (the first and the last day of a fall; null: all the time), `is_lasting` Boolean (the
    fall goes on at the end), `journeys` Int64 (at the stage before), `share`, `usual` Float64 (of them that go on, and
    that would), `at_stake`, `low`, `high` Float64.
    """
    later = goals_later(stages)
    fallen = list(_of_falls(falls, later))
    found = [*_of_groups(_always(segments, falls), later), *fallen, *_of_weeks(weeks, later, fallen)]
    if not found:
        return None
    table = pl.DataFrame(found, schema=PROBLEMS, orient="row").filter(pl.col("low") >= 1)
    ranked = table.sort("low", descending=True, maintain_order=True)
    dated = ranked.drop_nulls("first").head(MOST)
    standing = ranked.filter(pl.col("first").is_null()).head(MOST - len(dated))
    listed = pl.concat([dated, standing]).sort("low", descending=True, maintain_order=True)
    return None if listed.is_empty() else listed


def goals_later(stages: pl.DataFrame) -> dict[int, float]:
    """By step, the share of those who reach it that reach the goal; without steps where it is not known."""
    goal = stages.row(-1, named=True)
    return {
        row["step"]: goal["reached"] / row["reached"]
        for row in stages.iter_rows(named=True)
        if goal["reached"] and row["reached"]
    }


def _always(segments: pl.DataFrame | None, falls: pl.DataFrame | None) -> pl.DataFrame | None:
    """The groups without those that are below the others only since they fell."""
    if segments is None or falls is None:
        return segments
    return segments.join(falls.filter(~pl.col("was_below")), on=["dimension", "segment", "step"], how="anti")


def _of_falls(falls: pl.DataFrame | None, later: dict[int, float]) -> Iterator[dict[str, Any]]:
    """The groups that fell, with the days."""
    if falls is None:
        return
    for row in falls.iter_rows(named=True):
        if row["step"] in later:
            goals = row["journeys"] * later[row["step"]]
            yield {
                **{name: row[name] for name in PROBLEMS if name in row},
                "at_stake": (row["usual"] - row["share"]) * goals,
                "low": (row["usual"] - row["high"]) * goals,
                "high": (row["usual"] - row["low"]) * goals,
            }


def _of_groups(segments: pl.DataFrame | None, later: dict[int, float]) -> Iterator[dict[str, Any]]:
    """The groups that are clearly below all others."""
    if segments is None:
        return
    known = segments.filter(~pl.col("segment").is_in([NO_VALUE, ALL_OTHERS])).drop_nulls(["difference", "previous"])
    for row in known.filter(pl.col("verdict") == "below").iter_rows(named=True):
        if row["step"] in later:
            goals = row["previous"] * later[row["step"]]
            ends = sorted(-row[f"difference_{end}"] * goals for end in ("low", "high"))
            yield {
                **{name: row[name] for name in ("dimension", "segment", "step", "name", "share")},
                **{"first": None, "last": None, "is_lasting": False, "journeys": row["previous"]},
                "usual": row["share"] - row["difference"],
                "at_stake": -row["difference"] * goals,
                **dict(zip(("low", "high"), ends, strict=True)),
            }


def _of_weeks(
    weeks: pl.DataFrame | None, later: dict[int, float], fallen: list[dict[str, Any]]
) -> Iterator[dict[str, Any]]:
    """The runs of unusual weeks of all journeys, below their band, but for those in which a group fell at that step."""
    if weeks is None:
        return
    for run in unusual_runs(weeks.filter(pl.col("dimension").is_null())):
        if run["difference"] >= 0 or run["step"] not in later:
            continue
        until = run["last"] + timedelta(days=6)
        if any(one["step"] == run["step"] and run["first"] <= one["last"] and one["first"] <= until for one in fallen):
            continue
        same = [pl.col(name).eq_missing(pl.lit(run[name])) for name in ("dimension", "segment", "step")]
        rows = weeks.filter(*same, pl.col("week").is_between(run["first"], run["last"])).drop_nulls(
            ["share", "previous"]
        )
        journeys = int(rows["previous"].sum())
        share, usual = (float((rows[name] * rows["previous"]).sum()) / journeys for name in ("share", "usual"))
        worth = float((rows["previous"] / rows["effect"]).sum())  # journeys of one customer are alike
        ends = share_interval(share * worth, worth)
        goals = journeys * later[run["step"]]
        yield {
            **{name: run[name] for name in ("dimension", "segment", "step", "name", "first")},
            **{"last": until, "is_lasting": False},
            **{"journeys": journeys, "share": share, "usual": usual, "at_stake": (usual - share) * goals},
            **{"low": (usual - ends[1]) * goals, "high": (usual - ends[0]) * goals},
        }
