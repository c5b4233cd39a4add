"""`journeys predict`: how many of the journeys under way will reach the goal, how sure is that, and whose are they?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from expectations.errors import DefinitionError
from journeys import terminal
from journeys.app import DEFAULT, AsCsv, AsJson, Config, app, printed_as, settings_of
from journeys.segmented import grouped_by

if TYPE_CHECKING:
    import polars as pl

    from analytics import Forecast, Prediction
    from journeys.settings import Settings
    from reports.questions.ask import PeopleSettings

WHAT: Final = {"hazard": "the hazard model", "logistic": "the logistic baseline", "base rate": "the base rate"}
SHARES: Final = ("expected", "seen", "seen_low", "seen_high")
QUALITY: Final = (
    "model",
    "horizon",
    "goals",
    "expected",
    "auc",
    "skill",
    "gain",
    "gain 95 %",
    "log_loss",
)


@app.command()
def predict(
    goal: Annotated[str | None, typer.Argument(help="A goal by name; by default that of \\[prediction].")] = None,
    horizon: Annotated[str | None, typer.Option(help="Only this horizon, such as 7d.")] = None,
    backtest: Annotated[
        bool, typer.Option("--backtest", help="How good the chances are on held-back time, instead.")
    ] = False,
    customers: Annotated[
        bool, typer.Option("--customers", help="The chance of each customer, instead; without those who object.")
    ] = False,
    by: Annotated[
        list[str] | None,
        typer.Option(help="By this column, such as persona, segment:NAME or device, instead; repeatable."),
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="End with exit code 1 when the hazard model is not good enough to be used.")
    ] = False,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    config: Config = DEFAULT,
) -> None:
    """Predict how many of the journeys under way reach the goal, from what was known at earlier times.

    Example: journeys predict --horizon 7d
    """
    asked = [
        name for name, is_asked in (("--backtest", backtest), ("--customers", customers), ("--by", by)) if is_asked
    ]
    if len(asked) > 1:
        raise DefinitionError(
            "One thing is shown at a time.", expected="--backtest, --customers or --by", found=" and ".join(asked)
        )
    how = printed_as(json=as_json, csv=as_csv)
    found = show_prediction(
        settings_of(config), goal, horizon, how, backtest=backtest, customers=customers, by=by or []
    )
    if strict and found.model != "hazard":
        raise typer.Exit(1)


def show_prediction(
    settings: Settings,
    goal: str | None,
    horizon: str | None,
    how: terminal.As,
    *,
    backtest: bool = False,
    customers: bool = False,
    by: Sequence[str] = (),
) -> Forecast:
    """Print the outlook, also by column, the quality on held-back time, or the chance of each customer; returns the
    forecast.
    """
    import analytics

    paths, columns = grouped_by(settings, by) if by else (None, [])
    definition = settings.prediction(goal)
    length = _horizon(definition, horizon)
    with terminal.step("Learning from what was known at earlier times") as advance:
        found = analytics.forecast(settings.lake, definition, settings.paths, on_progress=advance)
    answer = found.quality if backtest else found.scores if customers else found.outlook
    if paths is not None:
        answer = analytics.outlook(paths, found, by=columns)
    if length is not None:
        answer = answer.filter(horizon=length)
    if how is not terminal.As.table:
        terminal.show(answer, how)
    elif backtest:
        _print_quality(answer, found, length or definition.longest)
    elif customers:
        terminal.show(_in_days(answer), how)
    elif paths is not None:
        _print_groups(answer, found, columns)
    else:
        _print_outlook(answer, found, definition)
    return found


def with_forecast(settings: Settings, people: PeopleSettings) -> PeopleSettings:
    """What the report says of customers, with the forecast of `[prediction]`, where journeys.toml has that table.

    Where nothing can be predicted yet, the report has no outlook, and a line says why.
    """
    if "prediction" not in settings.file.data:
        return people
    import analytics
    from reports.questions.people.asked import Ahead

    definition = settings.prediction()
    try:
        with terminal.step("Learning from what was known at earlier times") as advance:
            found = analytics.forecast(settings.lake, definition, settings.paths, on_progress=advance)
    except DefinitionError as error:
        terminal.err.print(f"  without an outlook: {terminal.harmless(str(error))}", markup=False, soft_wrap=True)
        return people
    return replace(people, ahead=Ahead(definition, found))


def _horizon(definition: Prediction, horizon: str | None) -> timedelta | None:
    """The horizon asked for."""
    if horizon is None:
        return None
    from expectations.config.durations import duration

    asked = duration(horizon)
    if asked not in definition.lengths:
        known = ", ".join(f"{days:g}d" for days in definition.days)
        raise DefinitionError("This horizon is not predicted.", expected=f"one of {known}", found=horizon)
    return asked


def _print_outlook(answer: pl.DataFrame, found: Forecast, definition: Prediction) -> None:
    """Print the expected goals by band of chance, with the same bands on held-back time beside them."""
    import polars as pl

    whole = answer.filter("is_total").row(-1, named=True)
    title = (
        f"{definition.named.name}: {whole['customers']:,} customers with a journey under way at "
        f"{terminal.text(found.at)} UTC"
    )
    terminal.out.print(terminal.harmless(title), style="bold", markup=False, soft_wrap=True)
    chance = [f"{row['chance_from'] * 100:.1f} to {row['chance_to'] * 100:.1f} %" for row in answer.to_dicts()]
    band = pl.when("is_total").then(pl.lit("all")).otherwise(pl.Series(chance, dtype=pl.String)).alias("chance")
    goals = [f"{row['expected_low']:,.0f} to {row['expected_high']:,.0f}" for row in answer.to_dicts()]
    seen = [
        "–" if row["seen"] is None else f"{row['seen_low'] * 100:.1f} to {row['seen_high'] * 100:.1f}"
        for row in answer.to_dicts()
    ]
    table = _in_days(answer).select(
        "horizon",
        band,
        "customers",
        pl.col("expected_goals").round().cast(pl.Int64),
        pl.Series("95 %", goals, dtype=pl.String),
        pl.col("tested").alias("held back"),
        pl.col("expected").alias("expected share"),
        pl.col("seen").alias("seen share"),
        pl.Series("seen 95 %", seen, dtype=pl.String),
    )
    terminal.show(table, terminal.As.table)
    lines = [
        f"Chances by {WHAT[found.model]}: {found.reason}.",
        f"Held back: the customers with a journey under way at {found.tested:%Y-%m-%d}, and what they did after.",
    ]
    if found.objected:
        lines.append(f"{found.objected:,} customers who object to profiling are left out.")
    terminal.out.print("\n" + "\n".join(lines), style="dim", markup=False)


def _print_groups(answer: pl.DataFrame, found: Forecast, columns: list[str]) -> None:
    """Print the expected goals by group."""
    import polars as pl

    goals = [f"{row['expected_low']:,.0f} to {row['expected_high']:,.0f}" for row in answer.to_dicts()]
    table = terminal.named_groups(_in_days(answer), columns).select(
        *columns,
        "horizon",
        "customers",
        pl.col("expected_goals").round(1),
        pl.Series("95 %", goals, dtype=pl.String),
        "enough",
    )
    terminal.show(table, terminal.As.table)
    note = f"Chances by {WHAT[found.model]}: {found.reason}. They are tested over all customers, not in each group."
    terminal.out.print(f"\n{note}", style="dim", markup=False, soft_wrap=True)


def _print_quality(answer: pl.DataFrame, found: Forecast, length: timedelta) -> None:
    """Print the quality of each model, and what was expected and seen in ten groups."""
    import polars as pl

    table = _in_days(answer).with_columns(_ends(answer, "gain"), pl.col("expected").round().cast(pl.Int64))
    numbers = [
        pl.col(name).map_elements(_digits, return_dtype=pl.String) for name in ("auc", "skill", "gain", "log_loss")
    ]
    error = pl.col("calibration_error").map_elements(_digits, return_dtype=pl.String)
    terminal.show(table.with_columns(numbers).select(*QUALITY, error), terminal.As.table)
    terminal.out.print(
        f"\nBy {WHAT[found.model]}, within {length / timedelta(days=1):g} days", style="bold", markup=False
    )
    shares = {name: f"{name} share".replace("seen_", "seen ") for name in SHARES}
    groups = found.reliability.filter(horizon=length).drop("horizon").rename(shares)
    terminal.show(groups, terminal.As.table)
    learned = ", ".join(f"{at:%Y-%m-%d}" for at in found.learned)
    notes = [
        f"Used is {WHAT[found.model]}: {found.reason}.",
        f"Tested at {found.tested:%Y-%m-%d}; learned at {learned}.",
        "Skill: against the true share of all. Gain: the skill above that of the logistic baseline.",
    ]
    terminal.out.print("\n" + "\n".join(notes), style="dim", markup=False, soft_wrap=True)


def _in_days(answer: pl.DataFrame) -> pl.DataFrame:
    """The horizons as text."""
    import polars as pl

    texts = [f"{length / timedelta(days=1):g} d" for length in answer["horizon"]]
    return answer.with_columns(pl.Series("horizon", texts, dtype=pl.String))


def _ends(rows: pl.DataFrame, name: str) -> pl.Series:
    """The ends of an interval as text."""
    import polars as pl

    pairs = rows.select(f"{name}_low", f"{name}_high").iter_rows()
    words = ["–" if None in pair else f"{pair[0]:.3f} to {pair[1]:.3f}" for pair in pairs]
    return pl.Series(f"{name} 95 %", words, dtype=pl.String)


def _digits(value: Any) -> str:
    return f"{value:.4f}"
