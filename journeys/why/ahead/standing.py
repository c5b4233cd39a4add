"""`journeys standing`: where are the journeys under way, and which of them are stuck?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import typer

from journeys import terminal
from journeys.app import DEFAULT, AsCsv, AsJson, Config, On, app, paths_on, printed_as, settings_of
from journeys.segmented import Only, columns_of, members_only, with_segments_of

if TYPE_CHECKING:
    import polars as pl

    from analytics import Paths
    from journeys.settings import Settings

SHOWN: Final = ("stage", "journeys", "share_of_journeys", "fresh", "waiting", "late", "unknown", "median_wait")
USUAL: Final = ("usual_wait", "late_after")
NOTE: Final = (
    "Journeys under way at {end}, by the furthest stage that they have reached. Usual wait and late after: the median "
    "and the 90 % point of journeys that went on from there. Fresh: a wait up to the median; waiting: up to the 90 % "
    "point; late: longer."
)


@app.command()
def standing(
    by: Annotated[list[str] | None, typer.Option(help="Break down by this column; repeatable.")] = None,
    segment: Only = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    on: On = None,
    config: Config = DEFAULT,
) -> None:
    """Show at which stage journeys under way stand, for how long, and how many wait longer than is usual there.

    Example: journeys standing --by device
    """
    show_standing(settings_of(config), by or [], segment or [], printed_as(json=as_json, csv=as_csv), on)


def standing_of(settings: Settings, paths: Paths, by: list[str], only: list[str]) -> pl.DataFrame:
    """The answer of `analytics.standing`, by columns, segments or personas, of journeys that begin in segments."""
    import analytics

    paths = with_segments_of(settings, members_only(settings, paths, only, "journey"), by)
    return analytics.standing(paths, by=columns_of(by))


def show_standing(settings: Settings, by: list[str], only: list[str], how: terminal.As, on: str | None = None) -> None:
    """Print one row per stage at which a journey stands."""
    paths = paths_on(settings, on).require_touches()
    answer, by = standing_of(settings, paths, by, only), columns_of(by)
    if how is not terminal.As.table:
        terminal.show(answer, how)
    elif answer.is_empty():
        terminal.out.print("No journey is under way.")
    else:
        import polars as pl

        table = terminal.named_groups(answer, by).with_columns(pl.col("stage").fill_null("(none yet)"))
        shown = [name for name in SHOWN if name != "unknown" or answer["unknown"].sum()]
        terminal.show(table.select(*by, *shown, *USUAL), how)
        assert paths.end_of_data is not None, "there are touches"
        end = paths.end_of_data.astimezone(settings.report.zone)
        few = answer.filter("is_total", ~pl.col("enough"))["stage"].fill_null("(none yet)").to_list()
        lines = [NOTE.format(end=terminal.text(end))]
        lines += [f"Few have gone on from {', '.join(few)}: what is usual there is not certain."] if few else []
        terminal.out.print("\n" + "\n".join(map(terminal.harmless, lines)), style="dim", markup=False)
