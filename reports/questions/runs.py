"""What the lake knows of published reports: which numbers they show, where they lie, and who was erased since."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from analytics import (
    DIFF_CAUSES,
    CellQuestion,
    Goal,
    KeptRun,
    PathRules,
    Paths,
    duration,
    erasures,
    has_restated,
    keep_run,
    kept_names,
    kept_run,
    kept_site,
    main_goal,
    on_spark,
    paths_of_run,
    published_runs,
    record_restatements,
    record_run,
    restatements,
    run_difference,
    run_of,
)
from expectations import contract
from expectations.errors import StorageError
from expectations.lake.layout import EVENTS, PROFILES, QUARANTINE, Lake
from expectations.lake.tables import landed, scan, table_version
from reports.privacy.differences import publishable_differences
from reports.questions.answers import Origin
from reports.questions.quality import Until
from reports.settings import ReportSettings

_REFUSED, _OUTLOOK = "refused", "outlook"
"""Cards of which what they were counted from may be gone."""


def record_report(lake: Lake, origin: Origin, run: str, built_at: datetime, site: str) -> None:
    """Adds one row for the report `run`, published at `site`; does nothing if it is already recorded."""
    offsets = [
        {"topic": topic, "partition": partition, "offset": offset}
        for topic, last in origin.offsets.items()
        for partition, offset in last.items()
    ]
    row = {
        "run": run,
        "built_at": built_at,
        "definitions": origin.definitions,
        "identity": origin.versions.get("rules", ""),
        "versions": [
            *({"name": name, "version": version} for name, version in sorted(origin.versions.items())),
            *({"name": f"definition: {name}", "version": part} for name, part in sorted(origin.definition.items())),
        ],
        "offsets": offsets,
        "site": site,
    }
    record_run(lake, row)


def sites(lake: Lake) -> list[str]:
    """Where reports of the lake were ever published, sorted.

    >>> sites(Lake("nowhere"))
    []
    """
    return published_runs(lake)["site"].unique().sort().to_list()


def erasures_of(lake: Lake) -> int:
    """How many erasures the lake has seen (`analytics.erasures`)."""
    return erasures(lake)


@dataclass(frozen=True)
class Told:
    """What a report tells, for later ones to be compared with, and what it restates, as it may be published."""

    kept: KeptRun
    restated: pl.DataFrame | None

    def keep(self, lake: Lake, published: Mapping[str, Any]) -> None:
        """Keeps it in the lake, with the published frames of its `site.json`."""
        keep_run(lake, self.kept, published)


def told_by(
    lake: Lake,
    settings: ReportSettings,
    rules: PathRules,
    goals: Sequence[Goal],
    *,
    run: str,
    at: datetime,
    erased: int,
    session: Any = None,
) -> Told:
    """What the report `run` tells; numbers that it restates are recorded in the lake (`analytics.restatements`).

    It is compared with the newest report that the lake keeps from before it. Causes are worked out only where a final
    number was told otherwise.
    """
    paths = Paths.open(lake)
    paths = paths if session is None else on_spark(paths, session)
    asked = question_of(settings, rules, goals)
    now = run_of(lake, paths, rules, asked, run=run, at=at, k=settings.k, erased=erased)
    earlier = (kept_run(lake, name) for name in reversed(kept_names(lake)))
    before = next((each for each in earlier if each.at < at), None)
    if before is not None and has_restated(before, now):
        record_restatements(lake, run_difference(lake, before, now), before, now)
    return Told(now, restated_until(lake, settings, at))


def restated_until(lake: Lake, settings: ReportSettings, at: datetime) -> pl.DataFrame | None:
    """The restatements that a report of this time shows, newest first; null without any."""
    told = restatements(lake).filter(pl.col("at") <= at).sort("at", descending=True, maintain_order=True)
    shown = publishable_differences(told, DIFF_CAUSES, settings.k, settings.timezone)
    return None if shown.is_empty() else shown


def question_of(settings: ReportSettings, rules: PathRules, goals: Sequence[Goal]) -> CellQuestion:
    """What the compared numbers of a report count."""
    window = None if settings.window is None else duration(settings.window)
    return CellQuestion(tuple(goals) or (main_goal(rules.goal),), window, settings.timezone)


def told_by_name(lake: Lake, run: str) -> dict[str, Any] | None:
    """The `site.json` of a report, as the lake keeps it; null where it keeps none."""
    return kept_site(lake, run)


def told_reports(lake: Lake) -> Iterator[dict[str, Any]]:
    """The `site.json` of all reports that the lake keeps, the oldest first; not of those that were withdrawn."""
    return (told for name in kept_names(lake) if (told := told_by_name(lake, name)) is not None)


def told_newest(lake: Lake) -> dict[str, Any] | None:
    """The `site.json` of the newest report that the lake keeps and that was not withdrawn; null without any.

    >>> told_newest(Lake("nowhere"))
    """
    return next((told for name in reversed(kept_names(lake)) if (told := told_by_name(lake, name)) is not None), None)


def told_state(lake: Lake) -> tuple[tuple[str, ...], int]:
    """What changes when a report is kept or withdrawn: the names of all reports, and how many erasures there were.

    >>> told_state(Lake("nowhere"))
    ((), 0)
    """
    return tuple(kept_names(lake)), erasures_of(lake)


def told_in(lake: Lake, run: str) -> dict[str, Any]:
    """The `site.json` of a report, as the lake keeps it.

    Raises `DefinitionError` with the nearest name where the lake keeps no such report, and `StorageError` where only
    its frames are gone: a customer was erased since, and every report that counted the customer is withdrawn.
    """
    kept_run(lake, run)
    told = told_by_name(lake, run)
    if told is None:
        raise StorageError(
            "The lake no longer has the numbers of this report.",
            where=run,
            found="a report that was withdrawn, as a customer was erased since",
            do="publish a new one: journeys report",
        )
    return told


@dataclass(frozen=True)
class Known:
    """What a report knew of the lake: its `paths`, and the `events` that they were made from.

    The records that it read are those `until` its time; `read` are the versions and offsets that it names. What is
    `gone` is known no more: `refused`, the quarantine as it was then, and `outlook`, what was learned then.
    """

    paths: Paths
    events: pl.LazyFrame
    until: Until
    read: Mapping[str, Any]
    gone: tuple[str, ...] = ()


def known_by(lake: Lake, told: Mapping[str, Any], rules: PathRules, folder: Path) -> Known:
    """What the report of this `site.json` knew. Where the lake has moved on, its paths are made again in `folder`.

    Raises `StorageError` where the lake no longer has what the report read.
    """
    run = kept_run(lake, str(told["folder"]).rpartition("/")[2])
    paths, versions = Paths.open(lake), dict(told["versions"])
    gone = []
    if versions_of(paths) != versions:
        attributes = versions.get(PROFILES)
        if rules.attributes and attributes is None and table_version(lake, PROFILES) is not None:
            raise StorageError(
                "The report was made before any attribute of a customer had landed, and cannot be computed again.",
                where=lake.table(PROFILES),
                do="compare what both told instead: journeys diff",
            )
        version = None if attributes is None else int(attributes)
        paths = paths_of_run(lake, run, rules, folder, profiles=version)
        gone.append(_OUTLOOK)
    refused = told.get("refused")
    gone += [_REFUSED] if refused is not None and not _is_kept(lake, refused) else []
    until = Until(run.at, None if _REFUSED in gone else refused)
    read = {"versions": versions, "offsets": told["offsets"]}
    return Known(paths, landed(lake).filter(run.landed()), until, read, tuple(gone))


def _is_kept(lake: Lake, version: int) -> bool:
    """Whether the quarantine can still be read as it was: maintenance removes old files."""
    try:
        scan(lake, QUARANTINE, contract.QUARANTINE, version).select(pl.col("reason").count()).collect()
    except (StorageError, OSError, pl.exceptions.PolarsError):
        return False
    return True


def events_of(lake: Lake, paths: Paths) -> pl.LazyFrame:
    """The rows of table `events` from which paths were made; all of them where the paths do not say."""
    version = paths.built_from.get(EVENTS)
    return landed(lake, version if isinstance(version, int) else None)


def versions_of(paths: Paths) -> dict[str, str]:
    """Versions of what paths were built from; long hashes are cut to ten characters."""
    return {str(name): str(value)[:10] for name, value in paths.built_from.items() if isinstance(value, str | int)}
