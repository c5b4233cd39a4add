"""`journeys why`: why did a goal rate move, in one answer of at most eight sentences?"""

from __future__ import annotations

import json
import sys
from datetime import datetime, timedelta
from functools import cache, partial
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from expectations.errors import DefinitionError, nearest
from journeys import terminal
from journeys.app import DEFAULT, AsJson, Config, Days, On, app, days_given, paths_on, settings_of
from journeys.commands.funnel import checked_question, named_question
from journeys.reported.releases import releases_in
from journeys.segmented import Only, columns_of, funnel_of, members_only, with_segments_of
from journeys.why.watch import watches_on

if TYPE_CHECKING:
    from analytics import Funnel, Goal, Paths
    from journeys.settings import Settings

EXAMPLE_WEEK: Final = "2026-W09"


@app.command("why")
def why_moved(
    names: Annotated[
        list[str],
        typer.Argument(
            help="The name of a goal or of a funnel in journeys.toml, or steps of a funnel, as for journeys funnel."
        ),
    ],
    week: Annotated[
        str | None,
        typer.Option(help=f"The week in which journeys begin, from Monday to Sunday: {EXAMPLE_WEEK}."),
    ] = None,
    before: Annotated[
        str | None, typer.Option(help="Days of beginning of the earlier period, both included: 2026-02-01..2026-02-25.")
    ] = None,
    after: Annotated[str | None, typer.Option(help="Days of beginning of the later period, both included.")] = None,
    against: Annotated[
        int, typer.Option(min=1, help="Compare the week with so many weeks before it, taken together.")
    ] = 4,
    by: Annotated[
        list[str] | None,
        typer.Option(
            help="Look in the segments of this column; repeatable; '*' is every one. By default as the report."
        ),
    ] = None,
    window: Annotated[str | None, typer.Option(help="Longest time to the goal. By default its horizon.")] = None,
    segment: Only = None,
    as_json: AsJson = False,
    on: On = None,
    config: Config = DEFAULT,
) -> None:
    """Say why a goal rate or a conversion moved: which stage, which segment, who drops there, what else was unusual.

    Each line is beyond its interval; what was looked at and is not told, not tested, or withheld is said last.

    A week is that of a point of a weekly chart. A goal goes before a funnel of its name.

    Example: journeys why "Order placed" --week 2026-W09
    """
    spans = compared_spans(week, before, after, against)
    settings = settings_of(config)
    asked = {"by": by or [], "window": window, "segment": segment or []}
    rows = why_rows(settings, paths_on(settings, on).require_touches(), names, spans, asked)
    if as_json:
        terminal.write(sys.stdout, json.dumps(rows, default=_text, ensure_ascii=False, indent=2) + "\n")
        return
    from reports.words.products import cohort_words

    earlier, later = (
        cohort_words(*(datetime(day.year, day.month, day.day, tzinfo=settings.report.zone) for day in span))
        for span in spans
    )
    heading = f"{' → '.join(names)}: {later} against {earlier}, by day of beginning"
    terminal.out.print(terminal.harmless(heading), style="bold", markup=False, soft_wrap=True)
    for row in rows:
        terminal.out.print(terminal.harmless(f"- {row['sentence']}"), markup=False, soft_wrap=True)


def why_rows(
    settings: Settings, paths: Paths, names: list[str], spans: tuple[Days, Days], asked: dict[str, Any]
) -> list[dict[str, Any]]:
    """The sentences of the answer with their numbers."""
    import polars as pl

    import analytics
    from reports.privacy.watches import Incidents, published_alerts, published_rises
    from reports.questions.problems.incidents import watched
    from reports.words.why import why_sentences

    report = settings.report
    goal, only = _asked(settings, paths, names)
    end = paths.end_of_data
    assert end is not None
    words = asked["by"] or report.segments
    if isinstance(goal, analytics.Funnel):
        chosen, goal = funnel_of(settings, paths, goal, [*only, *asked["segment"]])
    else:
        chosen = members_only(settings, paths, asked["segment"], "journey")
    chosen = with_segments_of(settings, chosen, words)
    named = columns_of(words)
    lateness = analytics.channel_lateness(settings.lake, end)
    is_set = isinstance(goal, analytics.Funnel) or goal.horizon
    window = asked["window"] or (None if is_set else report.window)
    horizon = analytics.goal_window(paths, report.window)

    asked_of = releases_in(settings)
    also, watches = watches_on(settings, paths)
    watching = cache(partial(watched, also, report, horizon, lateness, watches))  # asked once all else is in order
    answer = analytics.why(
        chosen,
        goal,
        before=spans[0],
        after=spans[1],
        by="*" if named == ["*"] else named,
        window=window,
        timezone=report.timezone,
        notes=[analytics.JourneyNote(made.on, made.what) for each in settings.journeys for made in each.changes],
        releases=analytics.release_marks(chosen, asked_of.columns, asked_of.marks, timezone=report.timezone),
        watched=watching,
        lateness=lateness,
        least=report.k,
    )
    name = pl.when(kind="change").then(pl.lit(" → ".join(names))).otherwise("name").alias("name")
    alerts = published_alerts(watching().alerts, report.k, report.zone, report.name_of)
    shown = Incidents(alerts, published_rises(watching().rose_with, report.k))
    return why_sentences(answer.with_columns(name), shown, report.segment_names)


def _asked(settings: Settings, paths: Paths, names: list[str]) -> tuple[Goal | Funnel, tuple[str, ...]]:
    """The goal of this name, else the funnel of it, or of these steps, and the segments of those who enter it.

    Raises `DefinitionError` with the nearest name where no goal, funnel or touchpoint is called so.
    """
    goals = {goal.name: goal for goal in settings.goals or (settings.main_goal,)}
    if len(names) == 1 and names[0] in goals:
        return goals[names[0]], ()
    if len(names) == 1 and names[0] not in settings.funnels:
        known = [*goals, *settings.funnels]
        raise DefinitionError(
            f"There is no goal or funnel {names[0]!r}.",
            expected=f"one of {', '.join(known)}, or steps",
            do=nearest(names[0], known),
        )
    return checked_question(settings, paths, *named_question(settings, names, {}))


def compared_spans(week: str | None, before: str | None, after: str | None, against: int) -> tuple[Days, Days]:
    """The days of both periods, each from its first to the day behind its last."""
    if bool(before) != bool(after) or bool(week) == bool(before):
        raise DefinitionError("Two periods are compared.", expected="--week, or --before and --after")
    if before and after:
        first, second = (days_given(name, text) for name, text in (("before", before), ("after", after)))
        return (first[0], first[1] + timedelta(days=1)), (second[0], second[1] + timedelta(days=1))
    assert week is not None
    try:
        monday = datetime.strptime(f"{week}-1", "%G-W%V-%u").date()  # noqa: DTZ007 - a day of the report's zone
    except ValueError:
        raise DefinitionError(
            "A week cannot be read.",
            where="--week",
            expected=f"a year and its week, such as {EXAMPLE_WEEK}",
            found=week,
        ) from None
    return (monday - timedelta(weeks=against), monday), (monday, monday + timedelta(weeks=1))


def _text(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
