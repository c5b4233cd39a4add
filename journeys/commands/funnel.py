"""`journeys funnel`: how many customers reach each step, and where they drop off."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from expectations.errors import StorageError
from journeys import terminal
from journeys.app import DEFAULT, AsCsv, AsJson, Config, app, printed_as, settings_of

if TYPE_CHECKING:
    import polars as pl

    from analytics import Funnel
    from journeys.settings import Settings

BAR: Final = ""
"""Name of the column of bars."""
OPTIONAL_COLUMNS: Final = (BAR, "95 %", "wait", "open")
"""Columns that a narrow terminal leaves out, in this order."""
NAME_WIDTH: Final = 22
NARROW_NAME_WIDTH: Final = 14
"""Width of a step's name, in characters, on a wide and on a narrow terminal."""


@app.command()
def funnel(
    steps: Annotated[
        list[str] | None,
        typer.Argument(help="Touchpoints in order, stages as `stage:NAME`, or the name of a configured funnel."),
    ] = None,
    by: Annotated[list[str] | None, typer.Option(help="Break down by this column; repeatable.")] = None,
    window: Annotated[
        str | None,
        typer.Option(
            help="Longest time from the first step to the last; default 30d, without steps that of the report."
        ),
    ] = None,
    order: Annotated[
        str | None, typer.Option(help="How steps are matched: ordered (default), strict or unordered.")
    ] = None,
    maturity: Annotated[
        str | None,
        typer.Option(help="How customers still inside the window count: mature (default), clip or survival."),
    ] = None,
    exclude: Annotated[
        list[str] | None, typer.Option(help="A touchpoint that ends an attempt when it lies between steps; repeatable.")
    ] = None,
    same: Annotated[
        list[str] | None, typer.Option(help="A column that must be equal at all steps; repeatable.")
    ] = None,
    count: Annotated[
        str | None,
        typer.Option(
            help="What is counted: customers (default), sessions, journeys, entries, or the values of a column."
        ),
    ] = None,
    ties: Annotated[
        str | None, typer.Option(help="Order of touches at the same time: favourable (default), adverse or sequence.")
    ] = None,
    attribution: Annotated[
        str | None,
        typer.Option(
            help="Which touch the value of --by comes from: at_entry (default), first, last, 'step 2' or every."
        ),
    ] = None,
    value: Annotated[str | None, typer.Option(help="A numeric column to add up at each step.")] = None,
    start: Annotated[datetime | None, typer.Option(help="Only customers who enter at or after this time, UTC.")] = None,
    end: Annotated[datetime | None, typer.Option(help="Only customers who enter before this time, UTC.")] = None,
    svg: Annotated[Path | None, typer.Option(help="Also draw the funnel into this SVG file.")] = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    config: Config = DEFAULT,
) -> None:
    """Count how many customers reach each step, and where they drop off; without steps, over the configured stages.

    Example: journeys funnel "Product page" Cart Order --by device --window 7d
    """

    rules = {"by": by, "window": window, "order": order, "maturity": maturity, "start": start, "end": end}
    rules |= {"exclude": exclude, "same": same, "count": count, "ties": ties, "attribution": attribution}
    rules |= {"value": value}
    show_funnel(settings_of(config), steps or [], rules, printed_as(json=as_json, csv=as_csv), svg)


