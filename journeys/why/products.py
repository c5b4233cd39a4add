"""`journeys products`: is each journey on target, is it on course, and what moved?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from expectations.errors import DefinitionError
from journeys import terminal
from journeys.app import (
    DEFAULT,
    EXIT_TARGET,
    AsCsv,
    AsJson,
    Config,
    On,
    app,
    failures_of,
    paths_on,
    printed_as,
    settings_of,
)
from journeys.products import cohorts_of, products_in, record, split_of
from journeys.segmented import columns_of, with_segments_of

if TYPE_CHECKING:
    import polars as pl

    from analytics import JourneyProduct, Paths
    from journeys.settings import Settings

Row = Mapping[str, Any]
FAILURES: Final = ("missed", "overdue", "off-course")
"""What `--fail-on` takes."""
_ALL: Final[Mapping[str, Any]] = {"by": [], "against": 1, "keep": False}
NOTE: Final = (
    "Each target is judged by the last cohort whose journeys have all been seen for the whole horizon: met when the "
    "whole interval is on the right side, missed when it is on the wrong one. On course: a line through the last six "
    "cohorts reaches the target by its date within its 95 % band."
)


@app.command()
def products(
    names: Annotated[
        list[str] | None, typer.Argument(help="Names of journeys in journeys.toml; by default all of them.")
    ] = None,
    cohorts: Annotated[bool, typer.Option("--cohorts", help="Every cohort of each target, instead.")] = False,
    what_moved: Annotated[
        bool, typer.Option("--moved", help="What moved since the cohort before, by mix, rate and stage, instead.")
    ] = False,
    history: Annotated[bool, typer.Option("--history", help="What reports have told of each cohort, instead.")] = False,
    by: Annotated[
        list[str] | None,
        typer.Option(help="Split what moved by this column; repeatable. By default as the journey or the report says."),
    ] = None,
    against: Annotated[
        int, typer.Option(min=1, help="Compare the last cohort with so many before it, taken together.")
    ] = 1,
    keep: Annotated[
        bool, typer.Option("--record", help="Add what is told to the history, as `journeys report` does.")
    ] = False,
    fail_on: Annotated[
        str, typer.Option(help="End with exit code 11 on these, by commas: missed, overdue, off-course.")
    ] = "",
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    on: On = None,
    config: Config = DEFAULT,
) -> None:
    """Say whether each journey is on target and on course; of journeys that are named also what moved.

    Example: journeys products "First order" --fail-on missed
    """
    failures = failures_of(fail_on, FAILURES)
    if sum((cohorts, what_moved, history)) > 1:
        raise DefinitionError("One table at a time.", expected="--cohorts, --moved or --history")
    settings, how = settings_of(config), printed_as(json=as_json, csv=as_csv)
    view = "cohorts" if cohorts else "moved" if what_moved else "history" if history else ""
    asked = {"by": by or [], "against": against, "keep": keep}
    found = show_products(settings, list(dict.fromkeys(names or [])), view, asked, how, on)
    if not failed_targets(found).isdisjoint(failures):
        raise typer.Exit(EXIT_TARGET)


def failed_targets(found: pl.DataFrame) -> set[str]:
    """What has failed of `FAILURES`, of the rows of `analytics.judged_products`."""
    return {
        *(["missed"] if (found["status"] == "missed").any() else []),
        *(["overdue"] if found["overdue"].any() else []),
        *(["off-course"] if (~found["on_course"]).any() else []),
    }


def show_products(
    settings: Settings,
    names: Sequence[str] = (),
    view: str = "",
    asked: Mapping[str, Any] = _ALL,
    how: terminal.As = terminal.As.table,
    on: str | None = None,
) -> pl.DataFrame:
    """Print the targets of journeys, or one `view` of them; returns the rows of `analytics.judged_products`."""
    import polars as pl

    from analytics import erasures, judged_products, product_changes, product_history

    definitions = products_in(settings, names)
    if not definitions:
        raise DefinitionError("There are no journeys.", expected="[[journeys]] in journeys.toml")
    erased, zone = erasures(settings.lake), settings.report.timezone
    paths = paths_on(settings, on).require_touches()
    table = cohorts_of(settings, paths, definitions)
    told = product_history(settings.lake)
    if asked["keep"]:
        at = datetime.now(UTC)
        record(settings, paths, table, run=f"products-{at:%Y%m%dT%H%M%S%fZ}", at=at, erased=erased)
    found = judged_products(table, paths.end_of_data, timezone=zone, history=told)
    if view == "moved":
        rows = [what_moved_in(settings, paths, each, asked) for each in definitions]
        table = pl.concat(rows, how="diagonal_relaxed")
    elif view == "history":
        told = product_history(settings.lake) if asked["keep"] else told
        table = told.filter(pl.col("journey").is_in([each.name for each in definitions]))
        table = table.with_columns(pl.col("cohort", "cohort_end", "at").dt.convert_time_zone(zone))
    if how is not terminal.As.table:
        terminal.show(table if view else found, how)
    elif view:
        views: dict[str, tuple[Sequence[str], Callable[[Row], Row]]] = {
            "cohorts": (("journey", "measure"), _cohort_row),
            "history": (("journey", "measure"), _told_row),
            "moved": (
                ("journey", "cohort", "cohort_end", "cohort_before"),
                partial(_moved_row, settings.report.segment_names),
            ),
        }
        _print_in_groups(table, *views[view])
    else:
        _print_in_groups(found, ("journey", "owner", "cohort", "cohort_end"), _target_row)
        lines = [*_notes(found), *_changes(product_changes(table, definitions, timezone=zone))]
        for each in definitions if names else ():
            lines += ["", f"{each.name}: what moved", *_moved(settings, paths, each, asked)]
        text = "".join(f"{terminal.harmless(line)}\n" for line in [*lines, *([""] if lines else [])])
        terminal.out.print(text, end="", markup=False, soft_wrap=True)
        terminal.out.print(NOTE, style="dim", markup=False)
    return found


def what_moved_in(
    settings: Settings, paths: Paths, definition: JourneyProduct, asked: Mapping[str, Any]
) -> pl.DataFrame:
    """The rows of `analytics.moved` of a journey, split by the columns asked for, its own, or those of the report."""
    from analytics import moved

    words = asked["by"] or split_of(settings, definition.name)
    split = with_segments_of(settings, paths, words)
    return moved(split, definition, by=columns_of(words), against=asked["against"], timezone=settings.report.timezone)


def _moved(settings: Settings, paths: Paths, definition: JourneyProduct, asked: Mapping[str, Any]) -> list[str]:
    """What moved in a journey, in sentences."""
    from reports.words.products import cohort_words, moved_sentences

    rows = what_moved_in(settings, paths, definition, asked)
    if rows.is_empty():
        return ["  There are no two cohorts to compare yet."]
    sentences = moved_sentences(rows, settings.report.segment_names, definition.goal.name)
    before, now, end = (rows[name][0] for name in ("cohort_before", "cohort", "cohort_end"))
    against = f"  {cohort_words(now, end)} against {cohort_words(before, now)}:"
    return [against, *(f"  - {each}" for each in sentences or ["Nothing moved beyond its interval."])]


def _print_in_groups(table: pl.DataFrame, keys: Sequence[str], cells_of: Callable[[Row], Row]) -> None:
    """Print the rows of each journey and measure or cohort under a line that names these."""
    import polars as pl

    if table.is_empty():
        terminal.out.print("Nothing yet.")
    for _, rows in table.group_by(*keys, maintain_order=True):
        lead = _heading({name: rows[name][0] for name in keys})
        terminal.out.print(terminal.harmless(lead), style="bold", markup=False, soft_wrap=True)
        terminal.show(pl.DataFrame([cells_of(row) for row in rows.iter_rows(named=True)]), terminal.As.table)
        terminal.out.print()


def _heading(of: Row) -> str:
    """The journey with its owner, measure or cohorts."""
    from reports.words.products import cohort_words

    owner = f" ({of['owner']})" if of.get("owner") else ""
    parts = [f"{of['journey']}{owner}", *([of["measure"]] if "measure" in of else [])]
    if "cohort_before" in of:
        before = cohort_words(of["cohort_before"], of["cohort"])
        parts.append(f"{cohort_words(of['cohort'], of['cohort_end'])} against {before}")
    elif "cohort" in of:
        parts.append(cohort_words(of["cohort"], of["cohort_end"]))
    return ", ".join(parts)


def _target_row(row: Row) -> Row:
    """A target and its last cohort, as a terminal shows them."""
    from reports.words.products import target_words

    on_course = {None: "", True: ", on course", False: ", off course"}[row["on_course"]]
    return {
        "measure": row["measure"],
        **_value_cells(row, row["unit"]),
        "target": target_words(row["direction"], row["target"], row["unit"]),
        "by": "" if row["by"] is None else row["by"].isoformat(),
        "status": f"{row['status']}{on_course}",
    }


def _cohort_row(row: Row) -> Row:
    """One cohort of a target."""
    from reports.words.products import cohort_words

    return {
        "cohort": cohort_words(row["cohort"], row["cohort_end"]),
        "counted": row["counted"],
        "open": row["open"],
        **_value_cells(row, row["unit"]),
        "status": row["status"],
    }


def _told_row(row: Row) -> Row:
    """What was told of a cohort, and when."""
    from analytics import TARGET_UNITS
    from reports.words.products import cohort_words

    return {
        "told": row["at"],
        "cohort": cohort_words(row["cohort"], row["cohort_end"]),
        "counted": row["counted"],
        **_value_cells(row, TARGET_UNITS[row["measure"]]),
        "status": row["status"],
        "hash": row["hash"],
    }


def _value_cells(row: Row, unit: str) -> Row:
    """A value and its interval in their unit."""
    from reports.words.products import measured, measured_interval

    return {"value": measured(row["value"], unit), "95 %": measured_interval(row["low"], row["high"], unit)}


def _moved_row(names: Mapping[str, str], row: Row) -> Row:
    """A part of what moved."""
    from reports.words.numbers import points, points_interval
    from reports.words.products import measured, segment_words

    return {
        "who": segment_words(row, names) or "all",
        "part": f"{row['effect']} of {row['stage']}" if row["stage"] else row["effect"],
        "before": measured(row["before"], "share"),
        "after": measured(row["after"], "share"),
        "moves": points(row["contribution"]),
        "95 %": points_interval(row["contribution_low"], row["contribution_high"]),
        "p": terminal.text(row["p_corrected"], "p_corrected"),
    }


def _notes(found: pl.DataFrame) -> list[str]:
    """What is overdue and what was restated, a line each."""
    from reports.words.products import cohort_words, measured

    lines = []
    for row in found.iter_rows(named=True):
        start = f"{row['journey']}, {row['measure']}"
        if row["overdue"]:
            lines.append(f"{start}: the date of the target, {row['by'].isoformat()}, is past.")
        if row["restated_from"] is not None:
            then, now = (measured(row[name], row["unit"]) for name in ("restated_from", "value"))
            cohort = cohort_words(row["cohort"], row["cohort_end"])
            lines.append(f"{start}: {cohort} was restated from {then} to {now}.")
    return lines


def _changes(rows: pl.DataFrame) -> list[str]:
    """What differs after changes that were made; after them, not because of them."""
    from reports.words.products import change_sentences

    return [f"{name}: {text}" for name, text in zip(rows["journey"], change_sentences(rows), strict=True)]
