"""The settings of `journeys.toml` that numbers depend on, with the defaults of the documentation."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

SECOND = 1_000_000
DAY = 86_400 * SECOND
UNITS = {"s": SECOND, "m": 60 * SECOND, "h": 3600 * SECOND, "d": DAY, "w": 7 * DAY}
LOGINS = ["customer_id", "login", "email_hash", "phone_hash", "loyalty_id"]
UNKNOWN = "unknown"
TABLES = ("segments", "personas", "contacts", "moments", "voice", "releases", "costs", "prediction")
PRODUCT_KINDS = [*LOGINS, "device_id", "anonymous_id", "advertising_id", "network_userid", "user_fingerprint"]


def microseconds(text: str) -> int:
    """A duration such as "30d"."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([smhdw])\s*", text)
    if not found:
        raise ValueError(f"not a duration: {text!r}")
    return round(float(found[1]) * UNITS[found[2]])


def matcher(patterns: list[str]) -> re.Pattern[str]:
    """A pattern for names in which `*` stands for any characters."""
    return re.compile("|".join(re.escape(name).replace(r"\*", ".*") for name in patterns), re.DOTALL)


@dataclass(frozen=True)
class Settings:
    """The tables `[paths]` and `[report]`, the goals of `[[goals]]`, and the tables about customers, by name."""

    paths: dict[str, Any]
    report: dict[str, Any]
    named_goals: list[dict[str, Any]]
    watches: list[dict[str, Any]] = field(default_factory=list)
    funnels: list[dict[str, Any]] = field(default_factory=list)
    folder: Path = Path()
    """Where the configuration lies, and what it names."""
    journeys: tuple[dict[str, Any], ...] = ()
    """The journeys with targets; none of a filtered report."""
    tables: dict[str, Any] = field(default_factory=dict)
    """The tables of `TABLES` that are there."""

    @classmethod
    def read(cls, file: Path) -> Settings:
        """Of a configuration file. Settings that the audit does not know end it, as its numbers would differ."""
        found = tomllib.loads(file.read_text(encoding="utf-8"))
        tables = {name: found[name] for name in TABLES if name in found}
        settings = cls(
            found.get("paths", {}),
            found.get("report", {}),
            found.get("goals", []),
            found.get("watches", []),
            found.get("funnels", []),
            file.parent,
            tuple(found.get("journeys", [])),
            tables,
        )
        ids = settings.identities
        unknown = [name for name in ("salt", "hash_email", "hash_phone", "as_of") if ids.get(name)]
        unknown += ["sequence"] if settings.paths.get("sequence") else []
        unknown += ["shared"] if ids.get("shared", "last_login") != "last_login" else []
        if unknown:
            raise NotImplementedError(f"the audit does not know these settings: {', '.join(unknown)}")
        return settings

    def filtered(self, options: str) -> Settings:
        """The settings of a report that options such as `--from 2026-03-01 --by device, channel` have filtered."""
        report = dict(self.report)
        for name, value in re.findall(r"--(\w+) ((?:[^-\s]\S*?(?:, )?)+)(?= --|$)", options):
            if name in ("from", "to"):
                report[{"from": "first_day", "to": "last_day"}[name]] = date.fromisoformat(value)
            elif name == "by":
                report["segments"] = value.split(", ")
        return replace(self, report=report, journeys=() if options else self.journeys)

    @property
    def identities(self) -> dict[str, Any]:
        """The table `[paths.identities]`."""
        return dict(self.paths.get("identities", {}))

    def length(self, name: str, default: str) -> int:
        """A duration of `[paths]`, in microseconds."""
        return microseconds(self.paths.get(name, default))

    @property
    def gap(self) -> int:
        """The journey gap."""
        return self.length("journey_gap", "30d")

    @property
    def window(self) -> int:
        """The time a journey has to the goal."""
        asked = self.named_goals[0].get("horizon") if self.named_goals else None
        asked = asked or self.report.get("window")
        return min(microseconds("30d"), self.gap) if asked is None else microseconds(asked)

    @property
    def trend_window(self) -> int:
        """The same for the weekly trend."""
        return min(microseconds(self.report.get("trend_window", "7d")), self.gap)

    @property
    def compare(self) -> int:
        """The length of the two periods that are compared."""
        return microseconds(self.report.get("compare", "28d"))

    @property
    def zone(self) -> ZoneInfo:
        """The zone of days, weeks and printed times."""
        return ZoneInfo(self.report.get("timezone", "UTC"))

    @property
    def days(self) -> tuple[date | None, date | None]:
        """The first and the last day on which journeys of the report begin."""
        first, last = (self.report.get(name) for name in ("first_day", "last_day"))
        return tuple(date.fromisoformat(day) if isinstance(day, str) else day for day in (first, last))  # type: ignore[return-value]

    @property
    def of_all_days(self) -> Settings:
        """The same settings without days."""
        report = {name: value for name, value in self.report.items() if name not in ("first_day", "last_day")}
        return replace(self, report=report)

    @property
    def k(self) -> int:
        """Counts of 1 to k - 1 customers are withheld."""
        return int(self.report.get("k", 10))

    @property
    def least(self) -> int:
        """A rate over fewer customers is not shown."""
        return int(self.report.get("least", 30))

    @property
    def goals(self) -> list[str]:
        """The touchpoints that end a journey as converted."""
        return list(self.named_goals[0]["steps"] if self.named_goals else self.paths.get("goal", ["order_placed"]))

    @property
    def goal(self) -> str:
        """The goal by the name that pages show."""
        return str(self.named_goals[0]["name"]) if self.named_goals else " or ".join(self.goals)

    @property
    def stages(self) -> list[tuple[str, re.Pattern[str]]]:
        """The stage rules in order."""
        return [(rule["name"], matcher(rule["touchpoints"])) for rule in self.paths["stages"]]

    @property
    def stage_names(self) -> list[str]:
        """The stages in order, each once."""
        return list(dict.fromkeys(name for name, _ in self.stages))

    def stage_of(self, touchpoint: str) -> str | None:
        """The stage of a touchpoint: that of the first rule that names it."""
        return next((name for name, pattern in self.stages if pattern.fullmatch(touchpoint)), None)

    @property
    def goal_place(self) -> int:
        """The position of the goal's stage; behind all others where no rule names the goal."""
        names = self.stage_names
        places = [names.index(stage) for stage in map(self.stage_of, self.goals) if stage is not None]
        return max(places, default=len(names))

    @property
    def steps(self) -> list[str]:
        """The rows of the stage funnel: the stages before the goal's, then the goal."""
        return [*self.stage_names[: self.goal_place], self.goal]

    @property
    def segments(self) -> list[str]:
        """The columns of the breakdowns."""
        return list(self.report.get("segments", []))

    def name_of(self, column: str) -> str:
        """The displayed name of a column."""
        names = self.report.get("segment_names", {})
        return str(names.get(column, column.replace("_", " ").capitalize()))
