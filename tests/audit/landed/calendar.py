"""Days and weeks of a time zone; times are in microseconds since 1970."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

from tests.audit.landed.settings import SECOND

START = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Calendar:
    """The days of a zone: each begins with the first instant that the clock shows it."""

    zone: ZoneInfo

    def moment(self, at: int) -> datetime:
        """A time as the clock of the zone shows it."""
        return _moment(self.zone, at)

    def day_of(self, at: int) -> date:
        """The day of a time."""
        return self.moment(at).date()

    def monday(self, at: int) -> date:
        """The first day of the week of a time."""
        found = self.day_of(at)
        return found - timedelta(days=found.weekday())

    def begin(self, day: date) -> int:
        """The first instant of a day, the first of two where clocks repeat it."""
        at = datetime(day.year, day.month, day.day, tzinfo=self.zone).astimezone(UTC)
        return round((at - START).total_seconds()) * SECOND

    def week_end(self, monday: date) -> int:
        """The first instant after a week, which clocks may make an hour longer or shorter."""
        return self.begin(monday + timedelta(days=7))


@cache
def _moment(zone: ZoneInfo, at: int) -> datetime:
    return (START + timedelta(microseconds=at)).astimezone(zone)
