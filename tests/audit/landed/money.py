"""Amounts of events in the currency of the report (docs/numbers.md, Money)."""

from __future__ import annotations

import csv
from bisect import bisect_right
from collections import defaultdict
from datetime import date

from tests.audit.landed.calendar import Calendar
from tests.audit.landed.lake import value_of
from tests.audit.landed.paths import Paths, Touch


class Money:
    """Converts amounts at the newest rate at or before their day; what has none is left out."""

    def __init__(self, paths: Paths) -> None:
        report, self.calendar = paths.settings.report, Calendar(paths.settings.zone)
        self.currency = report.get("currency")
        self.columns = report.get("money", ["revenue"])
        self.rates: dict[str, list[tuple[date, float]]] = defaultdict(list)
        if report.get("rates"):
            with (paths.settings.folder / report["rates"]).open(newline="", encoding="utf-8") as file:
                for row in csv.DictReader(file):
                    self.rates[row["currency"]].append((date.fromisoformat(row["date"]), float(row["rate"])))
        for rates in self.rates.values():
            rates.sort()
        self.codes = {touch.event.columns.get("currency") for touch in paths.all_touches}
        self.stated = self.codes != {None}

    def amount(self, touch: Touch, column: str) -> float | None:
        """What a touch adds to a sum; null where its amount is left out. A missing amount adds nothing."""
        text = value_of(touch.event, column)
        if text is None:
            return 0.0
        code = touch.event.columns.get("currency")
        if self.currency is None or column not in self.columns or not self.stated or code == self.currency:
            return float(text)
        known = self.rates.get(code or "", [])
        place = bisect_right([day for day, _ in known], self.calendar.day_of(touch.at))
        return float(text) * known[place - 1][1] if place else None
