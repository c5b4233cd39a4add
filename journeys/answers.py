"""Questions from the command line: the same functions and frames that a notebook uses, shown on a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from journeys import terminal

if TYPE_CHECKING:
    import polars as pl

    from analytics import Step
    from journeys.settings import Settings


def funnel(settings: Settings, steps: list[str], by: list[str], window: str, how: terminal.As) -> None:
    """The funnel over `steps`, or over the configured stages."""
    import analytics

    paths = analytics.Paths.open(settings.lake)
    asked = [_step(step) for step in steps] or [_step(f"stage:{stage.name}") for stage in settings.paths.stages]
    answer = analytics.funnel(paths, analytics.Funnel(steps=asked, window=window, by=by))
    if how is not terminal.As.table:
        terminal.show(answer, how)
        return
    groups = answer.partition_by(*by, maintain_order=True) if by else [answer]
    for group in groups:
        if by:
            named = "all" if group["is_total"][0] else ", ".join(f"{name} {group[name][0] or '–'}" for name in by)
            terminal.out.print(f"\n[bold]{named}[/]")
        _draw(group)
    terminal.out.print(_reading(answer, window), style="dim")


def _step(text: str) -> Step:
    from analytics import Step

    stage = text.removeprefix("stage:")
    return Step(stage, on="stage") if stage != text else Step(text)


def _draw(group: pl.DataFrame) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("step", ""):
        table.add_column(name, no_wrap=True)
    for name in ("customers", "of entered", "of previous", "95 % interval", "lost", "still open", "median wait"):
        table.add_column(name, justify="right")
    for row in group.iter_rows(named=True):
        interval = (
            f"{row['share_of_previous_low']:.1%} to {row['share_of_previous_high']:.1%}" if row["enough"] else "too few"
        )
        first = row["step"] == 1
        table.add_row(
            row["name"],
            terminal.bar(row["share_of_entered"]),
            terminal.text(row["reached"]),
            terminal.text(row["share_of_entered"], "share"),
            "" if first else terminal.text(row["share_of_previous"], "share"),
            "" if first else interval.replace("%", " %"),
            "" if first else terminal.text(row["dropped"]),
            terminal.text(row["open"]),
            "" if first else terminal.text(row["median_wait"]),
        )
    terminal.out.print(table)


def _reading(answer: pl.DataFrame, window: str) -> str:
    total = answer.filter("is_total")
    open_, ties = total["open"][0], total["tie_sensitive"][0]
    return (
        f"\nCustomers whose whole window of {window} is over; {open_:,} more are still inside it and are not counted "
        f"as lost. {ties:,} customers would change depth if touches of one instant were read in the other order."
    )


def status(settings: Settings, how: terminal.As) -> None:
    """What the lake holds."""
    import polars as pl

    from ingest.quarantine import refused
    from ingest.status import tables

    held = tables(settings.lake)
    reasons = refused(settings.lake)
    if how is terminal.As.json:
        terminal.show(pl.concat([held, reasons], how="diagonal_relaxed"), how)
        return
    terminal.show(held, how, "Tables")
    terminal.show(reasons, how, "Refused, by reason")
