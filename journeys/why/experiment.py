"""`journeys experiment`: which variant of an experiment does better, and is the experiment sound?"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import typer

from expectations.errors import DefinitionError
from journeys import terminal
from journeys.app import DEFAULT, AsCsv, AsJson, Config, On, app, failures_of, paths_on, printed_as, settings_of
from journeys.segmented import grouped_by

if TYPE_CHECKING:
    import polars as pl

    from analytics import Experiment, Paths
    from journeys.settings import Settings

FAILURES: Final = ("srm", "worse")
"""What `--fail-on` takes."""
BROKEN: Final = "Do not decide on these: customers do not fall on the variants as planned"
NOTES: Final = {
    "anytime": "Intervals hold at every look together; they are narrowest near the expected number of customers.",
    "fixed": "Intervals hold for one look, at an end that was fixed before.",
}


PLAN: Final = (
    "Customers in all variants together, with which the change is found four times in five; days until they are "
    "assigned and their windows of {window} are over, at the rate of the last 28 days. A longer run meets fewer new "
    "customers a day."
)


@app.command()
def experiment(
    name: Annotated[str, typer.Argument(help="The name of an experiment in journeys.toml.")],
    by: Annotated[list[str] | None, typer.Option(help="Break down by this column; repeatable.")] = None,
    horizon: Annotated[
        Literal["anytime", "fixed"], typer.Option(help="anytime: look as often as you like; fixed: look once.")
    ] = "anytime",
    health: Annotated[
        bool, typer.Option("--health", help="Who is assigned, mixed and open, and the sample ratio, instead.")
    ] = False,
    plan: Annotated[
        bool, typer.Option("--plan", help="How many customers it needs, by what customers do now, instead.")
    ] = False,
    lift: Annotated[
        list[float] | None, typer.Option(help="With --plan: the change to find, in per cent of now; repeatable.")
    ] = None,
    fail_on: Annotated[
        str, typer.Option(help="End with exit code 1 on these, by commas: srm (a broken sample ratio), worse.")
    ] = "",
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    on: On = None,
    config: Config = DEFAULT,
) -> None:
    """Compare the variants of an experiment with its control, by each of its metrics.

    Examples: journeys experiment checkout-button --fail-on srm,worse
      journeys experiment checkout-button --plan --lift 5
    """
    failures = failures_of(fail_on, FAILURES)
    settings, how = settings_of(config), printed_as(json=as_json, csv=as_csv)
    if plan:
        if by or health or fail_on:
            raise DefinitionError("--plan is about all customers, before there is a result.", do="give it alone")
        show_plan(settings, name, lift, horizon, how, on=on)
        return
    if lift:
        raise DefinitionError("--lift is the change that a plan is made for.", do="add --plan")
    asked = {"by": by or [], "horizon": horizon}
    found = show_experiment(settings, name, asked, how, health=health, on=on)
    if not found.isdisjoint(failures):
        raise typer.Exit(1)


def show_experiment(
    settings: Settings,
    name: str,
    asked: dict[str, Any],
    how: terminal.As,
    *,
    health: bool = False,
    on: str | None = None,
) -> set[str]:
    """Print an experiment; returns what has failed of `FAILURES`."""
    import analytics

    paths, asked["by"] = grouped_by(settings, asked["by"], on)
    definition = _definition(settings, name, paths)
    people = analytics.experiment_health(paths, definition, by=asked["by"])
    answer = analytics.experiment(paths, definition, **asked)
    if how is not terminal.As.table:
        terminal.show(people if health else answer, how)
    elif health:
        terminal.show(terminal.named_groups(people, asked["by"]), how)
    else:
        _print(answer, people.filter("is_total"), definition, asked)
    whole = answer.filter("is_total")
    failed = {"worse"} if (whole["verdict"] == "worse").any() else set()
    return failed | ({"srm"} if people["srm"][0] else set())


def _definition(settings: Settings, name: str, paths: Paths, *, has_begun: bool = True) -> Experiment:
    """The experiment of this name, with words of the data."""
    import analytics

    goals = {goal.name: goal for goal in settings.goals}
    definition = settings.experiment(name).definition(goals, settings.report.zone)
    return analytics.check_experiment(paths, definition, has_begun=has_begun)


def show_plan(
    settings: Settings,
    name: str,
    lifts: list[float] | None,
    horizon: Literal["anytime", "fixed"],
    how: terminal.As,
    *,
    on: str | None,
) -> None:
    """Print how many customers an experiment needs, and how long that takes."""
    import analytics

    paths = paths_on(settings, on).require_touches()
    definition = _definition(settings, name, paths, has_begun=False)
    wanted = None if lifts is None else [each / 100 for each in lifts]
    answer = analytics.experiment_size(paths, definition, lifts=wanted, horizon=horizon)
    if how is not terminal.As.table:
        terminal.show(answer, how)
        return
    if answer.is_empty():
        terminal.out.print("Nobody met the assignment in the last 28 days whose windows are over.")
        return
    of = {metric.name: metric.of for metric in definition.metrics}
    terminal.show(_plan_table(answer, of), how)
    days = definition.window.days
    terminal.out.print(f"\n{PLAN.format(window=f'{days} day' + 's' * (days != 1))}", style="dim", markup=False)


def _plan_table(answer: pl.DataFrame, of: Mapping[str, str]) -> pl.DataFrame:
    import polars as pl

    return pl.DataFrame(
        [
            {
                "metric": row["metric"],
                "now": _value(row["baseline"], of[row["metric"]]),
                "lift": f"{row['lift'] * 100:+g} %",
                "change": _value(row["difference"], of[row["metric"]], "difference"),
                "customers": row["customers"],
                "a day": f"{row['per_day']:,.1f}",
                "days": None if row["days"] is None else math.ceil(row["days"]),
            }
            for row in answer.iter_rows(named=True)
        ]
    )


def _print(answer: pl.DataFrame, people: pl.DataFrame, definition: Experiment, asked: dict[str, Any]) -> None:
    counts = ", ".join(f"{row['variant']} {row['assigned']:,}" for row in people.iter_rows(named=True))
    title = f"{definition.name}: {people['assigned'].sum():,} customers assigned ({counts})"
    terminal.out.print(terminal.harmless(title), style="bold", markup=False, soft_wrap=True)
    ratio = terminal.text(people["p_value"][0], "p_value")
    facts = (
        f"Left out: {people['mixed'].sum():,} seen in two variants, {people['open'].sum():,} whose window is open, "
        f"{people['without_variant'][0]:,} without a variant. Sample ratio: p {ratio}."
    )
    terminal.out.print(facts, markup=False)
    if people["srm"][0]:
        terminal.out.print(f"{BROKEN}.", style="bold red", markup=False)
    terminal.out.print()
    if answer.is_empty():
        terminal.out.print("Nobody's window is over yet.")
        return
    terminal.show(_table(answer, definition, asked["by"]), terminal.As.table)
    terminal.out.print(f"\n{NOTES[asked['horizon']]}", style="dim", markup=False)


def _table(answer: pl.DataFrame, definition: Experiment, by: list[str]) -> pl.DataFrame:
    """The columns that a terminal shows: shares in per cent, goals as numbers."""
    import polars as pl

    of = {metric.name: metric.of for metric in definition.metrics}
    rows = [
        {
            **{name: row[name] for name in by},
            "metric": row["metric"],
            "variant": row["variant"],
            "customers": row["customers"],
            "mean": _value(row["mean"], of[row["metric"]]),
            "change": _value(row["difference"], of[row["metric"]], "difference"),
            "95 %": _range(row, of[row["metric"]]),
            "lift": "" if row["lift"] is None else f"{row['lift'] * 100:+.1f} %",
            "p": "" if row["p_corrected"] is None else terminal.text(row["p_corrected"], "p_value"),
            "verdict": row["verdict"] or "",
        }
        for row in terminal.named_groups(answer, by).iter_rows(named=True)
    ]
    return pl.DataFrame(rows)


def _value(value: float | None, of: str, name: str = "share") -> str:
    if value is None:
        return ""
    return terminal.text(value, name) if of == "share" else f"{value:+.3f}" if name == "difference" else f"{value:.3f}"


def _range(row: dict[str, Any], of: str) -> str:
    if row["low"] is None:
        return ""
    low, high = (f"{row[end] * 100:+.1f}" if of == "share" else f"{row[end]:+.3f}" for end in ("low", "high"))
    return f"{low} to {high}"
