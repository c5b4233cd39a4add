"""The data docs: what we believe about the lake, on which days it held and what each check found, as safe pages.

They say what Great Expectations' own pages say of suites and validations, in its words: every expectation with what was
observed and counted, every run, an index. But those pages load scripts and styles from other hosts, and a picture that
counts views, and write values of the data into the page. These have neither script nor outside address, forbid
themselves every request, and know the data by counts only, none of them from 1 to 9: few rows may be one person.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final

import jinja2
import polars as pl

from expectations.audit import results as checks
from expectations.errors import StorageError
from expectations.lake.layout import Lake

DAYS: Final = 14
"""The newest days that a page shows."""
CHECKS: Final = 20
"""The newest checks that have a page."""
LEAST: Final = 10
"""The least count of rows that is told."""
_TEMPLATE: Final = Path(__file__).parents[1] / "templates" / "datadocs.html.j2"
_BELIEF: Final = ["suite", "table", "columns", "belief", "severity"]
_CONSEQUENCE: Final = {"refuse": "fails", "warn": "warns"}

Day = date | None


@dataclass(frozen=True)
class _Cell:
    passed: bool
    severity: str
    shown: str


@dataclass(frozen=True)
class _Row:
    name: str
    texts: tuple[str, ...]
    cells: tuple[_Cell | None, ...] = ()
    link: str = ""


@dataclass(frozen=True)
class _Table:
    caption: str
    headings: tuple[str, ...]
    days: tuple[str, ...]
    rows: tuple[_Row, ...]


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

    One page a suite, one for each of the newest checks, and `index.html`, the last. No results give an index that says
    so.

    >>> list(pages(checks.RESULTS.to_frame(eager=True)))
    ['index.html']
    """
    verdicts = by_day(results)
    days = _newest(verdicts)
    made, overview, runs = {}, [], []
    for (suite,), found in verdicts.group_by("suite", maintain_order=True):
        name = f"suite-{re.sub(r'[^a-z0-9]+', '-', str(suite).lower()).strip('-')}.html"
        made[name] = _suite_page(str(suite), found)
        beliefs = found.select(_BELIEF).unique().height
        overview.append(_Row(str(suite), (found["table"][0], str(beliefs)), _worst(found, days), name))
    times = results["checked_at"].unique().sort(descending=True)
    for at in times.head(CHECKS):
        found = results.filter(pl.col("checked_at") == at)
        name = f"check-{at:%Y%m%dT%H%M%S%f}.html"
        made[name] = _check_page(at, found)
        runs.append(_Row(f"{at:%Y-%m-%d %H:%M:%S} UTC", _run(found), link=name))
    lead = f"Last checked {times[0]:%Y-%m-%d %H:%M} UTC." if len(times) else "Nothing has been checked yet."
    tables = [
        _Table("Suites", ("Suite", "Table", "Beliefs"), _headings(days), tuple(overview)),
        _Table("Checks, newest first", ("Check", "Result", "Judged", "Not met", "Versions"), (), tuple(runs)),
    ]
    made["index.html"] = _page("Data docs", lead, [table for table in tables if table.rows])
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


def _newest(verdicts: pl.DataFrame) -> list[Day]:
    """The newest days, after None where something is judged as a whole."""
    known = verdicts["day"].unique()
    whole: list[Day] = [None] if known.null_count() else []
    return whole + sorted(known.drop_nulls())[-DAYS:]


def _headings(days: Sequence[Day]) -> tuple[str, ...]:
    return tuple("all" if day is None else f"{day:%m-%d}" for day in days)


def _suite_page(suite: str, found: pl.DataFrame) -> str:
    """Every belief of a suite: what follows when it is not met, its counts over all days, and its newest days."""
    days = _newest(found)
    rows = []
    for (_, _, columns, belief, severity), held in found.group_by(_BELIEF, maintain_order=True):
        judged, failed, observed = _measured(held.filter(pl.col("day").is_in(days, nulls_equal=True)))
        texts = (", ".join(columns), _CONSEQUENCE[str(severity)], judged, failed, observed)
        rows.append(_Row(str(belief), texts, _cells(held, days)))
    missed, checked = found.filter(~pl.col("passed"))["day"].n_unique(), found["day"].n_unique()
    lead = f"{len(rows)} beliefs about {found['table'][0]}, not all met on {missed} of {checked} days."
    headings = ("Belief", "Columns", "If not met", "Rows judged", "Rows against it", "Last measured")
    return _page(f"Suite {suite}", lead, [_Table("", headings, _headings(days), tuple(rows))])


