"""`journeys segments`: the sizes of the segments of journeys.toml, their overlaps, and why one has a customer."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from expectations.errors import DefinitionError
from journeys import terminal
from journeys.app import DEFAULT, AsJson, Config, On, app, paths_on, printed_as, settings_of
from journeys.segmented import listed, segment_named, segments_in

if TYPE_CHECKING:
    import polars as pl

    from analytics import Paths, Segment
    from journeys.settings import Settings

WEEKS: Final = timedelta(weeks=4)
ROWS: Final = 40


@app.command()
def segments(
    name: Annotated[str | None, typer.Argument(help="Name of a segment; by default all of them.")] = None,
    every: Annotated[
        str | None, typer.Option(help="Sizes over time, at 00:00 UTC: 1d, 1w (from Monday), 4w or 1mo.")
    ] = None,
    overlap: Annotated[
        bool, typer.Option("--overlap", help="How far every two segments hold the same customers.")
    ] = False,
    explain: Annotated[
        str | None, typer.Option(metavar="KEY", help="Why this customer is in the segment, or is not; for analysts.")
    ] = None,
    as_json: AsJson = False,
    on: On = None,
    config: Config = DEFAULT,
) -> None:
    """Show the size of every segment now, its share, and who joined and left in four weeks.

    Example: journeys segments "Lapsed gold" --every 1w
    """
    asked = {"every": every, "overlap": overlap, "explain": explain}
    show_segments(settings_of(config), name, asked, printed_as(json=as_json), on)


def show_segments(
    settings: Settings, name: str | None, asked: dict[str, Any], how: terminal.As, on: str | None = None
) -> None:
    """Print the sizes, overlaps, or the evidence of one customer."""
    import analytics

    given = [f"--{option}" for option, value in asked.items() if value]
    if len(given) > 1:
        raise DefinitionError("One question is asked at once.", expected="one option", found=" ".join(given))
    if not settings.segments:
        terminal.out.print("There are no segments: [[segments]] in journeys.toml defines them.", markup=False)
        return
    chosen = [segment_named(settings, name)] if name is not None else list(segments_in(settings).values())
    paths = paths_on(settings, on).require_touches()
    for segment in chosen:
        analytics.check_segment_words(paths, segment)
    if asked["explain"] is not None:
        _explain(paths, chosen, asked["explain"], how)
    elif asked["overlap"]:
        _show(analytics.overlaps(paths, list(segments_in(settings).values())), how, _OVERLAP)
    elif asked["every"] is not None:
        _show(analytics.segment_sizes(paths, chosen, every=asked["every"]), how, _OVER_TIME, ("at",))
    else:
        _show_now(settings, paths, chosen, how)


_SIZE: Final = (
    "Share: of the customers of whom it is known, with its 95 % interval. A customer who has not been seen for long "
    "enough, or lacks a value, is not known."
)
_OVER_TIME: Final = f"Size = size before + joined - left. {_SIZE}"
_OVERLAP: Final = (
    "Jaccard: members of both over members of any. Lift: share of the other's members who are in the segment, over the "
    "share of all customers."
)


def _show_now(settings: Settings, paths: Paths, chosen: list[Segment], how: terminal.As) -> None:
    """Print the sizes at the end of the data, with who joined and left in the four weeks before."""
    import polars as pl

    import analytics

    end = paths.end_of_data
    assert end is not None, "paths with touches have an end"
    sizes = analytics.segment_sizes(paths, chosen, at=[end - WEEKS, end])
    now = sizes.filter(pl.col("at") == end).with_columns(pl.Series("says", [segment.says for segment in chosen]))
    _show(now, how, f"At the end of data; joined and left: since four weeks before. {_SIZE}")
    if how is terminal.As.table:
        from analytics import Listed

        for segment in chosen:
            for condition in segment.leaves:
                if isinstance(condition, Listed):
                    rows, unknown = listed(settings, condition.name)
                    known = f"{rows['customer'].n_unique():,} customers are known, {unknown:,} rows are not"
                    text = f"{condition.name}: {known}"
                    terminal.out.print(terminal.harmless(text), markup=False)


def _explain(paths: Paths, chosen: list[Segment], key: str, how: terminal.As) -> None:
    """Print the conditions of one segment for one customer, with the touches that count."""
    import polars as pl

    import analytics

    if len(chosen) > 1:
        raise DefinitionError("One segment is explained at once.", do="name it: journeys segments NAME --explain KEY")
    rows = analytics.segment_evidence(paths, chosen[0], key)
    if how is not terminal.As.table:
        terminal.show(rows, how)
        return
    words = pl.col("state").fill_null("not known")
    repeated = (
        pl.struct("condition", "since").rle_id().is_duplicated()
        & ~pl.struct("condition", "since").rle_id().is_first_distinct()
    )
    shown = rows.with_columns(words).with_columns(
        pl.when(~repeated).then(pl.col(name)).alias(name) for name in ("condition", "state", "since")
    )
    terminal.show(shown, how)
    terminal.out.print(
        "\nAt the end of data. Since: from when on. At: the touches that count.", style="dim", markup=False
    )


def _show(rows: pl.DataFrame, how: terminal.As, reading: str, more: tuple[str, ...] = ()) -> None:
    """Print rows, and how to read them; a table of sizes has few columns, and `more`."""
    if how is not terminal.As.table:
        terminal.show(rows, how)
        return
    shown = rows.tail(ROWS)
    terminal.show(_table(shown, more) if "members" in shown.columns else shown, how)
    if len(rows) > ROWS:
        terminal.out.print(f"{len(rows) - ROWS:,} earlier rows: use --json to get all.", style="dim")
    terminal.out.print(f"\n{reading}", style="dim", markup=False)


def _table(sizes: pl.DataFrame, more: tuple[str, ...]) -> pl.DataFrame:
    """The columns of a table of sizes."""
    import polars as pl

    ends = [
        None if row["share_of_known"] is None else f"{row[_LOW] * 100:.1f}–{row[_HIGH] * 100:.1f}"
        for row in sizes.iter_rows(named=True)
    ]
    table = sizes.with_columns(
        pl.Series("95 %", ends, dtype=pl.String), pl.col("at").dt.date(), pl.col("share_of_known").alias("share")
    )
    return table.select("segment", *more, "members", "joined", "left", "share", "95 %", "known", "customers")


_LOW, _HIGH = "share_of_known_low", "share_of_known_high"
