"""When was what released? The first touch of every version that touches name, and releases that were noted.

A version that was there when its column was first filled was released before: no day is known of it. A mark says what
else happened at a time; it is no cause.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

import numpy as np
import polars as pl
from pydantic import Field, ValidationError, field_validator

from analytics.engine.local.calendar import zone_named
from analytics.engine.partials import LOWEST, add_up
from analytics.engine.run import counted
from analytics.store.columns import AT, TIME
from analytics.store.encoding import Dictionaries
from analytics.store.frames import as_utc
from analytics.store.parts import Part, decoded
from analytics.store.paths import Paths
from expectations.config.file import Section
from expectations.errors import DefinitionError, nearest

APP_VERSION: Final = "app_version"
BEGINNING: Final = timedelta(days=7)
"""Versions first seen so soon after the first value of their column were there before."""
MARKS: Final = pl.Schema({"at": TIME, "name": pl.String(), "column": pl.String(), "customers": pl.Int64()})
FIRST: Final = f"{LOWEST}{AT}"


class Release(Section):
    """One of `marks` of `[releases]`: something that was released, or otherwise done, `on` a day or at a time.

    A time with a zone is that instant; a day, or a time without a zone, is of the zone in which it is asked.

    >>> Release(on="2026-02-26", name="checkout 4").on
    datetime.date(2026, 2, 26)
    """

    on: datetime | date = Field(description="the day or the time")
    name: str = Field(min_length=1, description="what was released")

    @field_validator("on", mode="before")
    @classmethod
    def _is_a_day_or_a_time(cls, value: object) -> object:
        if isinstance(value, str):
            text = value.strip()
            try:
                return date.fromisoformat(text) if len(text) <= len("2026-02-26") else datetime.fromisoformat(text)
            except ValueError:
                raise ValueError("a day such as 2026-02-26, or a time such as 2026-02-26T14:30:00+01:00") from None
        if not isinstance(value, date):  # a datetime is a date, too
            raise ValueError("a day such as 2026-02-26, or a time such as 2026-02-26T14:30:00+01:00")
        return value

    @field_validator("name")
    @classmethod
    def _is_no_blank(cls, name: str) -> str:
        if not name.strip():
            raise ValueError("a name")
        return name.strip()


class ReleaseSettings(Section):
    """The table `[releases]`: where marks of releases come from.

    `columns` are columns of touches that name a version, by default `app_version` where touches have it; `file` is a
    CSV file with the columns `on` and `name`, such as the tags of a repository; `marks` are written beside them.
    """

    columns: tuple[str, ...] | None = Field(default=None, description="columns of touches that name a version")
    file: str | None = Field(default=None, description="CSV file with the columns on and name")
    marks: tuple[Release, ...] = Field(default=(), description="releases that are written here")


def noted_releases(table: pl.DataFrame) -> list[Release]:
    """The releases of a table with the columns `on` (a day, or a time) and `name`.

    Raises `DefinitionError` for a missing column, and for a row that is none, with its number from 1.

    >>> noted_releases(pl.DataFrame({"on": ["2026-02-26"], "name": ["checkout 4"]}))[0].name
    'checkout 4'
    """
    missing = [name for name in ("on", "name") if name not in table.columns]
    if missing:
        found = ", ".join(table.columns) or "none"
        raise DefinitionError(f"Releases have no column {missing[0]!r}.", expected="on and name", found=found)
    noted = []
    for number, row in enumerate(table.select("on", "name").iter_rows(named=True), 1):
        try:
            noted.append(Release.model_validate(row))
        except ValidationError as error:
            first = error.errors()[0]
            what = f"The {first['loc'][0]} of a release is not valid." if first["loc"] else "A release is not valid."
            expected = first["msg"].removeprefix("Value error, ")
            raise DefinitionError(what, where=f"row {number}", expected=expected, found=repr(first["input"])) from None
    return noted


@dataclass(frozen=True, eq=False)
class VersionTouches:
    """Counts, for every value of some columns of text, its first touch and the customers who have one."""

    names: tuple[str, ...]

    SCHEMA = pl.Schema({"column": pl.String(), "name": pl.String(), FIRST: TIME, "customers": pl.Int64()})

    def partial(self, part: Part, words: Dictionaries) -> pl.DataFrame:
        """Counts one part."""
        bounds, found = part.bounds(), [pl.DataFrame(schema=self.SCHEMA)]
        person = pl.Series("person", np.repeat(np.arange(len(bounds) - 1), np.diff(bounds)))
        touches = decoded(part, [AT, *self.names], words)
        for column in self.names:
            rows = pl.DataFrame([touches[column].cast(pl.String).alias("name"), touches[AT], person])
            counts = rows.drop_nulls("name").group_by("name").agg(
                pl.lit(column).alias("column"),
                pl.col(AT).min().alias(FIRST),
                pl.col("person").n_unique().cast(pl.Int64).alias("customers"),
            )  # fmt: skip
            found.append(counts.select(*self.SCHEMA))
        return pl.concat(found)

    def merge(self, partials: Sequence[pl.DataFrame]) -> pl.DataFrame:
        """Adds up the counts of parts."""
        return add_up(partials, ["column", "name"], self.SCHEMA)


def release_marks(
    paths: Paths,
    columns: Sequence[str] | None = None,
    noted: Sequence[Release] = (),
    *,
    timezone: str = "UTC",
) -> pl.DataFrame:
    """When was what released: the first touch of every value of `columns`, and what was `noted`.

    `columns` are columns of text that name a version; by default `app_version`, where touches have it. A value that is
    first seen in the first seven days in which its column has any was there before, and has no row. Days of `noted` are
    of `timezone`.

    Columns: `at` Datetime(us, UTC) (the first touch, or when it was noted); `name` String (the value, or what was
    noted); `column` String (null of what was noted); `customers` Int64 (distinct ones with a touch of the value; null
    of what was noted). The oldest first, ties by column and name. No touches give the rows that were noted. Raises
    `DefinitionError` for an unknown column, one that is no text, and an unknown zone.

    >>> visits = {f"c{n}": f"look@{n}d[app_version=v{n // 10}]" for n in range(30)}
    >>> release_marks(Paths.from_text(visits))["name", "customers"].rows()
    [('v1', 10), ('v2', 10)]
    """
    zone = zone_named(timezone)
    if columns is None:
        columns = [APP_VERSION] if APP_VERSION in paths.dictionaries else []
    for name in columns if len(paths) else ():
        if name not in paths.schema:
            raise DefinitionError(
                f"There is no column {name!r}.",
                expected=f"one of {', '.join(paths.dictionaries)}",
                do=nearest(name, paths.dictionaries) or f"add {name} to context of [paths]",
            )
        if name not in paths.dictionaries:
            raise DefinitionError(f"Column {name!r} is no text.", found=str(paths.schema[name]))
    found = pl.DataFrame(schema=MARKS)
    if columns and len(paths):
        first = counted(paths, VersionTouches(tuple(dict.fromkeys(columns))))
        began = pl.col(FIRST).min().over("column") + BEGINNING
        later = first.filter(pl.col(FIRST) > began, pl.col("name").str.strip_chars() != "")
        found = later.select(pl.col(FIRST).alias("at"), "name", "column", "customers")
    given = [{"at": as_utc(each.on, zone), "name": each.name} for each in noted]
    told = pl.concat([found, pl.DataFrame(given, schema={"at": TIME, "name": pl.String})], how="diagonal")
    return told.unique(["at", "name", "column"], keep="first").sort("at", "column", "name", nulls_last=True)