def _check_page(at: datetime, found: pl.DataFrame) -> str:
    """What one check found: each belief once, over the days it judged, those that were not met first."""
    tables = []
    for (suite,), part in found.group_by("suite", maintain_order=True):
        rows = []
        for (_, _, columns, belief, severity), held in part.group_by(_BELIEF, maintain_order=True):
            missed = held.filter(~pl.col("passed"))
            cell = _Cell(missed.is_empty(), str(severity), f"{missed.height} of {held.height} days")
            failures = ", ".join(sorted(set(held["failure"].drop_nulls()) - {""}))
            texts = (", ".join(columns), held["expectation"][0], *_measured(held), failures or "–")
            rows.append(_Row(str(belief), texts, (cell,)))
        rows.sort(key=lambda row: row.cells[0] is None or row.cells[0].passed)
        headings = ("Belief", "Columns", "Expectation", "Rows judged", "Rows against it", "Last measured", "Exception")
        tables.append(_Table(str(suite), headings, ("Not met",), tuple(rows)))
    return _page(f"Check of {at:%Y-%m-%d %H:%M:%S} UTC", " · ".join(_run(found)), tables)


def _run(found: pl.DataFrame) -> tuple[str, str, str, str]:
    """The verdict of one check, how many verdicts it gave and how many were not met, and the versions it looked at."""
    missed = found.filter(~pl.col("passed"))
    failed = missed.filter(pl.col("severity") == "refuse").height
    seen = found.select("table", "since", "version").unique().drop_nulls("version").sort("table", "version")
    spans = seen.group_by("table", maintain_order=True).agg(pl.col("since").max(), pl.col("version").max())
    told = ", ".join(
        f"{table} {version}" if since is None else f"{table} {since} to {version}"
        for table, since, version in spans.iter_rows()
    )
    verdict = "failed" if failed else "passed with warnings" if missed.height else "passed"
    return verdict, f"{found.height:,} verdicts", f"{failed:,} failed, {missed.height - failed:,} warned", told or "–"


def _measured(held: pl.DataFrame) -> tuple[str, str, str]:
    """Rows judged, rows against, and the last number measured, as far as they may be told."""
    judged, failed = (int(held[name].sum()) if held[name].count() else None for name in ("judged", "failed"))
    last = held.filter(pl.col("observed").is_not_null()).tail(1)
    few = bool(last.height) and 0 < (last["judged"][0] or LEAST) < LEAST
    observed = "–" if last.is_empty() or few else f"{last['observed'][0]:,.4g}"
    return _told(judged), _against(failed, judged), observed


def _told(count: int | None) -> str:
    """A count of rows, unless it is so small that it may be one person."""
    if count is None:
        return "–"
    return f"<{LEAST}" if 0 < count < LEAST else f"{count:,}"


def _against(failed: int | None, judged: int | None) -> str:
    """The rows against a belief, unless they, or the others, are few."""
    others = (judged or 0) - (failed or 0)
    if failed and 0 < others < LEAST <= failed:
        return f"all but <{LEAST}"
    return _told(failed)


def _cells(held: pl.DataFrame, days: Sequence[Day]) -> tuple[_Cell | None, ...]:
    by_date = {row["day"]: _cell(row) for row in held.iter_rows(named=True)}
    return tuple(by_date.get(day) for day in days)


def _cell(row: dict[str, Any]) -> _Cell:
    shown = _against(row["failed"], row["judged"]) if row["failed"] else "✗"
    return _Cell(row["passed"], row["severity"], shown)


def _worst(found: pl.DataFrame, days: Sequence[Day]) -> tuple[_Cell | None, ...]:
    """For each day how many beliefs of the suite were not met."""
    cells: list[_Cell | None] = []
    for day in days:
        held = found.filter(pl.col("day").eq_missing(pl.lit(day, pl.Date)))
        missed = held.filter(~pl.col("passed"))
        severity = "refuse" if (missed["severity"] == "refuse").any() else "warn"
        cells.append(_Cell(missed.is_empty(), severity, f"{missed.height} of {held.height}") if held.height else None)
    return tuple(cells)


def _page(title: str, lead: str, tables: Sequence[_Table]) -> str:
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, keep_trailing_newline=True)
    template = environment.from_string(_TEMPLATE.read_text(encoding="utf-8"))
    return template.render(title=title, lead=lead, tables=tables, least=LEAST, back=title != "Data docs")
