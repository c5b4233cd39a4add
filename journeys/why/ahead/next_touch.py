"""`journeys next`: which touch comes next, or does the customer leave?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from expectations.errors import DefinitionError, nearest
from journeys import terminal
from journeys.app import DEFAULT, AsCsv, AsJson, Config, On, app, paths_on, printed_as, settings_of
from journeys.segmented import Only, columns_of, members_only, with_segments_of

if TYPE_CHECKING:
    import polars as pl

    from journeys.settings import Settings

UNITS: Final = ("session", "journey", "customer")
ROWS: Final = 12
"""Touchpoints that a table shows of a group; JSON and CSV contain all."""
SHOWN: Final = ("touchpoint", "chance", "seen", "customers", "context_used", "enough")
NOTE: Final = (
    "Chance: of what was seen after the longest context that occurs, blended with what was seen after shorter ones. "
    "Seen, customers: after that context. (end): the unit ends, or has no later touch yet."
)


@app.command("next")
def next_of(
    after: Annotated[
        list[str] | None, typer.Argument(help="The touches right before, the newest one last; none: any touch.")
    ] = None,
    order: Annotated[int, typer.Option(help="How many of these touches count at most.")] = 4,
    by: Annotated[list[str] | None, typer.Option(help="Break down by this column; repeatable.")] = None,
    unit: Annotated[str, typer.Option(help="Within a session, a journey or all touches of a customer.")] = "session",
    segment: Only = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    on: On = None,
    config: Config = DEFAULT,
) -> None:
    """Show the chance of each touchpoint, and of leaving, right after some touches.

    Example: journeys next "Product viewed" "Added to cart" --by device
    """
    if unit not in UNITS:
        raise DefinitionError(
            "A touch comes next within a unit.", expected=" or ".join(UNITS), found=unit, do=nearest(unit, UNITS)
        )
    asked = {"order": order, "unit": unit, "by": by or []}
    show_next(settings_of(config), after or [], asked, segment or [], printed_as(json=as_json, csv=as_csv), on)


def show_next(
    settings: Settings,
    after: list[str],
    asked: dict[str, Any],
    only: list[str],
    how: terminal.As,
    on: str | None = None,
) -> None:
    """Print what comes next. Raises `DefinitionError` with the nearest name for a touchpoint that nobody has."""
    import analytics

    paths = members_only(settings, paths_on(settings, on).require_touches(), only, asked["unit"])
    paths = with_segments_of(settings, paths, asked["by"])
    by = columns_of(asked["by"])
    known = paths.values_of("touchpoint")
    words = [analytics.known_value(known, word, "touchpoint") for word in after]
    answer = analytics.next_touch(paths, words, **(asked | {"by": by}))
    if how is not terminal.As.table:
        terminal.show(answer, how)
    elif answer.is_empty():
        terminal.out.print("There is no touch: nothing to show.")
    else:
        _print(answer, words[-asked["order"] :] if asked["order"] else [], by)


def _print(answer: pl.DataFrame, words: list[str], by: list[str]) -> None:
    """Print the likeliest touchpoints of every group, and how much of the context was seen."""
    import polars as pl

    groups = ["is_total", *by]
    table = answer.group_by(groups, maintain_order=True).head(ROWS)
    whole = answer.row(0, named=True)
    context = words[len(words) - whole["context_used"] :]
    title = f"After {' > '.join(context)}" if context else "After any touch, or at the beginning"
    seen = f"{whole['context_seen']:,} times, of {whole['context_customers']:,} customers"
    terminal.out.print(terminal.harmless(f"{title}: seen {seen}"), style="bold", markup=False, soft_wrap=True)
    if len(context) < len(words):
        longer = terminal.harmless(" > ".join(words))
        terminal.out.print(f"{longer} was never seen, so that only these touches count.", markup=False, soft_wrap=True)
    chances = [f"{chance * 100:.1f} %" for chance in table["chance"]]
    table = table.with_columns(pl.Series("chance", chances, dtype=pl.String))
    shown = [name for name in SHOWN if name != "context_used" or by]
    terminal.show(terminal.named_groups(table, by).select(*by, *shown), terminal.As.table)
    rest = len(answer) - len(table)
    more = f"{rest:,} more rows: use --csv or --json to get all. " if rest else ""
    terminal.out.print(f"\n{more}{NOTE}", style="dim", markup=False)
