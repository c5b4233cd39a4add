"""`journeys attribution`: which channels get the credit for the goals?"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from journeys import terminal
from journeys.app import DEFAULT, AsCsv, AsJson, Config, app, paths_on, printed_as, settings_of
from journeys.commands.paths import column_and_cluster

if TYPE_CHECKING:
    import polars as pl

    from analytics import Goal, Paths
    from journeys.settings import Settings
    from reports.settings import ReportSettings

NAME_WIDTH: Final = 26
RESOLUTION: Final = timedelta(microseconds=1)
MAX_RANGES: Final = 3
"""With more models, a table of a usual terminal has no room for their intervals."""
NOBODY: Final = "(no touch before)"
SENTENCE: Final = (
    "Credit shares out what happened. It does not say what would have happened without the channel; an experiment does."
)


@app.command()
def attribution(
    goal: Annotated[
        str | None,
        typer.Argument(help="A goal of journeys.toml, a touchpoint or `stage:NAME`; by default what ends journeys."),
    ] = None,
    on: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN|ADDRESS",
            help="The column whose values earn: channel (by default), source, campaign; and a cluster of Spark to "
            "count on: spark://HOST:PORT, sc://HOST:PORT or yarn.",
        ),
    ] = None,
    models: Annotated[
        str,
        typer.Option(help="By commas: first, last, linear, position, time_decay, participation, shapley, markov."),
    ] = "last,linear,markov",
    lookback: Annotated[str, typer.Option(help="How long before a goal a touch may lie.")] = "30d",
    value: Annotated[
        str | None, typer.Option(help="A numeric column of the goal; of money in the currency of the report.")
    ] = None,
    ignore: Annotated[
        list[str] | None, typer.Option(help="A value that earns nothing where another is on the path; repeatable.")
    ] = None,
    half_life: Annotated[str, typer.Option(help="Of time_decay: after how long a touch counts half.")] = "7d",
    order: Annotated[int, typer.Option(help="Of markov: how many values the chain remembers, 1 to 4.")] = 1,
    top: Annotated[int | None, typer.Option(help="Name only so many values, the most common; the rest is one.")] = None,
    by: Annotated[list[str] | None, typer.Option(help="Break down by this column; repeatable.")] = None,
    start: Annotated[
        datetime | None, typer.Option("--from", help="Only goals from this day or time, in the zone of the report.")
    ] = None,
    end: Annotated[
        datetime | None, typer.Option("--to", help="Only goals before this day or time, in the zone of the report.")
    ] = None,
    adjust: Annotated[
        list[str] | None,
        typer.Option(help="Compare paths with and without a value where this column is alike; repeatable, jointly."),
    ] = None,
    effects: Annotated[
        bool, typer.Option("--effects", help="Only how often paths with and without each value reach the goal.")
    ] = False,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    config: Config = DEFAULT,
) -> None:
    """Share the credit for a goal among the touches before it, by rules and by a Markov chain, with intervals.

    Beside it: how often paths with a value, and without it, reach the goal.

    Example: journeys attribution "Order placed" --on source --models last,markov --value revenue
    """
    column, cluster = column_and_cluster(on or [])
    definition = {
        "on": column or "channel",
        "models": [model.strip() for model in models.split(",")],
        "lookback": lookback,
        "value": value,
        "ignore": ignore or (),
        "half_life": half_life,
        "order": order,
        "top": top,
    }
    asked = {"by": by or [], "start": start, "end": end, "adjust": adjust or [], "only_effects": effects}
    show_attribution(settings_of(config), goal, definition, asked, printed_as(json=as_json, csv=as_csv), cluster)


def show_attribution(
    settings: Settings,
    goal: str | None,
    definition: dict[str, Any],
    asked: dict[str, Any],
    how: terminal.As,
    cluster: str | None = None,
) -> None:
    """Print the credit of every value, one column per model, and the goal rates with the value and without it."""
    import analytics
    from reports.questions.money import amount_of

    paths, report = paths_on(settings, cluster).require_touches(), settings.report
    for name in ("start", "end"):
        asked[name] = asked[name] and asked[name].replace(tzinfo=asked[name].tzinfo or report.zone)
    named = goal_named(settings, paths, goal)
    if definition["value"]:
        definition["value"] = amount_of(report, definition["value"])
    wanted = analytics.Attribution(named, **definition)
    adjust, only_effects = asked.pop("adjust"), asked.pop("only_effects")
    if only_effects and how is not terminal.As.table:
        terminal.show(analytics.touch_effects(paths, wanted, adjust=adjust, **asked), how)
        return
    if not only_effects:
        answer = analytics.attribution(paths, wanted, **asked)
        if (costs := settings.costs_on(definition["on"])) is not None:
            answer = analytics.with_costs(answer, costs, *_days(paths, report, asked["start"], asked["end"]))
        if how is not terminal.As.table:
            terminal.show(answer, how)
            return
        _print(answer, named.name, asked["by"], definition)
    _print_effects(analytics.touch_effects(paths, wanted, adjust=adjust, **asked), named.name, asked["by"], adjust)


def _days(paths: Paths, report: ReportSettings, start: datetime | None, end: datetime | None) -> tuple[date, date]:
    """The first and the last day whose goals count, in the zone of the report."""
    import analytics

    first, last = analytics.summary(paths).select("first_at", "end_of_data").row(0)
    first, last = start or first, end or last
    return first.astimezone(report.zone).date(), (last - RESOLUTION).astimezone(report.zone).date()


def goal_named(settings: Settings, paths: Any, name: str | None) -> Goal:
    """The goal of that name in journeys.toml, or a touchpoint or stage of the paths; without a name the main goal."""
    from analytics import Goal
    from expectations.errors import DefinitionError, nearest

    if name is None:
        return settings.main_goal
    known = {each.name for each in settings.goals}
    words = paths.values_of("touchpoint").cast(str).to_list()
    if name in known:
        return settings.goal(name)
    if name not in words and not name.startswith("stage:"):
        raise DefinitionError(
            f"There is no goal and no touchpoint {name!r}.",
            expected="the name of a goal, a touchpoint, or stage:NAME",
            do=nearest(name, [*known, *words]),
        )
    return Goal(name=name, steps=(name,))


def _print(answer: pl.DataFrame, goal: str, by: list[str], definition: dict[str, Any]) -> None:
    if answer.is_empty():
        terminal.out.print(terminal.harmless(f"Nobody reached {goal!r}, and no touch could earn.\n"), markup=False)
        return
    whole, models = answer.row(0, named=True), definition["models"]
    title = f"{goal}: {whole['conversions']:,} goals of {whole['customers']:,} customers, by {definition['on']}"
    terminal.out.print(terminal.harmless(title) + "\n", style="bold", markup=False)
    for name in ("credit", "value") if definition["value"] else ("credit",):
        cells = _cells(answer, by, name, with_range=name == "credit" and len(models) <= MAX_RANGES)
        terminal.out.print(terminal.columns(cells, [name, *models], NAME_WIDTH))
        terminal.out.print()
    if "cost" in answer.columns:
        _print_costs(answer.filter("is_total"), models, has_value=bool(definition["value"]))
    notes = [SENTENCE, f"{whole['nulls']:,} paths ended without the goal, {whole['open']:,} are open."]
    if whole["truncated"]:
        notes.append(
            f"{whole['truncated']:,} goals lie less than the lookback after the data begin, and may have lost touches."
        )
    if not whole["enough"]:
        notes.append("Too few customers for intervals.")
    elif len(models) > MAX_RANGES:
        notes.append("Intervals are in --json and --csv.")
    if whole["value_left_out"]:
        notes.append(f"{whole['value_left_out']:,} amounts cannot be converted and are left out.")
    if whole.get("share_cut"):
        notes.append(f"Intervals of values leave out {_percent(whole['share_cut'])} of it: the largest are cut.")
    terminal.out.print(" ".join(notes) + "\n", style="dim", markup=False)


def _print_costs(answer: pl.DataFrame, models: list[str], *, has_value: bool) -> None:
    """What each value costs, and per model what a goal costs, or what a unit of money brings back."""
    name, form = ("return_on_cost", ".2f") if has_value else ("cost_per_goal", ",.2f")
    rows: dict[str, dict[str, str]] = {}
    for row in answer.filter(answer["cost"].is_not_null()).iter_rows(named=True):
        cells = rows.setdefault(row["credited"], {"cost": row["credited"], "sum": f"{row['cost']:,.2f}"})
        cells[row["model"]] = "" if row[name] is None else format(row[name], form)
    if not rows:
        terminal.out.print("No cost lies in these days.\n", markup=False)
        return
    title = "Value per unit of cost, by model" if has_value else "Cost per goal, by model"
    terminal.out.print(title, style="bold", markup=False)
    terminal.out.print(terminal.columns(list(rows.values()), ["cost", "sum", *models], NAME_WIDTH))
    one = [row for row in answer.iter_rows(named=True) if row["model"] == models[0] and row["cost"] is not None]
    notes = [
        f"{row['credited']}: {row['days_without_cost']:,} of these days have no cost, so nothing is worked out."
        for row in one
        if row["days_without_cost"]
    ]
    if nobody := [row for row in one if row["credit"] == 0]:
        notes.append(
            f"{sum(row['cost'] for row in nobody):,.2f} of {sum(row['cost'] for row in one):,.2f} is the cost of what "
            f"{models[0]} credits with no goal."
        )
    terminal.out.print(terminal.harmless(" ".join(notes)) + "\n", style="dim", markup=False)


def _print_effects(answer: pl.DataFrame, goal: str, by: list[str], adjust: list[str]) -> None:
    """The rates with each value and without it, in percent, the difference in points, and the goals that it makes."""
    if answer.is_empty():
        terminal.out.print(f"No path to {terminal.harmless(goal)!r} has been followed for the lookback.", markup=False)
        return
    rows = []
    for row in answer.iter_rows(named=True):
        group = ["all"] if row["is_total"] else [terminal.text(row[column]) for column in by]
        rows.append(
            {
                "paths": f"{', '.join(group)}: {row['credited']}" if by else row["credited"],
                "with": f"{row['with']:,}",
                "rate": _percent(row["rate_with"]),
                "without": _percent(row["rate_without"]),
                "points": "" if row["adjusted"] is None else f"{row['adjusted'] * 100:+.1f}",
                "goals more": _goals_more(row),
            }
        )
    terminal.out.print(terminal.columns(rows, list(rows[0]), NAME_WIDTH))
    terminal.out.print()
    whole, alike = answer.row(0, named=True), f" Compared where {', '.join(adjust)} is alike." if adjust else ""
    terminal.out.print(
        terminal.harmless(
            f"Paths with {goal} within the lookback after their first touch, of all that are followed for so long "
            f"({whole['with'] + whole['without']:,}; {whole['open']:,} are not yet).{alike} Customers choose what they "
            "meet: a difference is no effect where they differ in more than this."
        ),
        style="dim",
        markup=False,
    )


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share * 100:.1f} %"


def _goals_more(row: dict[str, Any]) -> str:
    """The incremental goals with their interval, or why there are none."""
    if row["incremental"] is None:
        return "too unlike" if row["without"] else ""
    if not row["enough"]:
        return "too few"
    return "{incremental:+,.0f} ({incremental_low:+,.0f} to {incremental_high:+,.0f})".format_map(row)


def _cells(answer: pl.DataFrame, by: list[str], name: str, *, with_range: bool) -> list[dict[str, str]]:
    """One row per group and value, with what each model gives it, and the interval of that."""
    rows: dict[tuple[Any, ...], dict[str, str]] = {}
    for row in answer.iter_rows(named=True):
        group = ["all"] if row["is_total"] else [terminal.text(row[column]) for column in by]
        credited = NOBODY if row["credited"] is None else row["credited"]
        label = f"{', '.join(group)}: {credited}" if by else credited
        cells = rows.setdefault((*group, row["credited"]), {name: label})
        low, high = row[f"{name}_low"], row[f"{name}_high"]
        reach = f" ({low:,.0f}–{high:,.0f})" if with_range and low is not None and high > low else ""
        cells[row["model"]] = f"{row[name]:,.0f}{reach}"
    return list(rows.values())
