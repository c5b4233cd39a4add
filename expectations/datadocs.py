"""The data docs: what we believe about the lake and on which days it held, as pages that can be published.

They say what Great Expectations' own pages say of suites and validations, in its words. But those pages load scripts
and styles from other hosts, and a picture that counts views, and write values of the data into the page. These have
neither script nor outside address, forbid themselves every request, and know the data by counts only.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final

import jinja2
import polars as pl

from expectations import checks
from expectations.errors import StorageError
from expectations.layout import Lake

DAYS: Final = 14
"""The newest days that a page shows."""
_TEMPLATE: Final = Path(__file__).parent / "templates" / "datadocs.html.j2"
_BELIEF: Final = ["suite", "table", "columns", "belief", "severity"]


@dataclass(frozen=True)
class _Cell:
    passed: bool
    severity: str
    shown: str


@dataclass(frozen=True)
class _Row:
    name: str
    texts: tuple[str, ...]
    cells: tuple[_Cell | None, ...]
    link: str = ""


def publish(lake: Lake, folder: Path) -> list[Path]:
    """Write the pages of a lake's checks into a folder, `index.html` last. Returns their paths.

    Raises:
        StorageError: the results cannot be read, or the folder cannot be written.
    """
    written = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in pages(checks.results(lake)).items():
            part = folder / f".{name}.part"
            part.write_text(text, encoding="utf-8")
            part.replace(folder / name)
            written.append(folder / name)
    except OSError as error:
        found = error.strerror or str(error)
        raise StorageError("The data docs cannot be written.", where=str(folder), found=found) from error
    return written


def pages(results: pl.DataFrame) -> dict[str, str]:
    """The pages by file name, made from results of checks (columns and dtypes of `checks.RESULTS`).

    One page a suite, and `index.html`, the last. No results give an index that says so.

    >>> list(pages(checks.RESULTS.to_frame(eager=True)))
    ['index.html']
    """
    verdicts = by_day(results)
    days = sorted(verdicts["day"].drop_nulls().unique())[-DAYS:]
    made = {}
    overview = []
    for (suite,), found in verdicts.group_by("suite", maintain_order=True):
        name = f"suite-{re.sub(r'[^a-z0-9]+', '-', str(suite).lower()).strip('-')}.html"
        made[name] = _suite_page(str(suite), found, days)
        beliefs = found.select(_BELIEF).unique().height
        overview.append(_Row(str(suite), (found["table"][0], str(beliefs)), _worst(found, days), name))
    checked = results.select(pl.col("checked_at").max().dt.strftime("Last checked %Y-%m-%d %H:%M UTC.")).item()
    lead = checked or "Nothing has been checked yet."
    made["index.html"] = _page("Data docs", lead, ("Suite", "Table", "Beliefs"), days, overview)
    return made


def by_day(results: pl.DataFrame) -> pl.DataFrame:
    """One row an expectation and day: `passed`, `judged` and `failed` over all checks of the day's rows.

    A check of the rows that came since a version adds to the check that saw that version; a check of whole days
    replaces those before, and so does one that begins where an earlier one began, which was cut short.
    """
    keys = [*_BELIEF, "day"]
    ordered = results.with_columns(pl.col("since").fill_null(-1), pl.col("version").fill_null(-1))
    later = pl.col("since").reverse().cum_min().reverse().shift(-1).over(keys)
    held = ordered.filter(later.is_null() | ((later >= 0) & (later >= pl.col("version"))))
    merged = [pl.col("passed").all(), pl.col("judged", "failed").sum(), pl.col("observed", "failure").last()]
    counted = held.group_by(keys, maintain_order=True).agg(*merged, pl.col("failed").count().alias("_counted"))
    return counted.with_columns(
        pl.when(pl.col("_counted") > 0).then(pl.col("failed")).alias("failed"),
    ).drop("_counted")


def _suite_page(suite: str, found: pl.DataFrame, days: list[date]) -> str:
    rows = []
    for (_, _, columns, belief, severity), held in found.group_by(_BELIEF, maintain_order=True):
        consequence = "fails" if severity == "refuse" else "warns"
        rows.append(_Row(str(belief), (", ".join(columns), consequence), _cells(held, days)))
    failed = found.filter(~pl.col("passed")).height
    lead = f"{len(rows)} beliefs, {failed} times not met on {found['day'].n_unique()} days."
    return _page(f"Suite {suite}", lead, ("Belief", "Columns", "If not met"), days, rows)


def _cells(held: pl.DataFrame, days: list[date]) -> tuple[_Cell | None, ...]:
    by_date = {row["day"]: _cell(row) for row in held.iter_rows(named=True)}
    return tuple(by_date.get(day) for day in days)


def _cell(row: dict[str, Any]) -> _Cell:
    shown = f"{row['failed']:,}" if row["failed"] else "✗"
    return _Cell(row["passed"], row["severity"], shown)


def _worst(found: pl.DataFrame, days: list[date]) -> tuple[_Cell | None, ...]:
    """For each day how many beliefs of the suite were not met."""
    cells: list[_Cell | None] = []
    for day in days:
        held = found.filter(pl.col("day") == day)
        missed = held.filter(~pl.col("passed"))
        severity = "refuse" if (missed["severity"] == "refuse").any() else "warn"
        cells.append(_Cell(missed.is_empty(), severity, f"{missed.height} of {held.height}") if held.height else None)
    return tuple(cells)


def _page(title: str, lead: str, headings: Iterable[str], days: list[date], rows: list[_Row]) -> str:
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, keep_trailing_newline=True)
    template = environment.from_string(_TEMPLATE.read_text(encoding="utf-8"))
    return template.render(
        title=title, lead=lead, headings=tuple(headings), days=[f"{day:%m-%d}" for day in days], rows=rows,
        back=title != "Data docs",
    )  # fmt: skip
