"""Marks of releases: the first touch of every version, but for those that were there before, and what was noted."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest

from analytics import Paths, Release, noted_releases, release_marks, why
from expectations.errors import DefinitionError
from tests.analytics.monitoring.test_why import GOAL, QUIET, WEEK, shop
from tests.written import START, frame_in_parts

BEGIN = START.replace(tzinfo=UTC)


def visits(seed: int) -> list[tuple[str, int, str | None]]:
    """Who touches on which day with which version: a new one every ten days, some touches with none."""
    draw = random.Random(seed)
    days = [(f"c{draw.randrange(40)}", draw.randrange(60)) for _ in range(300)]
    return [
        (who, day, draw.choice([None, "", *(f"v{n}" for n in range(day // 10 + 1))])) for who, day in days
    ]  # fmt: skip


def paths_of(rows: list[tuple[str, int, str | None]]) -> pl.DataFrame:
    columns = {"customer": [], "at": [], "app_version": []}  # type: ignore[var-annotated]
    for who, day, version in rows:
        columns["customer"].append(who)
        columns["at"].append(BEGIN + timedelta(days=day))
        columns["app_version"].append(version)
    schema = {"customer": pl.String, "at": pl.Datetime("us", "UTC"), "app_version": pl.String}
    return pl.DataFrame(columns, schema=schema).with_columns(touchpoint=pl.lit("look"))


@pytest.mark.parametrize("seed", range(5))
def test_marks_are_those_of_a_loop_over_touches_however_the_parts_are_cut(seed: int) -> None:
    rows = visits(seed)
    first: dict[str, int] = {}
    people: dict[str, set[str]] = {}
    for who, day, version in rows:
        if version is not None:
            first[version] = min(day, first.get(version, day))
            people.setdefault(version, set()).add(who)
    expected = sorted(
        (BEGIN + timedelta(days=day), version, "app_version", len(people[version]))
        for version, day in first.items()
        if version and day > min(first.values()) + 7
    )
    assert expected
    frame = paths_of(rows)
    for parts in (1, 3):
        assert release_marks(frame_in_parts(frame, parts)).rows() == expected


def test_what_is_noted_stands_beside_in_order_once_and_by_the_zone() -> None:
    noted = [
        Release(on="2024-01-05", name=" price list "),
        Release(on=date(2024, 1, 5), name="price list"),
        Release(on="2024-01-04T12:00:00+02:00", name="tag"),
        Release(on=datetime(2024, 1, 4, 9), name="<b>form</b>"),  # noqa: DTZ001 - of the zone that is asked
    ]
    found = release_marks(Paths.from_text({"ann": "look@0d"}), noted=noted, timezone="Europe/Berlin")
    assert found["name"].to_list() == ["<b>form</b>", "tag", "price list"]
    assert [f"{at:%d %H}" for at in found["at"]] == ["04 08", "04 10", "04 23"]
    assert found["column", "customers"].null_count().row(0) == (3, 3)
    assert release_marks(Paths.from_text({}), ["app_version"], noted).height == 3
    assert release_marks(Paths.from_text({})).is_empty()


def test_columns_that_no_touch_has_or_that_are_no_text_are_refused() -> None:
    paths = Paths.from_text({"ann": "look@0d[app_version=4.1,device=phone]"})
    assert release_marks(paths).is_empty()  # a number is no version, unless it is asked for
    with pytest.raises(DefinitionError, match="is no text"):
        release_marks(paths, ["app_version"])
    with pytest.raises(DefinitionError, match=r"(?s)no column 'devcie'.*device"):
        release_marks(paths, ["devcie"])


def test_a_table_of_releases_says_which_row_is_none() -> None:
    table = pl.DataFrame({"on": ["2024-01-05", "soon"], "name": ["a", "b"]})
    with pytest.raises(DefinitionError, match=r"(?s)row 2.*2026-02-26.*'soon'"):
        noted_releases(table)
    with pytest.raises(DefinitionError, match=r"(?s)row 1.*None"):
        noted_releases(pl.DataFrame({"on": ["2024-01-05"], "name": [None]}))
    with pytest.raises(DefinitionError, match=r"(?s)no column 'on'.*day, name"):
        noted_releases(pl.DataFrame({"day": ["2024-01-05"], "name": ["a"]}))


def test_why_tells_the_releases_of_these_days_and_counts_those_of_few() -> None:
    marks = release_marks(shop(), noted=[Release(on=f"2024-01-{day:02}", name=f"day {day}") for day in (1, 10, 16, 25)])
    few = {"at": BEGIN + timedelta(days=15), "name": "v2", "column": "app_version", "customers": 9}
    many = {**few, "name": "v3", "customers": 10}
    told = pl.concat([marks, pl.DataFrame([few, many], schema=marks.schema)])
    answer = why(shop(), GOAL, period=WEEK, against=2, watched=QUIET, releases=told, least=10)
    notes = answer.filter(kind="note", source="release_marks")
    assert notes["name", "by"].rows() == [("day 10", None), ("day 16", None), ("v3", "app_version")]
    assert answer.filter(kind="withheld", source="release_marks")["customers_after"].to_list() == [1]
