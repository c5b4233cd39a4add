"""`journeys watch`: what has become unusual in the periods that are over and have arrived."""

from __future__ import annotations

import sys
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import typer

from expectations.errors import ConfigurationError, DefinitionError, StorageError
from journeys import terminal
from journeys.app import DEFAULT, AsJson, Config, app, settings_of
from journeys.segmented import PREFIX, is_group, segment_named, segments_in, with_segments_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analytics import Funnel, NamedFunnel, Paths, Segment, Watch, WatchRun
    from journeys.settings import Settings

KEYS: Final = (
    *("alert", "status", "watch", "measure", "group", "period", "since", "until", "seen", "of", "expected"),
    *("expected_low", "expected_high", "p_corrected", "at_stake", "goals_at_stake", "goals_at_stake_low"),
    *("goals_at_stake_high", "sentence", "rose_with", "folded", "opened", "closed", "end_of_data", "owner"),
)
"""The keys of an alert in JSON, in order."""
GOALS: Final = ("goals", "low", "high")


@app.command()
def watch(
    replay: Annotated[
        str | None, typer.Option(help="Tell everything that would have been told in this time, such as 90d.")
    ] = None,
    period: Annotated[Literal["day", "week"], typer.Option(help="Watch days or weeks.")] = "day",
    fail: Annotated[bool, typer.Option("--fail", help="End with exit code 1 when an alert is open.")] = False,
    send: Annotated[
        bool, typer.Option("--send", help="Also tell alerts that are new, or closed, as \\[watch] says: each once.")
    ] = False,
    as_json: AsJson = False,
    config: Config = DEFAULT,
) -> None:
    """Tell what has become unusual: pairs of touchpoints, stages, the goal, volumes, errors, answers.

    What [\\[watches]] of journeys.toml asks is watched besides, by its own period and bounds. Only periods are tested
    that are over and whose events have arrived. Open alerts are told, and with --replay closed
    ones, too. With --json every alert is one line.

    Example: journeys watch --replay 90d
    """
    settings = settings_of(config)
    if send and not settings.watch.is_asked:
        raise ConfigurationError(
            "Nobody is told of alerts.", where=str(settings.file.path), expected="command or files in [watch]"
        )
    found, rows = watched(settings, replay, period)
    if as_json:
        from journeys.reported.alerts import alert_as_json

        for row in rows:
            terminal.write(sys.stdout, alert_as_json(row) + "\n")
    else:
        tell(found, rows)
    if send:
        tell_new(settings, period)
    if fail and any(row["status"] == "open" for row in rows):
        raise typer.Exit(1)


def watched(
    settings: Settings, replay: str | None = None, period: Literal["day", "week"] = "day"
) -> tuple[WatchRun, list[dict[str, Any]]]:
    """What watching the lake finds, and the alerts that are told, the oldest first: open ones, or those of `replay`."""
    import analytics
    from reports.privacy.watches import Incidents, published_alerts, published_rises
    from reports.questions.problems.incidents import watched as watch_report
    from reports.words.incidents import told

    paths, report = analytics.Paths.open(settings.lake).require_touches(), settings.report
    end = paths.end_of_data
    assert end is not None
    lateness = analytics.channel_lateness(settings.lake, end)
    paths, watches = watches_on(settings, paths)
    found = watch_report(paths, report, analytics.goal_window(paths, report.window), lateness, watches, period=period)
    alerts = found.alerts.sort("opened", "since")
    if replay is None:
        alerts = alerts.filter(alerts["status"] == "open")
    else:
        length = analytics.duration(replay)
        if not length:
            raise DefinitionError("A replay needs some time.", expected="such as 90d", found=replay)
        alerts = alerts.filter(alerts["opened"] >= end - length)
    shown = Incidents(published_alerts(alerts, report.k, report.zone, str), published_rises(found.rose_with, report.k))
    of_alert = {row["alert"]: row for row in alerts.iter_rows(named=True)}
    rows = []
    for row in told(shown).reverse().iter_rows(named=True):
        group = None if row["dimension"] is None else {row["dimension"]: row["segment"]}
        goals = {f"goals_at_stake{of}": row[name] for of, name in zip(("", "_low", "_high"), GOALS, strict=True)}
        at_stake = None if row["seen"] is None else of_alert[row["alert"]]["at_stake"]
        whole = {**of_alert[row["alert"]], **row, **goals, "at_stake": at_stake, "end_of_data": end}
        told_row = {**whole, "watch": row["watch"] or row["name"], "group": group}
        rows.append({key: told_row[key] for key in KEYS})
    return found, rows


def tell_new(settings: Settings, period: Literal["day", "week"] = "day") -> int:
    """Tells alerts that are new, or closed, to those whom `[watch]` names; returns how many."""
    from journeys.reported.alerts import REACH, send_alerts

    count = send_alerts(settings, watched(settings, REACH, period)[1])
    terminal.err.print(f"Told {count} {'alert' if count == 1 else 'alerts'}.", markup=False)
    return count


