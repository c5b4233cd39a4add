"""`journeys pains`: what gets in the way at each stage, and how many goals may it cost?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from journeys import terminal
from journeys.app import DEFAULT, AsCsv, AsJson, Config, On, app, paths_on, printed_as, settings_of
from journeys.segmented import Only, columns_of, members_only, with_segments_of

if TYPE_CHECKING:
    from journeys.settings import Settings

WORDS: Final = {"slow": "slow page", "back": "step back", "repeat": "same touchpoint three times"}
"""The kinds of pains that are no touchpoint, in words."""
NOTE: Final = (
    "Alike: journeys that were at the stage and did not meet it there, had got as far, and began {alike}. At stake: "
    "the goals that are missing against them, within {window}; a comparison, no proof of a cause: too high where "
    "those who met it differ in more, too low where those alike had not come as near the goal. Pains "
    "overlap: do not add them up. Of steps back and repeats nothing is at stake: who reaches the goal soon has no time "
    "for them."
)


@app.command()
def pains(
    troubles: Annotated[
        list[str] | None,
        typer.Argument(help="Touchpoints of trouble; by default those with `error` or `fail` in their name."),
    ] = None,
    by: Annotated[list[str] | None, typer.Option(help="Break down by this column; repeatable.")] = None,
    alike: Annotated[
        list[str] | None,
        typer.Option(help="A column that journeys must be alike in; repeatable. By default device and channel."),
    ] = None,
    segment: Only = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    on: On = None,
    config: Config = DEFAULT,
) -> None:
    """Find what gets in the way at each stage (errors, slow pages, steps back), and how many goals are at stake.

    Examples: journeys pains

    journeys pains "Payment failed" --by persona
    """
    how = printed_as(json=as_json, csv=as_csv)
    show_pains(settings_of(config), troubles or [], by or [], segment or [], how, alike=alike, on=on)


def show_pains(
    settings: Settings,
    troubles: list[str],
    by: list[str],
    only: list[str],
    how: terminal.As,
    *,
    alike: list[str] | None = None,
    on: str | None = None,
) -> None:
    """Print one row per stage and pain, those with most goals at stake first."""
    import analytics

    paths = members_only(settings, paths_on(settings, on).require_touches(), only, "journey")
    paths = with_segments_of(settings, paths, [*by, *(alike or [])])
    by, beside = columns_of(by), None if alike is None else columns_of(alike)
    words = [analytics.known_value(paths.values_of("touchpoint"), word) for word in troubles]
    window = settings.report.window
    answer = analytics.pains(paths, words or None, by=by, alike=beside, window=window)
    if how is not terminal.As.table:
        terminal.show(answer, how)
        return
    if answer.is_empty():
        terminal.out.print("No journey met a pain that is known here: an error, a slow page, a step back, a repeat.")
        return
    import polars as pl

    largest = answer.sort(
        ["is_total", *by, "at_stake_low"], descending=[True, *[False] * len(by), True], nulls_last=True
    )
    rows = [_cells(row) for row in largest.to_dicts()]
    groups = terminal.named_groups(largest, by)
    named = {name: groups[name] for name in by}
    terminal.show(pl.DataFrame({**named, **{name: [row[name] for row in rows] for name in rows[0]}}), how)
    known = beside if beside is not None else [name for name in ("device", "channel") if name in paths.schema]
    words_alike = f"with the same {' and '.join(known)}" if known else "anywhere"
    length = terminal.text(analytics.goal_window(paths, window))
    note = NOTE.format(alike=words_alike, window=length)
    terminal.out.print("\n" + terminal.harmless(note), style="dim", markup=False)


def _cells(row: dict[str, Any]) -> dict[str, str]:
    """A row as text."""
    at_stake = "–" if row["p_value"] is not None else "too few to compare"
    if row["enough"] and row["at_stake"] is not None:
        at_stake = f"{row['at_stake']:,.0f} ({row['at_stake_low']:,.0f} to {row['at_stake_high']:,.0f})"
    return {
        "stage": row["stage"],
        "pain": row["touchpoint"] if row["kind"] == "trouble" else WORDS[row["kind"]],
        "journeys": f"{row['with_it']:,}",
        "of the stage": terminal.text(row["share"], "share"),
        "goal rate": terminal.text(row["goal_rate"], "share"),
        "alike": "–" if row["goal_rate_alike"] is None else terminal.text(row["goal_rate_alike"], "share"),
        "goals at stake": at_stake,
    }
