"""What the lake and journeys.toml say beside the answers to the questions of maturity.

Each fact says between which answers it fits: the highest where what the answer claims is not there, the lowest where
more is there than the answer says.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from expectations.errors import StorageError

if TYPE_CHECKING:
    from analytics import MaturityEvidence
    from journeys.settings import Settings

MONTH: Final = timedelta(days=28)
"""The time over which reports are counted."""
_ANONYMOUS: Final = 0.1
"""The share of anonymous events from which one person is not seen across all channels."""
_WEEKLY: Final = 4


def evidence_of(settings: Settings, at: datetime) -> dict[int, MaturityEvidence]:
    """The facts by the number of their question; none where nothing can be measured, as before the first stitching."""
    facts: dict[int, Callable[[], MaturityEvidence | None]] = {
        1: lambda: _survey_answers(settings),
        3: lambda: _alerts(settings),
        4: lambda: _kinds(settings),
        6: lambda: _definitions(settings),
        7: lambda: _designed(settings),
        8: lambda: _goals_of_customers(settings),
        10: lambda: _coverage(settings),
        12: lambda: _checks(settings),
        13: lambda: _targets(settings),
        14: lambda: _changes(settings),
        15: lambda: _reports(settings, at),
    }
    found = {number: fact() for number, fact in facts.items()}
    return {number: fact for number, fact in found.items() if fact is not None}


def _survey_answers(settings: Settings) -> MaturityEvidence | None:
    import polars as pl

    from analytics import MaturityEvidence, Paths

    with suppress(StorageError):  # not stitched yet
        touches = Paths.open(settings.lake).touches
        if "survey" not in touches.collect_schema():
            return None
        counts = touches.filter(pl.col("survey").is_not_null()).group_by("channel").len().collect()
        if counts.is_empty():
            return MaturityEvidence("no answer to a survey has landed", most=2)
        channels = f"{counts.height} {'channel' if counts.height == 1 else 'channels'}"
        return MaturityEvidence(f"{counts['len'].sum():,} answers to surveys, in {channels}", least=1.6)
    return None


def _alerts(settings: Settings) -> MaturityEvidence:
    from analytics import MaturityEvidence

    if not settings.watch.is_asked:
        return MaturityEvidence("alerts reach nobody by themselves", most=4)
    return MaturityEvidence("alerts go to a command or a folder", least=2)


def _kinds(settings: Settings) -> MaturityEvidence:
    from analytics import MaturityEvidence

    count, is_fitted = len(settings.segments), "personas" in settings.file.data
    named = f"{count} {'segment is' if count == 1 else 'segments are'} named"
    if is_fitted:
        return MaturityEvidence(f"personas are asked for, {named}", least=2)
    return MaturityEvidence(f"no personas are asked for, {named}", most=4)


def _definitions(settings: Settings) -> MaturityEvidence:
    from analytics import MaturityEvidence

    owned = [*settings.goals, *settings.segments, *settings.journeys, *settings.funnels.values()]
    reviewed = sum(bool(each.reviewed) for each in owned)
    if not owned:
        return MaturityEvidence("no goal, segment, journey or funnel is named", most=3)
    text = f"{reviewed} of {len(owned)} goals, segments, journeys and funnels have a date of review"
    return MaturityEvidence(text, most=5 if reviewed else 4)


def _designed(settings: Settings) -> MaturityEvidence:
    from analytics import MaturityEvidence

    count, designed = len(settings.journeys), sum(bool(each.designed) for each in settings.journeys)
    if not designed:
        return MaturityEvidence("no journey has a designed path", most=4)
    return MaturityEvidence(f"{designed} of {count} journeys have an owner and a designed path", least=2)


def _goals_of_customers(settings: Settings) -> MaturityEvidence:
    from analytics import MaturityEvidence

    said = sum(bool(goal.for_customer) for goal in settings.goals)
    if not said:
        return MaturityEvidence("no goal says what the customer gets", most=4)
    return MaturityEvidence(f"{said} of {len(settings.goals)} goals say what the customer gets", least=2)


def _coverage(settings: Settings) -> MaturityEvidence | None:
    from analytics import MaturityEvidence, stitch_summary

    with suppress(StorageError):  # not stitched yet
        coverage = stitch_summary(settings.lake).coverage
        login, anonymous = coverage.get("login", 0.0), coverage.get("anonymous", 0.0)
        text = f"{login:.1%} of events by a login, {anonymous:.1%} anonymous"
        return MaturityEvidence(text, most=4 if anonymous >= _ANONYMOUS else 5)
    return None


def _checks(settings: Settings) -> MaturityEvidence:
    import polars as pl

    from analytics import MaturityEvidence
    from expectations.audit.results import results

    found = results(settings.lake)
    if found.is_empty():
        return MaturityEvidence("nothing was checked yet", most=4)
    last = found.filter(pl.col("checked_at") == pl.col("checked_at").max())
    failed, count = (rows["expectation"].n_unique() for rows in (last.filter(~pl.col("passed")), last))
    text = f"{failed} of {count} expectations failed at the last check, {last['checked_at'][0]:%Y-%m-%d}"
    return MaturityEvidence(text, least=2, most=4 if failed else 5)


def _targets(settings: Settings) -> MaturityEvidence:
    from analytics import MaturityEvidence

    targets = [target for journey in settings.journeys for target in journey.targets]
    if not targets:
        return MaturityEvidence("no journey has a target", most=4)
    dated = sum(target.by is not None for target in targets)
    return MaturityEvidence(f"{len(targets)} targets with an owner, {dated} of them with a date", least=2)


def _changes(settings: Settings) -> MaturityEvidence:
    from analytics import MaturityEvidence

    noted = sum(len(journey.changes) for journey in settings.journeys)
    tried = len(settings.file.data.get("experiments", []))
    if not noted and not tried:
        return MaturityEvidence("no change and no experiment is noted", most=4)
    return MaturityEvidence(f"{noted} changes and {tried} experiments are noted", least=2)


def _reports(settings: Settings, at: datetime) -> MaturityEvidence:
    import polars as pl

    from analytics import MaturityEvidence, published_runs

    count = published_runs(settings.lake).filter(pl.col("built_at").is_between(at - MONTH, at)).height
    text = f"{count} {'report' if count == 1 else 'reports'} in the last four weeks"
    return MaturityEvidence(text, most=5 if count >= _WEEKLY else 4)
