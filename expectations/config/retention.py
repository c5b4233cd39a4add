"""How long the lake keeps events, and the free texts in them: part of `[lake]`."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Annotated

from pydantic import Field

from expectations.config.durations import Duration
from expectations.config.file import Section

_Keep = Annotated[Duration, Field(ge=timedelta(days=1), le=timedelta(days=36_500))]


class Retention(Section):
    """How long events and their free texts are kept; without a duration for ever.

    An event is as old as the earlier of `occurred_at` and `received_at` says. Rows are removed by whole days (UTC): a
    day goes when the last of its events is older than `keep_events`. Free texts are the column `feedback_text` and the
    customer attributes in `text_attributes`; they are kept for the shorter of both durations.

    >>> Retention(keep_events="400d").first_day(datetime(2026, 6, 1, 12, tzinfo=UTC))
    datetime.date(2025, 4, 27)
    """

    keep_events: _Keep | None = Field(default=None, description="how long events are kept; by default for ever")
    keep_texts: _Keep | None = Field(
        default=None, description="how long free texts are kept; by default as long as events"
    )
    text_attributes: list[str] = Field(default=[], description="customer attributes that hold free text")

    def first_day(self, now: datetime) -> date | None:
        """The first day whose events are kept; None if all are."""
        return _first_day(self.keep_events, now)

    def first_day_of_texts(self, now: datetime) -> date | None:
        """The first day whose texts are kept; None if all are."""
        durations = [length for length in (self.keep_events, self.keep_texts) if length is not None]
        return _first_day(min(durations, default=None), now)


def _first_day(keep: timedelta | None, now: datetime) -> date | None:
    return None if keep is None else (now.astimezone(UTC) - keep).date()


FOR_EVER = Retention()
"""Nothing is removed for its age."""
