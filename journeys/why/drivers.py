"""`journeys drivers`: who drops off at a step, compared with customers who are otherwise alike?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from journeys import terminal
from journeys.app import DEFAULT, AsCsv, AsJson, Config, app, printed_as, settings_of
from journeys.commands.funnel import checked_question, named_question
from journeys.segmented import Only, columns_of, funnel_of, with_segments_of

if TYPE_CHECKING:
    import polars as pl

    from analytics import Funnel
    from journeys.settings import Settings

ROWS: Final = 8
"""Rows of each kind that a table shows, without --all."""
CLEAR: Final = 0.05
NAME_WIDTH: Final = 34


@app.command()
def drivers(
    steps: Annotated[
        list[str],
        typer.Argument(help="Touchpoints in order, stages as `stage:NAME`, or the name of a configured funnel."),
    ],
    step: Annotated[
        int | None, typer.Option(help="The step that is not reached, from 2; by default the one with the largest loss.")
    ] = None,
    factor: Annotated[
        list[str] | None,
        typer.Option(
            help="A column, weekday, week, or met:TOUCHPOINT; repeatable. By default attributes, context columns, the "
            "day and the touchpoints that customers met before."
        ),
    ] = None,
    adjust: Annotated[
        list[str] | None, typer.Option(help="A factor that customers must be alike in; several jointly; repeatable.")
    ] = None,
    before: Annotated[str, typer.Option(help="How long before a touchpoint is met.")] = "7d",
    floor: Annotated[float, typer.Option(help="How much more two levels must do together, as a share.")] = 0.05,
    window: Annotated[
        str | None, typer.Option(help="Longest time from the first step to the last (default 30d).")
    ] = None,
    segment: Only = None,
    every: Annotated[bool, typer.Option("--all", help="Print all rows.")] = False,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    config: Config = DEFAULT,
) -> None:
    """Find who drops off at a step more often than customers who are otherwise alike. Associations, not causes.

    Example: journeys drivers checkout --step 2 --adjust age_band
    """
    asked = {"step": step, "factors": factor or None, "adjust": adjust or (), "before": before, "floor": floor}
    asked |= {"segment": segment or []}
    rules = {"window": window} if window else {}
    show_drivers(settings_of(config), steps, rules, asked, printed_as(json=as_json, csv=as_csv), every=every)


def show_drivers(
    settings: Settings, steps: list[str], rules: dict[str, Any], asked: dict[str, Any], how: terminal.As, *, every: bool
) -> None:
    """Print the drivers of drop-off at a step of a funnel over `steps`, or of a configured funnel."""
    import analytics

    paths = analytics.Paths.open(settings.lake)
    definition, only = checked_question(settings, paths, *named_question(settings, steps, rules))
    paths, definition = funnel_of(settings, paths, definition, [*only, *asked.pop("segment", ())])
    for name in ("factors", "adjust"):
        paths = with_segments_of(settings, paths, asked.get(name) or ())
        asked[name] = asked.get(name) and columns_of(asked[name])
    answer = analytics.drivers(paths, definition, **asked)
    if how is not terminal.As.table:
        terminal.show(answer, how)
    elif answer.is_empty():
        terminal.out.print("Nobody reached the step before.", markup=False)
    else:
        _print(answer, definition, every=every)


def _print(answer: pl.DataFrame, definition: Funnel, *, every: bool) -> None:
    total, *rows = answer.to_dicts()
    step = total["step"]
    names = f"{definition.name_of(definition.previous(step))} → {definition.name_of(step)}"
    lost = f"{total['dropped']:,} of {total['customers']:,} dropped ({terminal.text(total['rate'], 'share')})"
    terminal.out.print(f"{terminal.harmless(names)}: {lost}", style="bold", markup=False)
    most = None if every else ROWS
    levels = [row for row in rows if row["kind"] in ("attribute", "met")]
    pairs, after = ([row for row in rows if row["kind"] == kind][:most] for kind in ("together", "after"))
    shown = [row for row in levels if is_clear(row)][:most]
    if shown:
        terminal.out.print("Against customers otherwise alike:\n", markup=False)
        terminal.print_columns([_cells(row) for row in shown], NAME_WIDTH, ("explained by", "raw"))
    else:
        terminal.out.print("No level drops clearly more, or less, than customers otherwise alike.", markup=False)
    for row in pairs:
        terminal.out.print(_pair(row), markup=False)
    for row in [row for row in levels if not is_clear(row)] if every else []:
        terminal.out.print(f"not clear  {_named(row)}  {_moved(row)}", markup=False, style="dim")
    if after:
        terminal.out.print(_after(after), markup=False)
    terminal.out.print(_note(total, len(levels), 0 if every else len(levels) - len(shown)), style="dim", markup=False)


def _pair(row: dict[str, Any]) -> str:
    """Two levels that do more together than each alone."""
    alone = " and ".join(terminal.text(row[name], "share") for name in ("rate_first", "rate_second"))
    named = zip(row["factor"].split(" × "), row["level"].split(" × "), strict=False)
    both = terminal.harmless(", ".join(" ".join(each) for each in named))
    return f"together  {both}  {terminal.text(row['rate'], 'share')}  alone {alone}"


def _after(rows: list[dict[str, Any]]) -> str:
    """What came next instead of the step."""
    went = ", ".join(
        f"{row['level']} {row['customers']:,} (of whom {terminal.text(row['rate'], 'share')} dropped)" for row in rows
    )
    return f"\nNext in the session, of those who did not go on at once: {terminal.harmless(went)}."


def _note(total: dict[str, Any], tested: int, hidden: int) -> str:
    """How far the rows can be trusted."""
    text = (
        f"\nAssociations, not causes. {tested:,} levels were tested; shown: corrected p below {CLEAR}, and an "
        "adjusted interval without 0."
    )
    if hidden:
        text += f" {hidden:,} more with --all."
    if total["login_of_dropped"] is not None and total["login_of_others"] is not None:
        shares = [terminal.text(total[name], "share") for name in ("login_of_dropped", "login_of_others")]
        text += f" Known by login: {shares[0]} of those who dropped, {shares[1]} of the others."
    return text


def is_clear(row: dict[str, Any]) -> bool:
    """Whether a level may be named: its corrected p-value is small, and its adjusted interval leaves out 0."""
    if row["p_corrected"] is None or row["p_corrected"] >= CLEAR:
        return False
    low, high = (
        (row["adjusted_low"], row["adjusted_high"])
        if row["explained_by"] or row["adjusted"] is not None
        else (row["low"], row["high"])
    )
    return bool(low is not None and (low > 0 or high < 0))


def _named(row: dict[str, Any]) -> str:
    return terminal.harmless(f"{row['factor']} {row['level']}")


def _moved(row: dict[str, Any]) -> str:
    """The plain difference and the adjusted one."""
    raw = "" if row["difference"] is None else f"raw {row['difference'] * 100:+.1f}"
    if row["adjusted"] is None:
        return raw
    by = f" ({row['explained_by']})" if row["explained_by"] else ""
    return f"{raw} → {row['adjusted'] * 100:+.1f}{terminal.harmless(by)}"


def _cells(row: dict[str, Any]) -> dict[str, str]:
    adjusted = row["adjusted"] is not None
    number, low, high = (
        row[name]
        for name in (("adjusted", "adjusted_low", "adjusted_high") if adjusted else ("difference", "low", "high"))
    )
    explained = row["same_as"] and f"cannot be told apart from {row['same_as']}"
    return {
        "level": _named(row),
        "dropped": terminal.text(row["rate"], "share"),
        "points": f"{number * 100:+.1f}",
        "95 %": f"{low * 100:.1f} to {high * 100:.1f}",
        "at stake": "" if row["at_stake"] is None else f"{row['at_stake']:,.0f}",
        "raw": f"{row['difference'] * 100:+.1f}",
        "explained by": explained or row["explained_by"] or "",
    }
