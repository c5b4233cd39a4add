"""Where would acting bring back most goals? Groups that go on less often than all others, and weeks below their band.

Goals *at stake* are those that would have come at the usual rate: the journeys at the stage before, times the
difference in going on, times the share of those who reach the stage that reach the goal. The usual rate is that of all
other known groups, or the usual share of the weeks before. A comparison, no proof; problems overlap and must not be
added up.

Computed from published frames alone, so that nothing withheld is in it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import polars as pl

from reports.privacy.stages import NO_VALUE
from reports.privacy.trends import unusual_runs
from reports.questions.groups import ALL_OTHERS
from reports.questions.intervals import share_interval

MOST: Final = 5
PROBLEMS: Final = pl.Schema(
    {
        "dimension": pl.String,
        "segment": pl.String,
        "step": pl.UInt32,
        "name": pl.String,
        "first": pl.Date,
        "last": pl.Date,
        "journeys": pl.Int64,
        "share": pl.Float64,
        "usual": pl.Float64,
        "at_stake": pl.Float64,
        "low": pl.Float64,
        "high": pl.Float64,
    }
)


def problems(stages: pl.DataFrame, segments: pl.DataFrame | None, weeks: pl.DataFrame | None) -> pl.DataFrame | None:
    """The problems with most goals at stake, by the lower end of their interval; null where there is none.

    Columns: `dimension`, `segment` String (null: all journeys), `step` UInt32, `name` String (the stage that is not
    reached), `first`, `last` Date (the first and the last unusual week; null: all the time), `journeys` Int64 (at the
    stage before), `share`, `usual` Float64 (of them that go on, and that would), `at_stake`, `low`, `high` Float64.
    """
    goal = stages.row(-1, named=True)
    later = {
        row["step"]: goal["reached"] / row["reached"]
        for row in stages.iter_rows(named=True)
        if goal["reached"] and row["reached"]
    }
    found = [*_of_groups(segments, later), *_of_weeks(weeks, later)]
    if not found:
        return None
    table = pl.DataFrame(found, schema=PROBLEMS, orient="row").filter(pl.col("low") >= 1)
    return None if table.is_empty() else table.sort("low", descending=True, maintain_order=True).head(MOST)


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
                **{"first": None, "last": None, "journeys": row["previous"]},
                "usual": row["share"] - row["difference"],
                "at_stake": -row["difference"] * goals,
                **dict(zip(("low", "high"), ends, strict=True)),
            }


def _of_weeks(weeks: pl.DataFrame | None, later: dict[int, float]) -> Iterator[dict[str, Any]]:
    """The runs of unusual weeks below their band."""
    if weeks is None:
        return
    for run in unusual_runs(weeks):
        if run["difference"] >= 0 or run["step"] not in later:
            continue
        same = [pl.col(name).eq_missing(pl.lit(run[name])) for name in ("dimension", "segment", "step")]
        rows = weeks.filter(*same, pl.col("week").is_between(run["first"], run["last"])).drop_nulls(
            ["share", "previous"]
        )
        journeys = int(rows["previous"].sum())
        share, usual = (float((rows[name] * rows["previous"]).sum()) / journeys for name in ("share", "usual"))
        ends = share_interval(round(share * journeys), journeys)
        goals = journeys * later[run["step"]]
        yield {
            **{name: run[name] for name in ("dimension", "segment", "step", "name", "first", "last")},
            **{"journeys": journeys, "share": share, "usual": usual, "at_stake": (usual - share) * goals},
            **{"low": (usual - ends[1]) * goals, "high": (usual - ends[0]) * goals},
        }