def show_funnel(
    settings: Settings, steps: list[str], rules: dict[str, Any], how: terminal.As, svg: Path | None
) -> None:
    """Print a funnel over `steps`, over a configured funnel, or over the stages; `rules` are the funnel's options."""
    import analytics

    paths = analytics.Paths.open(settings.lake)
    definition = question(settings, steps, {name: value for name, value in rules.items() if value})
    answer = analytics.funnel(paths, analytics.check_words(paths, definition))
    if svg is not None:
        from reports.charts.svg import funnel_svg

        try:
            svg.write_text(funnel_svg(answer), encoding="utf-8")
        except OSError as error:
            raise StorageError("The drawing cannot be written.", where=str(svg), found=error.strerror or "") from None
    by, window = definition.by, terminal.text(definition.window)
    unit = definition.count
    counted = unit if unit in ("customers", "sessions", "journeys", "entries") else f"{unit} values"
    if how is not terminal.As.table:
        terminal.show(answer, how)
        return
    for group in answer.partition_by("is_total", *by, maintain_order=True):
        if by:
            named = "all" if group["is_total"][0] else ", ".join(f"{name} {group[name][0] or '–'}" for name in by)
            terminal.out.print(f"\n{terminal.harmless(named)}", style="bold", markup=False)
        _draw(group, counted, definition.value or "")
    terminal.out.print(_reading(answer, window, definition.maturity, counted), style="dim", markup=False)


def question(settings: Settings, steps: list[str], rules: dict[str, Any]) -> Funnel:
    """The funnel's definition, from the arguments and the configuration."""
    from analytics import Funnel, step_of

    if len(steps) == 1 and steps[0] in settings.funnels:
        named = settings.funnels[steps[0]]
        steps, rules = named.steps, {**named.model_dump(exclude={"name", "steps"}), **rules}
    if not steps:  # as in the report, so that both give the same numbers
        steps = [f"stage:{stage.name}" for stage in settings.paths.stages]
        rules = {"window": settings.report.window, **rules}
    return Funnel([step_of(word) for word in steps], **rules)


def _draw(group: pl.DataFrame, counted: str, value: str) -> None:
    """Print the steps as a table with bars. A narrow terminal leaves out columns, so that no number is cut."""
    rows = [_cells(row, counted, value) for row in group.iter_rows(named=True)]
    columns = [name for name in rows[0] if name != BAR or not value]  # there is room for only one of the two
    left_out = [name for name in OPTIONAL_COLUMNS if name in columns]
    table = terminal.columns(rows, columns, NAME_WIDTH)
    if not terminal.fits(table):
        table = terminal.columns(rows, columns, NARROW_NAME_WIDTH)
    while not terminal.fits(table) and left_out:
        columns.remove(left_out.pop(0))
        table = terminal.columns(rows, columns, NARROW_NAME_WIDTH)
    terminal.out.print(table)


def _cells(row: dict[str, Any], counted: str, value: str) -> dict[str, str]:
    """One step as text, by column."""
    later = row["step"] > 1
    cells = {
        "step": row["name"],
        BAR: terminal.bar(row["share_of_entered"], width=12),
        counted: terminal.text(row["reached"]),
        "lost": terminal.text(row["dropped"]) if later else "",
        "went on": terminal.text(row["share_of_previous"], "share") if later else "",
        "95 %": _interval(row) if later else "",
        "open": terminal.text(row["open"]),
        "wait": terminal.text(row["median_wait"]) if later else "",
    }
    return cells | ({value: f"{row['value']:,.0f}"} if value else {})


def _interval(row: dict[str, Any]) -> str:
    low, high = row["share_of_previous_low"], row["share_of_previous_high"]
    return f"{low * 100:.1f}–{high * 100:.1f}" if row["enough"] else "too few"


def _reading(answer: pl.DataFrame, window: str, maturity: str, counted: str) -> str:
    total = answer.filter("is_total")
    open_, ties = total["open"][0], total["tie_sensitive"][0]
    population = {
        "mature": f"Only {counted} with the whole window of {window} before the end of data.",
        "clip": f"All who entered, within {window}; touches outside the range do not count.",
        "survival": f"All who entered; shares are estimates after {window} (Kaplan-Meier).",
    }[maturity]
    return (
        f"\n{population} Went on: share of the previous step, with its 95 % interval; "
        f"wait: the median.\nOpen: {open_:,} {counted} still inside their window, not counted as lost. "
        f"For {ties:,} {counted} the result depends on the order of simultaneous touches."
    )