def tell(found: WatchRun, rows: list[dict[str, Any]]) -> None:
    """Print alerts, one line each, and what was not tested."""
    from reports.words.incidents import few_cases, not_by

    for row in rows:
        status = row["status"].upper()
        rose = f". {row['rose_with']}" if row["rose_with"] else ""
        line = f"{row['since']:%Y-%m-%d}  {status:<6}  {terminal.harmless(row['sentence'] + rose)}"
        terminal.out.print(line, markup=False, soft_wrap=True)
    if not rows:
        terminal.out.print("Nothing unusual.")
    for row in found.not_tested.iter_rows(named=True):
        text = f"Not tested: {terminal.harmless(row['channel'])}, {_days(row['since'], row['until'])}: {row['reason']}."
        terminal.out.print(text, markup=False, soft_wrap=True)
    if found.unwatched:
        terminal.out.print(not_by(found.unwatched).strip(), style="dim", markup=False, soft_wrap=True)
    if found.too_few:
        terminal.out.print(
            terminal.harmless(few_cases(found.too_few).strip()), style="dim", markup=False, soft_wrap=True
        )
    until = "none" if found.tested_until is None else f"{found.tested_until:%Y-%m-%d}"
    note = f"Tested to {until}; {found.tests:,} tests in the last period, corrected together."
    terminal.out.print(note, style="dim", markup=False)


def _days(since: datetime, until: datetime) -> str:
    if since == until:
        return f"{since:%-d %b}"
    return f"{since:%-d %b} to {until:%-d %b}"


def watches_in(settings: Settings) -> list[Watch]:
    """The watches of the configuration.

    Raises `ConfigurationError` with the line for a funnel, a goal or a segment that the configuration has not, and for
    a funnel that cannot be watched.
    """
    written = settings.watches
    if not written:
        return []
    goals = {goal.name: goal for goal in settings.goals or (settings.main_goal,)}
    segments = segments_in(settings) if any(words_of_segments(settings)) else {}
    found = []
    for index, each in enumerate(written):
        for key, known in (("funnel", settings.funnels), ("goal", goals), ("segment", segments)):
            word = getattr(each, key)
            settings.check_known(("watches", index, key), key, [word] if word else [], list(known))
        by = [word.removeprefix(PREFIX) for word in each.by if word.startswith(PREFIX)]
        settings.check_known(("watches", index, "by"), "segment", by, list(segments))
        named = settings.funnels[each.funnel] if each.funnel else None
        try:
            funnels = {} if named is None else {named.name: _watched(named)}
            found.append(each.definition(funnels, goals))
        except DefinitionError as error:
            raise _placed(settings, (index, "funnel"), error) from None
    return found


def _watched(named: NamedFunnel) -> Funnel:
    """The funnel of a name without its breakdown.

    Raises `DefinitionError` for one of some customers or days, and for one that counts as another tool does.
    """
    from analytics import Funnel, step_of

    rules = named.rules
    if rules.pop("segment") or rules["start"] or rules["end"] or named.profile:
        raise DefinitionError(
            f"Funnel {named.name!r} is of some customers or days, or counts as another tool does.",
            expected="a funnel without segment, start, end and profile",
            do="give the watch a segment, or name a funnel of everybody",
        )
    return Funnel([step_of(word) for word in named.steps], **{**rules, "by": ()})


def words_of_segments(settings: Settings) -> list[str]:
    """The segments that watches name, written `segment:NAME`."""
    found = [word for each in settings.watches for word in each.by if is_group(word)]
    return [*found, *(PREFIX + each.segment for each in settings.watches if each.segment)]


def watches_on(settings: Settings, paths: Paths) -> tuple[Paths, list[Watch]]:
    """The paths with the columns of the segments that watches name, and the watches, which these paths can answer.

    Raises `ConfigurationError` with the line for a column, a value or a touchpoint that the data have not; a touchpoint
    that a rule of `[paths]` names may be touched later.
    """
    from analytics import check_watch

    watches = watches_in(settings)
    if not len(paths):
        return paths, watches
    paths = with_segments_of(settings, paths, words_of_segments(settings))
    known = [rule.name for rule in settings.paths.touchpoints if rule.name]
    for index, watch in enumerate(watches):
        try:
            check_watch(paths, watch, known=known)
        except DefinitionError as error:
            raise _placed(settings, (index, "name"), error) from None
    return paths, watches


def watches_of_report(settings: Settings, segments: Sequence[Segment]) -> tuple[list[Segment], list[Watch]]:
    """The segments of a report with those that watches name, and the watches, which the lake's paths can answer."""
    from analytics import Paths

    if not settings.watches:
        return [*segments], []
    there = {segment.name for segment in segments}
    names = dict.fromkeys(word.removeprefix(PREFIX) for word in words_of_segments(settings))
    also = [segment_named(settings, name) for name in names if name not in there]
    try:
        paths = Paths.open(settings.lake)
    except StorageError:  # not stitched yet: the report says so
        return [*segments], []
    return [*segments, *also], watches_on(settings, paths)[1]


def _placed(settings: Settings, place: tuple[int, str], error: DefinitionError) -> ConfigurationError:
    """The error of a definition at its line."""
    name = settings.watches[place[0]].name
    where = f"{settings.place('watches', *place)}, watch {name!r}"
    return ConfigurationError(error.what, where=where, expected=error.expected, found=error.found, do=error.do)
