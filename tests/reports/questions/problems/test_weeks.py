"""The days, weeks and printed times of a report are those of its zone, over changes of the clock."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from pydantic import ValidationError

from analytics import PathRules, Paths
from analytics.touches.rules import StageRule
from expectations.errors import DefinitionError
from reports.questions import ask, scope
from reports.settings import ReportSettings
from reports.words.numbers import moment
from reports.words.subtitles import dates

RULES = PathRules(goal=["buy"], stages=[StageRule(name="Look", touchpoints=["look"])])
START = datetime(2024, 2, 25, 20, tzinfo=UTC)
END = datetime(2024, 4, 28, 23, tzinfo=UTC)
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "Pacific/Apia")


def shop() -> Paths:
    """A journey every 45 minutes, over the changes of clocks in March and April 2024; every third one buys."""
    rows = []
    for number in range(int((END - START) / timedelta(minutes=45))):
        begin = START + timedelta(minutes=45 * number)
        rows.append((f"c{number}", begin, "look", "phone" if number % 2 else "desk"))
        if number % 3 == 0:
            rows.append((f"c{number}", begin + timedelta(minutes=10), "buy", "phone" if number % 2 else "desk"))
    schema = {
        "customer": pl.String,
        "at": pl.Datetime("us", "UTC"),
        "touchpoint": pl.String,
        "device": pl.String,
    }
    return Paths.from_frame(pl.DataFrame(rows, schema=schema, orient="row"), end_of_data=END, rules=RULES)


def begun(zone: str) -> list[datetime]:
    """When the journeys of the shop begin, by the clock of a zone."""
    count = int((END - START) / timedelta(minutes=45))
    return [(START + timedelta(minutes=45 * number)).astimezone(ZoneInfo(zone)) for number in range(count)]


@pytest.mark.parametrize("zone", ZONES)
def test_weeks_and_the_cells_of_the_explorer_are_local_weeks(zone: str) -> None:
    settings = ReportSettings(timezone=zone, segments=("device",), window="7d", trend_window="3d")
    answers = ask.answers_about(shop(), settings, RULES)
    local = begun(zone)
    week_of = Counter(at.date() - timedelta(days=at.weekday()) for at in local)
    end = END.astimezone(ZoneInfo(zone))
    monday_of_end = end.date() - timedelta(days=end.weekday())
    whole = [week for week in sorted(week_of) if local[0].date() <= week < monday_of_end]
    weeks = answers.weeks
    assert weeks is not None
    totals = weeks.sort("week")
    assert totals["week"].to_list() == whole
    assert totals["previous"].to_list() == [week_of[week] for week in whole]
    over = [datetime(week.year, week.month, week.day, tzinfo=ZoneInfo(zone)) + timedelta(days=7) for week in whole]
    is_open = [at.astimezone(UTC) + timedelta(days=3) > END for at in over]
    assert (totals["state"] == "open").to_list() == is_open
    assert answers.cube is not None
    mature = [at for at in local if at.astimezone(UTC) + timedelta(days=7) <= END]
    per_week = Counter(at.date() - timedelta(days=at.weekday()) for at in mature)
    cells = answers.cube.cells.filter(pl.col("start").is_not_null()).group_by("start").agg(pl.col("n1").sum())
    for week, count in cells.iter_rows():
        assert abs(count - per_week[week]) <= settings.k  # two groups, each rounded to k


@pytest.mark.parametrize("zone", ZONES)
def test_the_first_and_the_last_day_are_local_days(zone: str) -> None:
    first, last = date(2024, 3, 10), date(2024, 4, 7)
    kept = scope.within(shop(), ReportSettings(timezone=zone, first_day=first, last_day=last))
    assert kept.customers == sum(first <= at.date() <= last for at in begun(zone))


def test_printed_times_are_local() -> None:
    answers = ask.answers_about(shop(), ReportSettings(timezone="Europe/Berlin"), RULES)
    assert dates(answers) == "25 Feb – 29 Apr 2024"
    assert moment(answers.facts.end_of_data) == "29 Apr 2024 01:00 CEST"
    assert dates(ask.answers_about(shop(), ReportSettings(), RULES)) == "25 Feb – 28 Apr 2024"


def test_days_without_journeys_are_named_by_their_zone() -> None:
    settings = ReportSettings(timezone="Pacific/Apia", first_day=date(2020, 1, 1), last_day=date(2020, 1, 2))
    with pytest.raises(DefinitionError, match="days from 2024-02-26 to 2024-04-29"):
        raise scope.no_such_days(shop(), settings)


def test_an_unknown_zone_names_the_nearest() -> None:
    with pytest.raises(ValidationError, match="did you mean 'Asia/Kolkata'"):
        ReportSettings(timezone="Asia/Kolkatta")
