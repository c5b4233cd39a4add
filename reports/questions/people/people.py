"""Whatever a report says of customers: personas, the sizes of segments, where their journeys
stand, and the help that they need.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

import polars as pl

from analytics import Goal, Paths, check_segment_words, overlaps, segment_sizes, standing
from reports.privacy.people.people import (
    AGES,
    publishable_sizes,
    publishable_standing,
    sizes_in_steps,
    standing_in_steps,
)
from reports.privacy.steps import Steps
from reports.questions.answers import Answers, People
from reports.questions.people.asked import PeopleSettings
from reports.questions.people.beliefs import what_they_believe
from reports.questions.people.help import reached_by_steps, shares_of_contacts, shares_of_moments
from reports.questions.people.outlook import published_outlook
from reports.questions.people.personas import published_personas
from reports.questions.people.themes import what_they_said, where_they_said_it
from reports.settings import ReportSettings

WEEKS: Final = timedelta(weeks=4)
"""How long before the end of the data sizes are compared with."""
SHARE_ENDS: Final = ("share_of_known_low", "share_of_known_high")
SIZES: Final = pl.Schema(
    {
        "segment": pl.String(),
        "version": pl.Int64(),
        **dict.fromkeys(("members", "known", "joined", "left"), pl.Int64()),
        **dict.fromkeys(("share_of_known", "share_of_known_low", "share_of_known_high"), pl.Float64()),
        **dict.fromkeys(("says", "state"), pl.String()),
    }
)
STANDING: Final = pl.Schema(
    {
        "stage": pl.String(),
        "journeys": pl.Int64(),
        "share_of_journeys": pl.Float64(),
        **dict.fromkeys(AGES, pl.Int64()),
        "share_late": pl.Float64(),
        **dict.fromkeys(("median_wait", "usual_wait", "late_after"), pl.Duration("us")),
        "state": pl.String(),
    }
)


def people_of(
    paths: Paths,
    settings: ReportSettings,
    asked: PeopleSettings,
    steps: Steps,
    *,
    goal: Goal,
    published: Answers | None,
) -> People:
    """All of it over whole paths; nothing in a report of some days, as customers are counted at the end of the data.

    `published` is what the report says besides: nothing of customers reveals what it withholds.
    """
    if settings.first_day is not None or settings.last_day is not None:
        return People()
    segments, goals = (None, ()) if published is None else (published.segments, reached_by_steps(published))
    return People(
        personas=published_personas(paths, settings, asked, steps, goal=goal, segments=segments),
        sizes=_sizes(paths, settings, asked, steps),
        standing=_standing(paths, settings, steps),
        contacts=shares_of_contacts(paths, settings, asked.contacts, steps, goals=goals),
        moments=shares_of_moments(paths, settings, asked.moments, steps),
        said=what_they_said(paths, settings, asked.spoken, steps),
        said_at=where_they_said_it(paths, settings, asked.spoken, steps),
        believed=what_they_believe(paths, settings, asked.believed, steps),
        outlook=published_outlook(settings, asked.ahead, steps),
        asked=asked,
    )


def _sizes(paths: Paths, settings: ReportSettings, asked: PeopleSettings, steps: Steps) -> pl.DataFrame | None:
    """The segments at the end of the data, with who joined and left in the weeks before; null without segments."""
    end = paths.end_of_data
    if not asked.segments or end is None:
        return None
    for segment in asked.segments:
        check_segment_words(paths, segment)
    now = segment_sizes(paths, asked.segments, at=[end - WEEKS, end]).filter(pl.col("at") == end)
    says = {segment.name: segment.says or None for segment in asked.segments}
    apart = overlaps(paths, asked.segments).to_dicts() if len(asked.segments) > 1 else []
    rows = sizes_in_steps(publishable_sizes(now.to_dicts(), apart, settings.k), steps)
    table = [{name: (row | {"says": says[row["segment"]]})[name] for name in SIZES} for row in rows]
    return pl.DataFrame(table, schema=SIZES).with_columns(pl.col("share_of_known", *SHARE_ENDS).round(4))


def _standing(paths: Paths, settings: ReportSettings, steps: Steps) -> pl.DataFrame | None:
    """The journeys under way by the stage that they stand at; null without stages, or any under way."""
    if "outcome" not in paths.schema or paths.definition is None or not paths.definition.stages:
        return None
    rows = standing(paths).filter("is_total").to_dicts()
    if not rows:
        return None
    published = standing_in_steps(publishable_standing(rows, settings.k, settings.least), steps)
    table = [{name: row[name] for name in STANDING} for row in published]
    return pl.DataFrame(table, schema=STANDING).with_columns(pl.col("share_of_journeys", "share_late").round(4))
