"""`journeys retention`: who comes back, who stays, and who falls away?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from expectations.errors import DefinitionError
from journeys import terminal
from journeys.app import DEFAULT, AsCsv, AsJson, Config, On, app, paths_on, printed_as, settings_of
from journeys.commands.funnel import checked_question
from journeys.segmented import Only, funnel_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl

    from analytics import Paths, Step
    from journeys.settings import Settings

ANY: Final = "*"
"""Any touch."""
ROWS: Final = 14
"""Cohorts, periods or durations that a table shows, the newest or the most telling ones."""
NOTES: Final = {
    "retention": "A cell is shown once its period is over, so later columns of a total count fewer cohorts.",
    "lapse": "Everybody is seen until the end of the data less the gap; customers first seen later are left out.",
    "comeback": "Who has not come back is seen until the end of the data.",
    "lifecycle": "active = new + returning + resurrecting; the active of the period before = returning + dormant.",
    "stickiness": "ratio: the mean number of active days over the days of the period.",
}


@app.command()
def retention(
    start: Annotated[
        str | None,
        typer.Argument(help="The step that begins, written as one of journeys funnel; by default any touch."),
    ] = None,
    returning: Annotated[str | None, typer.Argument(help="The step that returns; by default any touch.")] = None,
    period: Annotated[str, typer.Option(help="hour, day, week (from Monday), week_sunday or month.")] = "week",
    periods: Annotated[int, typer.Option(help="How many periods after the cohort's.")] = 8,
    cohort: Annotated[str, typer.Option(help="first: one cohort a customer; every: one in each period.")] = "first",
    returns: Annotated[str, typer.Option(help="on a period, or on_or_after it.")] = "on",
    clock: Annotated[str, typer.Option(help="calendar, or elapsed since each customer's own start.")] = "calendar",
    least: Annotated[int, typer.Option(help="How many touches of one period a return takes.")] = 1,
    by: Annotated[list[str] | None, typer.Option(help="Break down by this column; repeatable.")] = None,
    lapse: Annotated[
        str | None, typer.Option(help="How long customers stay before a gap this long, such as 30d, instead.")
    ] = None,
    comeback: Annotated[
        str | None, typer.Option(help="How long they stay away after such a gap begins, instead.")
    ] = None,
    lifecycle: Annotated[
        bool, typer.Option("--lifecycle", help="Who is new, returns, comes back and falls away, instead.")
    ] = False,
    stickiness: Annotated[
        bool, typer.Option("--stickiness", help="On how many days of each period customers are active, instead.")
    ] = False,
    segment: Only = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    on: On = None,
    config: Config = DEFAULT,
) -> None:
    """Show which share of each cohort comes back, by period; or how long customers stay, and who falls away.

    Examples: journeys retention "Order placed" "Order placed" --period month

    journeys retention --lapse 30d --by channel
    """
    settings = settings_of(config)
    given = {"lapse": lapse, "comeback": comeback, "lifecycle": lifecycle or None, "stickiness": stickiness or None}
    asked = [name for name, value in given.items() if value is not None]
    if len(asked) > 1:
        raise DefinitionError("These are several questions.", expected="one of them", found=", ".join(asked))
    name = asked[0] if asked else "retention"
    cohorts = {"periods": periods, "cohort": cohort, "returns": returns, "clock": clock, "least": least}
    question = {"period": period, "by": by or [], "gap": lapse or comeback, "segment": segment or (), **cohorts}
    show_retention(settings, name, (start, returning), question, printed_as(json=as_json, csv=as_csv), on)


def show_retention(
    settings: Settings,
    name: str,
    words: tuple[str | None, str | None],
    question: dict[str, Any],
    how: terminal.As,
    on: str | None = None,
) -> None:
    """Print the answer of one of the measures of `NOTES`."""
    paths, texts = paths_on(settings, on), [word or ANY for word in words]
    definition, only = checked_question(settings, paths, texts, {"segment": question["segment"]})
    paths, definition = funnel_of(settings, paths, definition, only)
    answer = _answer(paths, name, definition.steps, question, settings.report.timezone)
    if how is not terminal.As.table:
        terminal.show(answer, how)
    elif answer.is_empty():
        terminal.out.print("Nothing is over yet: no period, or nobody, has been seen for long enough.", markup=False)
    else:
        terminal.show(_table(answer, name, question["by"]), how)
        terminal.out.print(f"\n{NOTES[name]}", style="dim", markup=False)


def _answer(paths: Paths, name: str, steps: Sequence[Step], question: dict[str, Any], timezone: str) -> pl.DataFrame:
    import analytics

    by, first = question["by"], steps[0]
    if name == "lapse":
        return analytics.lapse(paths, first, gap=question["gap"], by=by)
    if name == "comeback":
        return analytics.comeback(paths, first, gap=question["gap"], by=by)
    calendar = {"period": question["period"], "timezone": timezone}
    if name == "lifecycle":
        return analytics.lifecycle(paths, first, by=by, **calendar)
    if name == "stickiness":
        return analytics.stickiness(paths, first, by=by, **calendar)
    rules = analytics.ReturnRules(clock=question["clock"], least=question["least"])
    way = {key: question[key] for key in ("periods", "cohort", "returns")}
    return analytics.retention(paths, first, steps[1], by=by, rules=rules, **way, **calendar)


def _table(answer: pl.DataFrame, name: str, by: list[str]) -> pl.DataFrame:
    """What a table shows: of cohorts one column per period, of curves a few durations, of periods the newest."""
    import polars as pl

    if name == "retention":
        return _cohorts(answer, by)
    groups = [pl.when("is_total").then(pl.lit("all")).otherwise(pl.col(n).cast(pl.String)).alias(n) for n in by]
    table = answer.with_columns(groups)
    if name in ("lapse", "comeback"):
        every = (pl.len().over("is_total", *by) // ROWS).clip(1)
        row = pl.int_range(pl.len()).over("is_total", *by)
        last = row == pl.len().over("is_total", *by) - 1
        shown = table.filter((row % every == 0) | last)
        return shown.select(*by, "time", "at_risk", "events", "censored", pl.col("active").alias("share_active"))
    newest = answer["period"].unique().sort().tail(ROWS)
    shown = table.filter(pl.col("period").is_in(newest.implode()))
    names = ["new", "returning", "resurrecting", "dormant", "active", "quick_ratio"]
    if name == "stickiness":
        names = ["active", "ratio", "active_units", "customers", "at_least", "share_at_least"]
    return shown.select(*by, pl.col("period").dt.date(), *names)


def _cohorts(answer: pl.DataFrame, by: list[str]) -> pl.DataFrame:
    """One row per cohort, after that of all, with a share per period."""
    import polars as pl

    newest = answer["cohort"].drop_nulls().unique().sort().tail(ROWS)
    ordered = answer.sort("is_group", *by, ~pl.col("is_total"), maintain_order=True, nulls_last=True)
    shown = ordered.filter(pl.col("is_total") | pl.col("cohort").is_in(newest.implode()))
    groups = [pl.when("is_group").then(pl.col(n).cast(pl.String)).otherwise(pl.lit("all")).alias(n) for n in by]
    day = pl.when("is_total").then(pl.lit("all")).otherwise(pl.col("cohort").dt.date().cast(pl.String)).alias("cohort")
    size = pl.col("size").max().over("is_group", *by, "cohort").alias("customers")
    share = (pl.col("share") * 100).round(1).cast(pl.String) + " %"
    table = shown.with_columns(*groups, size, share.alias("share")).with_columns(day)
    keys = [*by, "cohort", "customers"]
    wide = table.pivot("after", index=keys, values="share", maintain_order=True)
    return wide.with_columns(pl.exclude(keys).fill_null(""))
