"""What `journeys funnel --about` says of those who enter a funnel of steps, beside how many reach each step."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final

from expectations.errors import DefinitionError
from journeys import terminal

if TYPE_CHECKING:
    import polars as pl

    from analytics import Funnel, Paths

MOST_ROWS: Final = 20
"""Customers that a table shows; JSON and CSV have all."""
TIMES: Final = 5
"""Points in time at which a table shows the shares of a curve."""


class About(StrEnum):
    """What of the entrants is asked."""

    waits = "waits"
    survival = "survival"
    members = "members"
    difference = "difference"


def answer_about(about: About, paths: Paths, definition: Funnel, profile: str = "") -> pl.DataFrame:
    """The rows of `time_to_convert`, `survival`, `members` or `explain_difference`.

    Raises `DefinitionError` for a difference to no other tool.
    """
    import analytics

    if about is About.difference:
        if not profile:
            raise DefinitionError(
                "A difference is one to another tool.",
                expected=f"--profile with one of {', '.join(analytics.PROFILES)}",
                do="name the tool with --profile",
            )
        return analytics.explain_difference(paths, definition, profile)
    asked = {About.waits: analytics.time_to_convert, About.survival: analytics.survival}
    return asked[about](paths, definition) if about in asked else analytics.members(paths, definition)


def show_about(about: About, rows: pl.DataFrame, definition: Funnel, how: terminal.As) -> None:
    """Print these rows; as a table, those of them that fit one, and how to read them."""
    if how is not terminal.As.table:
        terminal.show(rows, how)
        return
    shown, reading = _readable(about, rows, definition)
    terminal.show(shown, how)
    terminal.out.print(f"\n{reading}", style="dim", markup=False)


def _readable(about: About, rows: pl.DataFrame, definition: Funnel) -> tuple[pl.DataFrame, str]:
    """The columns and rows for a table, and how to read them."""
    import polars as pl

    by, window = list(definition.by), terminal.text(definition.window)
    if about is About.waits:
        shown = terminal.named_groups(rows, by).drop("origin", "width", "counts")
        return shown, f"From the first step to the last, of those who reach it within {window}."
    if about is About.survival:
        parts = [definition.window * (part + 1) / TIMES for part in range(TIMES)]
        groups = ["is_total", *by, "step"]
        last = [rows.filter(pl.col("time") <= part).group_by(groups, maintain_order=True).last() for part in parts]
        table = pl.concat(last).unique().sort(~pl.col("is_total"), *by, "step", "time")
        ends = table.rename({"low": "converted_low", "high": "converted_high"}).iter_rows(named=True)
        shares = pl.Series("converted", [terminal.share_text(row, "converted") for row in ends], pl.String)
        shown = terminal.named_groups(table.with_columns(shares), by).select(
            *by, "name", "time", "at_risk", "converted"
        )
        return shown, "The share of all entrants who have reached the step by then, with its 95 % interval."
    if about is About.members:
        shown = rows.select(*by, "customer", "depth", "is_open", "entered_at").head(MOST_ROWS)
        more = f" {len(rows) - MOST_ROWS:,} more: --json or --csv has all." if len(rows) > MOST_ROWS else ""
        return shown, f"Depth: steps reached; open: the window of {window} is not over.{more}"
    return rows, (
        "Customers with another result once this rule is the other tool's, too, and alone: when only this one is. "
        "Rules are switched one after the other."
    )
