"""`journeys funnel`: who reaches each step, and where customers drop off."""

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
"""The name of the column of bars."""
DISPENSABLE: Final = (BAR, "95 %", "wait", "open")
"""Columns that a narrow terminal is spared, the first of them first."""
LONGEST_NAME: Final = 22
SHORTEST_NAME: Final = 14
"""Letters of a step's name, where there is room and where there is not."""


@app.command()
def funnel(
    steps: Annotated[
        list[str] | None,
        typer.Argument(help="Touchpoints in order, or stages as `stage:NAME`; or the name of a configured funnel."),
    ] = None,
    by: Annotated[list[str] | None, typer.Option(help="Break down by this column; may be repeated.")] = None,
    window: Annotated[
        str | None, typer.Option(help="Longest time from first step to last; 30d, or for stages the report's.")
    ] = None,
    order: Annotated[str | None, typer.Option(help="ordered, strict or unordered.")] = None,
    maturity: Annotated[str | None, typer.Option(help="mature, clip or survival.")] = None,
    exclude: Annotated[
        list[str] | None, typer.Option(help="Touchpoint that ends an attempt between two steps; may be repeated.")
    ] = None,
    same: Annotated[
        list[str] | None, typer.Option(help="Column that is equal over all steps; may be repeated.")
    ] = None,
    count: Annotated[
        str | None, typer.Option(help="customers, sessions, journeys, entries, or a column whose values are counted.")
    ] = None,
    ties: Annotated[str | None, typer.Option(help="favourable, adverse or sequence.")] = None,
    attribution: Annotated[
        str | None, typer.Option(help="Whose value --by takes: at_entry, first, last, 'step 2', every.")
    ] = None,
    value: Annotated[str | None, typer.Option(help="Number that is added up over the touches of each step.")] = None,
    start: Annotated[datetime | None, typer.Option(help="Only entries from this time on, UTC.")] = None,
    end: Annotated[datetime | None, typer.Option(help="Only entries before this time, UTC.")] = None,
    svg: Annotated[Path | None, typer.Option(help="Also draw it into this file.")] = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    config: Config = DEFAULT,
) -> None:
    """Count how many customers reach each step, and where they drop off. Without steps: the configured stages.

    Example: journeys funnel "Product page" Cart Order --by device --window 7d
    """

    rules = {"by": by, "window": window, "order": order, "maturity": maturity, "start": start, "end": end}
    rules |= {"exclude": exclude, "same": same, "count": count, "ties": ties, "attribution": attribution}
    rules |= {"value": value}
    show_funnel(settings_of(config), steps or [], rules, printed_as(json=as_json, csv=as_csv), svg)


def show_funnel(
    settings: Settings, steps: list[str], rules: dict[str, Any], how: terminal.As, svg: Path | None
) -> None:
    """The funnel over `steps`, the one of that name, or that of the configured stages; `rules` are options of it."""
    import analytics

    paths = analytics.Paths.open(settings.lake)
    asked = question(settings, steps, {name: value for name, value in rules.items() if value})
    answer = analytics.funnel(paths, analytics.check_words(paths, asked))
    if svg is not None:
        from reports.charts.svg import funnel_svg

        try:
            svg.write_text(funnel_svg(answer), encoding="utf-8")
        except OSError as error:
            raise StorageError("The drawing cannot be written.", where=str(svg), found=error.strerror or "") from None
    by, window = asked.by, terminal.text(asked.window)
    counted = (
        asked.count if asked.count in ("customers", "sessions", "journeys", "entries") else f"{asked.count} values"
    )
    if how is not terminal.As.table:
        terminal.show(answer, how)
        return
    for group in answer.partition_by("is_total", *by, maintain_order=True):
        if by:
            named = "all" if group["is_total"][0] else ", ".join(f"{name} {group[name][0] or '–'}" for name in by)
            terminal.out.print(f"\n{terminal.harmless(named)}", style="bold", markup=False)
        _draw(group, counted, asked.value or "")
    terminal.out.print(_reading(answer, window, asked.maturity, counted), style="dim", markup=False)


def question(settings: Settings, steps: list[str], rules: dict[str, Any]) -> Funnel:
    """What is asked, in words of a funnel."""
    from analytics import Funnel, step_of

    if len(steps) == 1 and steps[0] in settings.funnels:
        named = settings.funnels[steps[0]]
        steps, rules = named.steps, {**named.model_dump(exclude={"name", "steps"}), **rules}
    if not steps:  # the report's own question, so that both give its numbers
        steps = [f"stage:{stage.name}" for stage in settings.paths.stages]
        rules = {"window": settings.report.window, **rules}
    return Funnel([step_of(word) for word in steps], **rules)


def _draw(group: pl.DataFrame, counted: str, value: str) -> None:
    """The steps as a table with bars; on a narrow terminal without its least columns, so that no number is cut."""
    rows = [_cells(row, counted, value) for row in group.iter_rows(named=True)]
    columns = [name for name in rows[0] if name != BAR or not value]  # there is room for one of them
    left_out = [name for name in DISPENSABLE if name in columns]
    table = terminal.columns(rows, columns, LONGEST_NAME)
    if not terminal.fits(table):
        table = terminal.columns(rows, columns, SHORTEST_NAME)
    while not terminal.fits(table) and left_out:
        columns.remove(left_out.pop(0))
        table = terminal.columns(rows, columns, SHORTEST_NAME)
    terminal.out.print(table)


def _cells(row: dict[str, Any], counted: str, value: str) -> dict[str, str]:
    """One step in the words of its columns."""
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
    whose = {
        "mature": f"{counted.capitalize()} whose window of {window} is over.",
        "clip": f"All who entered, within {window}; touches outside the range do not count.",
        "survival": f"All who entered; shares are estimates after {window} (Kaplan-Meier).",
    }[maturity]
    return (
        f"\n{whose} Went on: share of the step before, with its 95 % interval; "
        f"wait: the median.\nOpen: {open_:,} {counted} still inside their window, not counted as lost. "
        f"{ties:,} {counted} depend on the order of touches at one instant."
    )
