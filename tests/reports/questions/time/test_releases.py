"""Releases as the report may show them: by day of its zone, in its days, and no version of few customers."""

from __future__ import annotations

from datetime import date, timedelta

from analytics import Paths, Release, ReleaseSettings
from reports.questions.answers import Facts
from reports.questions.time.releases import releases_of
from reports.settings import ReportSettings

PATHS = Paths.from_text({f"c{n}": f"look@{24 * n + 23}h[build=b{n // 12}]" for n in range(30)}, end="40d")
SETTINGS = ReportSettings(timezone="Europe/Berlin", segment_names={"build": "Build"})


def rows(asked: ReleaseSettings, settings: ReportSettings = SETTINGS) -> list[tuple[object, ...]]:
    end = PATHS.end_of_data
    assert end is not None
    found = releases_of(PATHS, asked, settings, Facts(30, 30, 30, end - timedelta(days=40), end))
    return [] if found is None else found.rows()


def test_versions_are_told_by_the_day_of_their_first_touch_and_few_are_withheld() -> None:
    asked = ReleaseSettings(columns=("build",))
    assert rows(asked) == [(date(2024, 1, 14), "b1", "Build")]
    few = ReportSettings(timezone="Europe/Berlin", k=5, segment_names={"build": "Build"})
    assert rows(asked, few) == [(date(2024, 1, 14), "b1", "Build"), (date(2024, 1, 26), "b2", "Build")]


def test_only_the_days_of_the_report_and_of_the_data_are_told() -> None:
    marks = tuple(Release(on=f"2024-0{month}-01", name=f"{month}") for month in (1, 2, 3))
    asked = ReleaseSettings(marks=marks)
    assert [row[1] for row in rows(asked)] == ["1", "2"]
    assert [row[1] for row in rows(asked, SETTINGS.model_copy(update={"first_day": date(2024, 1, 2)}))] == ["2"]
    assert rows(ReleaseSettings()) == []
