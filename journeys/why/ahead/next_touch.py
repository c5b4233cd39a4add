"""`journeys next`: which touch comes next, or does the customer leave?"""

from __future__ import annotations

from datetime import timedelta
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

QUALITY: Final = (
    "Order: how many touches are remembered; 0: the plain shares of all. Bits: that a touch takes when written by its "
    "chances, fewer are better. Top1, top3: how often the likeliest came, or one of the three likeliest."
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
    held_back: Annotated[
        str,
        typer.Option(
            metavar="TIME", help="How well the last TIME, such as 14d, is told from what came before, instead."
        ),
    ] = "",
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    on: On = None,
    config: Config = DEFAULT,
) -> None:
    """Show the chance of each touchpoint, and of leaving, right after some touches.

    With --held-back nothing of the last sessions is counted, and the chances of their touches are checked: for contexts
    of 0 touches, which are the plain shares of all, to those of --order.

    Example: journeys next "Product viewed" "Added to cart" --by device
    """
    if unit not in UNITS:
        raise DefinitionError(
            "A touch comes next within a unit.", expected=" or ".join(UNITS), found=unit, do=nearest(unit, UNITS)
        )
    how = printed_as(json=as_json, csv=as_csv)
    if held_back:
        if after or by:
            raise DefinitionError(
                "All touches of the sessions held back are checked.",
                expected="--held-back without touches and --by",
                found=", ".join([*(after or []), *(by or [])]),
            )
        show_quality(settings_of(config), held_back, {"order": order, "unit": unit}, segment or [], how, on)
        return
    asked = {"order": order, "unit": unit, "by": by or []}
    show_next(settings_of(config), after or [], asked, segment or [], how, on)


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


def show_quality(
    settings: Settings, held_back: str, asked: dict[str, Any], only: list[str], how: terminal.As, on: str | None = None
) -> None:
    """Print how well the touches of the last sessions are told from those before them."""
    import polars as pl

    import analytics
    from expectations.config.durations import duration

    paths = members_only(settings, paths_on(settings, on).require_touches(), only, asked["unit"])
    end, length = paths.end_of_data, duration(held_back)
    assert end is not None, "paths with touches have an end of data"
    if length <= timedelta(0):
        raise DefinitionError("Some sessions are held back.", expected="a time above 0, such as 14d", found=held_back)
    answer = analytics.next_touch_quality(paths, end - length, **asked)
    if how is not terminal.As.table:
        terminal.show(answer, how)
    elif answer.is_empty():
        terminal.out.print("There is no session before or after the cut: nothing to check.")
    else:
        first = answer.row(0, named=True)
        title = (
            f"Held back: {first['touches']:,} touches (leaving counts as one) of {first['customers']:,} customers, "
            f"from {terminal.text(end - length)} UTC on"
        )
        terminal.out.print(title, style="bold", markup=False, soft_wrap=True)
        shares = [
            pl.Series(name, [f"{share * 100:.1f} %" for share in answer[name]], dtype=pl.String)
            for name in ("top1", "top3")
        ]
        bits = pl.Series("bits", [f"{each:.3f}" for each in answer["bits"]], dtype=pl.String)
        terminal.show(answer.with_columns(bits, *shares).select("order", "bits", "top1", "top3"), terminal.As.table)
        terminal.out.print(f"\n{QUALITY}", style="dim", markup=False)


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
