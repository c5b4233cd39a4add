"""`journeys watch`: what has become unusual in the periods that are over and have arrived."""

from __future__ import annotations

import json
import sys
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import typer

from expectations.errors import DefinitionError
from journeys import terminal
from journeys.app import DEFAULT, AsJson, Config, app, settings_of

if TYPE_CHECKING:
    from analytics import WatchRun
    from journeys.settings import Settings

KEYS: Final = (
    *("alert", "status", "watch", "measure", "group", "period", "since", "until", "seen", "of", "expected"),
    *("expected_low", "expected_high", "p_corrected", "at_stake", "goals_at_stake", "goals_at_stake_low"),
    *("goals_at_stake_high", "sentence", "folded", "opened", "closed", "end_of_data"),
)
"""The keys of an alert in JSON, in order."""


@app.command()
def watch(
    replay: Annotated[
        str | None, typer.Option(help="Tell everything that would have been told in this time, such as 90d.")
    ] = None,
    period: Annotated[Literal["day", "week"], typer.Option(help="Watch days or weeks.")] = "day",
    fail: Annotated[bool, typer.Option("--fail", help="End with exit code 1 when an alert is open.")] = False,
    as_json: AsJson = False,
    config: Config = DEFAULT,
) -> None:
    """Tell what has become unusual: pairs of touchpoints, stages, the goal, volumes, errors, answers.

    Only periods are tested that are over and whose events have arrived. Open alerts are told, and with --replay closed
    ones, too. With --json every alert is one line.

    Example: journeys watch --replay 90d
    """
    settings = settings_of(config)
    found, rows = watched(settings, replay, period)
    if as_json:
        for row in rows:
            terminal.write(sys.stdout, json.dumps(row, default=_text) + "\n")
    else:
        tell(found, rows)
    if fail and any(row["status"] == "open" for row in rows):
        raise typer.Exit(1)


def watched(
    settings: Settings, replay: str | None = None, period: Literal["day", "week"] = "day"
) -> tuple[WatchRun, list[dict[str, Any]]]:
    """What watching the lake finds, and the alerts that are told, the oldest first: open ones, or those of `replay`."""
    import analytics
    from reports.privacy.watches import shown_alerts

    paths, report = analytics.Paths.open(settings.lake).require_touches(), settings.report
    end = paths.end_of_data
    assert end is not None
    groups = [name for name in dict.fromkeys(("channel", "device", *report.segments)) if name in paths.dictionaries]
    found = analytics.watch(
        paths,
        groups=groups,
        period=period,
        timezone=report.timezone,
        window=report.trend_window,
        lateness=analytics.channel_lateness(settings.lake, end),
    )
    alerts = shown_alerts(found.alerts, report.k).sort("opened", "since")
    if replay is None:
        alerts = alerts.filter(alerts["status"] == "open")
    else:
        length = analytics.duration(replay)
        if not length:
            raise DefinitionError("A replay needs some time.", expected="such as 90d", found=replay)
        alerts = alerts.filter(alerts["opened"] >= end - length)
    rows = []
    for row in alerts.iter_rows(named=True):
        group = None if row["by"] is None else {row["by"]: row["group"]}
        told = {**row, "watch": row["name"], "group": group, "end_of_data": end, "sentence": alert_sentence(row)}
        rows.append({key: told[key] for key in KEYS} | {"name": row["name"], "by": row["by"]})
    return found, [{key: row[key] for key in KEYS} for row in rows]


def tell(found: WatchRun, rows: list[dict[str, Any]]) -> None:
    """Print alerts, one line each, and what was not tested."""
    for row in rows:
        status = row["status"].upper()
        line = f"{row['since']:%Y-%m-%d}  {status:<6}  {terminal.harmless(row['sentence'])}"
        terminal.out.print(line, markup=False, soft_wrap=True)
    if not rows:
        terminal.out.print("Nothing unusual.")
    for row in found.not_tested.iter_rows(named=True):
        text = f"Not tested: {terminal.harmless(row['channel'])}, {_days(row['since'], row['until'])}: {row['reason']}."
        terminal.out.print(text, markup=False, soft_wrap=True)
    until = "none" if found.tested_until is None else f"{found.tested_until:%Y-%m-%d}"
    note = f"Tested to {until}; {found.tests:,} tests in the last period, corrected together."
    terminal.out.print(note, style="dim", markup=False)


def alert_sentence(row: dict[str, Any]) -> str:
    """What an alert says in one line."""
    group = "" if row["by"] is None else f"; {row['by']} {row['group']}"
    days = _days(row["since"], row["until"])
    if row["rule"] == "silent":
        return f"{row['name']}: no touch, {days}"
    if row["rule"] == "unheard":
        return f"{row['name']}: never seen before, {row['seen']:,} touches on {days}"
    if row["of"] is None:
        expected = f"expected {row['expected']:,.0f}, {row['expected_low']:,.0f} to {row['expected_high']:,.0f}"
        seen = "few" if row["seen"] is None else f"{row['seen']:,}"
        return f"{row['name']}: {seen} touches ({expected}); {days}"
    low, mean, high = (f"{row[name] * 100:.0f}" for name in ("expected_low", "expected", "expected_high"))
    seen = "few of" if row["seen"] is None else f"{row['seen'] / row['of'] * 100:.0f} % of"
    text = f"{row['name']}: {seen} {row['of']:,} (expected {mean} %, {low} to {high}){group}; {days}"
    goals = row["goals_at_stake"]
    if goals is None or goals < 1:
        return text
    return (
        f"{text}; {goals:,.0f} goals at stake ({row['goals_at_stake_low']:,.0f} to {row['goals_at_stake_high']:,.0f})"
    )


def _days(since: datetime, until: datetime) -> str:
    if since == until:
        return f"{since:%-d %b}"
    return f"{since:%-d %b} to {until:%-d %b}"


def _text(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
