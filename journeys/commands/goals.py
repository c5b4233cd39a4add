"""`journeys goals`: what share of journeys reaches each goal within its horizon."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from journeys import terminal
from journeys.app import DEFAULT, AsCsv, AsJson, Config, On, app, paths_on, printed_as, settings_of
from journeys.segmented import Only, columns_of, members_only, with_segments_of

if TYPE_CHECKING:
    import polars as pl

    from analytics import Goal
    from journeys.settings import Settings

SHOWN: Final = ("goal", "mature", "reached", "goal_rate", "late", "direct", "value", "horizon", "for_customer")
"""The columns of a table, with the interval after the rate."""

ROUTES: Final = ("family", "units", "goal_rate", "share_of_goals", "median_touches", "median_time", "value")


@app.command()
def goals(
    names: Annotated[
        list[str] | None, typer.Argument(help="Names of goals in journeys.toml; by default all of them.")
    ] = None,
    by: Annotated[list[str] | None, typer.Option(help="Break down by this column; repeatable.")] = None,
    start: Annotated[
        datetime | None,
        typer.Option("--from", help="Only journeys that begin from this day or time, in the zone of the report."),
    ] = None,
    end: Annotated[
        datetime | None,
        typer.Option("--to", help="Only journeys that begin before this day or time, in the zone of the report."),
    ] = None,
    routes: Annotated[
        bool, typer.Option("--routes", help="By which routes journeys reach each goal, and what these take.")
    ] = False,
    segment: Only = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    on: On = None,
    config: Config = DEFAULT,
) -> None:
    """Count how many journeys reach each goal within its horizon, and what these goals are worth.

    Example: journeys goals "Newsletter subscribed" --by device
    """
    asked = {"by": by or [], "start": start, "end": end, "routes": routes, "segment": segment or []}
    show_goals(settings_of(config), names or [], asked, printed_as(json=as_json, csv=as_csv), on)


def show_goals(
    settings: Settings, names: list[str], asked: dict[str, Any], how: terminal.As, on: str | None = None
) -> None:
    """Print one row per goal, and group of a breakdown."""
    import analytics
    from reports.questions.money import money_of

    goals = [settings.goal(name) for name in dict.fromkeys(names)] or list(settings.goals or [settings.main_goal])
    paths = members_only(settings, paths_on(settings, on).require_touches(), asked.pop("segment", ()), "journey")
    paths = with_segments_of(settings, paths, asked["by"])
    asked["by"] = columns_of(asked["by"])
    report = settings.report
    for name in ("start", "end"):
        asked[name] = None if asked[name] is None else asked[name].replace(tzinfo=asked[name].tzinfo or report.zone)
    money = money_of(report, [goal.value for goal in goals if isinstance(goal.value, str)])
    if asked.pop("routes"):
        for goal in goals:
            answer = analytics.goal_routes(paths, goal, window=report.window, money=money, **asked)
            show_routes(answer, goal, asked["by"], how)
        return
    answer = analytics.goal_attainment(paths, goals, window=report.window, money=money, **asked)
    if how is not terminal.As.table:
        terminal.show(answer, how)
        return
    terminal.show(_table(answer, asked["by"]), how)
    lines = [
        "Goal rate: journeys with the goal within the horizon after they begin, over all mature ones, which began so "
        "long before the end of data; its 95 % interval is judged by customers. Late: with the goal after it. Direct: "
        "of the goal alone, in no rate."
    ]
    for row in answer.filter("is_total").iter_rows(named=True):
        if row["value_left_out"]:
            lines.append(f"{row['goal']}: {row['value_left_out']:,} amounts cannot be converted and are left out.")
    touchpoints = paths.values_of("touchpoint")
    for goal in goals:
        unknown = [name for name in goal.touchpoints if name not in touchpoints]
        lines += [f"{goal.name}: no touchpoint is called {name!r}." for name in unknown]
    terminal.out.print("\n" + "\n".join(map(terminal.harmless, lines)), style="dim", markup=False)


def _table(answer: pl.DataFrame, by: list[str]) -> pl.DataFrame:
    """The columns that a table shows; a goal's value only where one has a value, and so its words for the customer."""
    import polars as pl

    ends = [_interval(row) for row in answer.iter_rows(named=True)]
    given = {"value": answer["value"].count(), "for_customer": answer["for_customer"].str.len_chars().sum()}
    shown = [name for name in SHOWN if given.get(name, True)]
    shown.insert(shown.index("goal_rate") + 1, "95 %")
    total = pl.col("is_total")
    return answer.with_columns(
        pl.Series("95 %", ends, pl.String),
        *(pl.when(total).then(pl.lit("all")).otherwise(pl.col(name).cast(pl.String)).alias(name) for name in by),
    ).select(*by, *shown)


def _interval(row: dict[str, Any]) -> str:
    if not row["enough"]:
        return "too few"
    if row["goal_rate"] is None:
        return ""
    return f"{row['goal_rate_low'] * 100:.1f}–{row['goal_rate_high'] * 100:.1f}"


def show_routes(answer: pl.DataFrame, goal: Goal, by: list[str], how: terminal.As) -> None:
    """Print the families of routes to a goal."""
    import polars as pl

    if how is not terminal.As.table:
        terminal.show(answer.select(pl.lit(goal.name).alias("goal"), pl.all()), how)
        return
    shown = [name for name in ROUTES if not answer[name].is_null().all()]
    ends = pl.Series("95 %", [_interval(row) for row in answer.iter_rows(named=True)], pl.String)
    if "goal_rate" in shown:
        shown.insert(shown.index("goal_rate") + 1, "95 %")
    total = pl.col("is_total")
    groups = [pl.when(total).then(pl.lit("all")).otherwise(pl.col(name).cast(pl.String)).alias(name) for name in by]
    terminal.show(answer.with_columns(ends, *groups).select(*by, *shown), how, goal.name)
    lines = [
        "A journey belongs to the first family that its touches before the goal fit; direct journeys, of the goal "
        "alone, have no rate. Families differ in more than their route: a higher rate is no reason to lead customers "
        "there."
    ]
    if nearly := answer.filter(total, "nearly_there")["family"].to_list():
        lines.append(f"Nearly there already, so their rate says little: {', '.join(nearly)}.")
    if nobody := answer.filter(total, pl.col("units") == 0)["family"].to_list():
        lines.append(f"Nothing fits: {', '.join(nobody)}.")
    terminal.out.print("\n" + "\n".join(map(terminal.harmless, lines)), style="dim", markup=False)
