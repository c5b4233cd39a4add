"""`journeys moments`: what do customers want in their short visits on a phone, and do they find it?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import typer

from journeys import terminal
from journeys.app import DEFAULT, AsCsv, AsJson, Config, On, app, printed_as, settings_of
from journeys.segmented import grouped_by

if TYPE_CHECKING:
    import polars as pl

    from journeys.settings import Settings

RATES: Final = ("there_rate", "useful_rate", "quick_rate", "back_7d_rate", "goal_rate")
NOTE: Final = (
    "moment: a session in the hand of at most {longest}; glance: of one touch; sitting: longer. There: it began with a "
    "search, ad or link and met no error. Quick: no page of more than 3 seconds. Back: another session within 7 days. "
    "Rates are over sessions that have been followed for long enough; --json has their intervals."
)


@app.command()
def moments(
    by: Annotated[list[str] | None, typer.Option(help="Break down by this column; repeatable.")] = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    on: On = None,
    config: Config = DEFAULT,
) -> None:
    """Count sessions by what customers want in them, on a phone and elsewhere, and whether they find it.

    The intents are [\\[moments.intents]] of journeys.toml, the first that fits.

    Example: journeys moments --by loyalty_tier
    """
    show_moments(settings_of(config), by or [], printed_as(json=as_json, csv=as_csv), on)


def show_moments(settings: Settings, by: list[str], how: terminal.As, on: str | None = None) -> None:
    """Print one row per intent and kind of session."""
    import analytics

    rules, goal = settings.moments, settings.main_goal
    paths, by = grouped_by(settings, by, on)
    load = "load_seconds" if "load_seconds" in paths.schema else None
    window = analytics.goal_window(paths, settings.report.window)
    target = goal if goal.horizon is not None else goal.model_copy(update={"horizon": window})
    answer = analytics.moments(paths, rules.intents, by=by, goal=target, load_seconds=load, **rules.options)
    if how is not terminal.As.table:
        terminal.show(answer, how)
        return
    terminal.show(_table(answer, by), how)
    words = paths.values_of("touchpoint")
    named = {word: each.name for each in rules.intents for word in (*each.touchpoints, *each.useful, *each.unless)}
    lines = [NOTE.format(longest=terminal.text(rules.longest))]
    lines += [f"{intent}: no touchpoint is called {word!r}." for word, intent in named.items() if word not in words]
    terminal.out.print("\n" + "\n".join(map(terminal.harmless, lines)), style="dim", markup=False)


def _table(answer: pl.DataFrame, by: list[str]) -> pl.DataFrame:
    """The columns that a terminal shows; rates that nothing tells are left out."""
    rates = [name for name in RATES if answer[name].count()]
    shown = ["intent", "kind", "sessions", "share_of_sessions", *rates]
    if answer["median_useful"].count():
        shown.insert(shown.index("useful_rate") + 1, "median_useful")
    return terminal.named_groups(answer, by).select(*by, *shown)
