"""Data docs: HTML pages about the expectations, the days on which they passed, and the result of each check.

The pages show what Great Expectations' own pages show, in its wording: every expectation with counts and the observed
value, every run, an index. But its pages load scripts, styles and a tracking image from other hosts, and contain values
of the data. These pages have no script and no external address, forbid every request, and contain only counts, never
counts from 1 to 9, since few rows may be one person.
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

from expectations.audit import results
from expectations.errors import StorageError
from expectations.hidden import shown
from expectations.lake.layout import Lake

DAYS: Final = 14
"""Number of the newest days that a page shows."""
CHECKS: Final = 20
"""Number of the newest checks that have a page."""
MIN_COUNT: Final = 10
"""The smallest count of rows that is shown."""
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
    """Write the pages about a lake's checks into a folder, `index.html` last, and return their paths.

    Raises:
        StorageError: the results cannot be read, or the folder cannot be written.
    """
    written = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in pages(results.results(lake)).items():
            part = folder / f".{name}.part"
            part.write_text(text, encoding="utf-8")
            part.replace(folder / name)
            written.append(folder / name)
    except OSError as error:
        found = error.strerror or str(error)
        raise StorageError("The data docs cannot be written.", where=str(folder), found=found) from error
    return written


def pages(outcomes: pl.DataFrame) -> dict[str, str]:
    """The pages by file name, made from the results of checks (schema `results.RESULTS`).

    One page per suite, one for each of the newest checks, and `index.html` last. Without results there is only an index
    that says so.

    >>> list(pages(results.RESULTS.to_frame(eager=True)))
    ['index.html']
    """
    verdicts = by_day(outcomes)
    days = _newest(verdicts)
    made, overview, runs = {}, [], []
    for (suite,), of_suite in verdicts.group_by("suite", maintain_order=True):
        name = f"suite-{re.sub(r'[^a-z0-9]+', '-', str(suite).lower()).strip('-')}.html"
        made[name] = _suite_page(str(suite), of_suite)
        beliefs = of_suite.select(_BELIEF).unique().height
        overview.append(_Row(str(suite), (of_suite["table"][0], str(beliefs)), _worst(of_suite, days), name))
    times = outcomes["checked_at"].unique().sort(descending=True)
    for at in times.head(CHECKS):
        of_check = outcomes.filter(pl.col("checked_at") == at)
        name = f"check-{at:%Y%m%dT%H%M%S%f}.html"
        made[name] = _check_page(at, of_check)
        runs.append(_Row(f"{at:%Y-%m-%d %H:%M:%S} UTC", _run(of_check), link=name))
    lead = f"Last checked {times[0]:%Y-%m-%d %H:%M} UTC." if len(times) else "Nothing has been checked yet."
    tables = [
        _Table("Suites", ("Suite", "Table", "Expectations"), _headings(days), tuple(overview)),
        _Table("Checks, newest first", ("Check", "Result", "Evaluated", "Failed", "Versions"), (), tuple(runs)),
    ]
    made["index.html"] = _page("Data docs", lead, [table for table in tables if table.rows])
    return made


def by_day(outcomes: pl.DataFrame) -> pl.DataFrame:
    """One row per expectation and day: `passed`, `judged` and `failed` over all checks of the day's rows.

    A check of the rows added after a version is added to the check of that version. A check of whole days replaces
    earlier checks, and so does one that begins at the same version as an earlier, interrupted one.
    """
    keys = [*_BELIEF, "day"]
    ordered = outcomes.with_columns(pl.col("since").fill_null(-1), pl.col("version").fill_null(-1))
    later = pl.col("since").reverse().cum_min().reverse().shift(-1).over(keys)
    current = ordered.filter(later.is_null() | ((later >= 0) & (later >= pl.col("version"))))
    merged = [pl.col("passed").all(), pl.col("judged", "failed").sum(), pl.col("observed", "failure").last()]
    counted = current.group_by(keys, maintain_order=True).agg(*merged, pl.col("failed").count().alias("_counted"))
    return counted.with_columns(
        pl.when(pl.col("_counted") > 0).then(pl.col("failed")).alias("failed"),
    ).drop("_counted")


def _newest(verdicts: pl.DataFrame) -> list[Day]:
    """The newest days, preceded by None when a table is evaluated as a whole."""
    known = verdicts["day"].unique()
    whole: list[Day] = [None] if known.null_count() else []
    return whole + sorted(known.drop_nulls())[-DAYS:]


def _headings(days: Sequence[Day]) -> tuple[str, ...]:
    return tuple("all" if day is None else f"{day:%m-%d}" for day in days)


def _suite_page(suite: str, outcomes: pl.DataFrame) -> str:
    """Every expectation of a suite: the consequence of a failure, counts over the days shown, and the newest days."""
    days = _newest(outcomes)
    rows = []
    for (_, _, columns, belief, severity), group in outcomes.group_by(_BELIEF, maintain_order=True):
        judged, failed, observed = _measured(group.filter(pl.col("day").is_in(days, nulls_equal=True)))
        texts = (", ".join(columns), _CONSEQUENCE[str(severity)], judged, failed, observed)
        rows.append(_Row(str(belief), texts, _cells(group, days)))
    missed, checked = outcomes.filter(~pl.col("passed"))["day"].n_unique(), outcomes["day"].n_unique()
    lead = f"{len(rows)} expectations about {outcomes['table'][0]}; at least one failed on {missed} of {checked} days."
    headings = ("Expectation", "Columns", "On failure", "Rows evaluated", "Unexpected rows", "Last measured")
    return _page(f"Suite {suite}", lead, [_Table("", headings, _headings(days), tuple(rows))])


def _check_page(at: datetime, outcomes: pl.DataFrame) -> str:
    """The results of one check: each expectation once, over the days of the check, failed ones first."""
    tables = []
    for (suite,), part in outcomes.group_by("suite", maintain_order=True):
        rows = []
        for (_, _, columns, belief, severity), group in part.group_by(_BELIEF, maintain_order=True):
            missed = group.filter(~pl.col("passed"))
            cell = _Cell(missed.is_empty(), str(severity), f"{missed.height} of {group.height} days")
            failures = ", ".join(sorted(set(group["failure"].drop_nulls()) - {""}))
            texts = (", ".join(columns), group["expectation"][0], *_measured(group), failures or "–")
            rows.append(_Row(str(belief), texts, (cell,)))
        rows.sort(key=lambda row: row.cells[0] is None or row.cells[0].passed)
        headings = ("Expectation", "Columns", "Type", "Rows evaluated", "Unexpected rows", "Last measured", "Exception")
        tables.append(_Table(str(suite), headings, ("Failed",), tuple(rows)))
    return _page(f"Check of {at:%Y-%m-%d %H:%M:%S} UTC", " · ".join(_run(outcomes)), tables)


def _run(outcomes: pl.DataFrame) -> tuple[str, str, str, str]:
    """The result of one check, the number of evaluated and failed expectations, and the table versions."""
    missed = outcomes.filter(~pl.col("passed"))
    failed = missed.filter(pl.col("severity") == "refuse").height
    seen = outcomes.select("table", "since", "version").unique().drop_nulls("version").sort("table", "version")
    spans = seen.group_by("table", maintain_order=True).agg(pl.col("since").max(), pl.col("version").max())
    versions = ", ".join(
        f"{table} {version}" if since is None else f"{table} {since} to {version}"
        for table, since, version in spans.iter_rows()
    )
    verdict = "failed" if failed else "passed with warnings" if missed.height else "passed"
    return (
        verdict,
        f"{outcomes.height:,} evaluated",
        f"{failed:,} failed, {missed.height - failed:,} warned",
        versions or "–",
    )


def _measured(group: pl.DataFrame) -> tuple[str, str, str]:
    """Rows evaluated, unexpected rows, and the last measured number, as far as they may be shown."""
    judged, failed = (int(group[name].sum()) if group[name].count() else None for name in ("judged", "failed"))
    last = group.filter(pl.col("observed").is_not_null()).tail(1)
    few = bool(last.height) and 0 < (last["judged"][0] or MIN_COUNT) < MIN_COUNT
    observed = "–" if last.is_empty() or few else f"{last['observed'][0]:,.4g}"
    return _shown(judged), _against(failed, judged), observed


def _shown(count: int | None) -> str:
    """A count of rows; small counts, which may be one person, are shown as such."""
    if count is None:
        return "–"
    return f"<{MIN_COUNT}" if 0 < count < MIN_COUNT else f"{count:,}"


def _against(failed: int | None, judged: int | None) -> str:
    """The number of unexpected rows; withheld when these or the other rows are few."""
    others = (judged or 0) - (failed or 0)
    if failed and 0 < others < MIN_COUNT <= failed:
        return f"all but <{MIN_COUNT}"
    return _shown(failed)


def _cells(group: pl.DataFrame, days: Sequence[Day]) -> tuple[_Cell | None, ...]:
    by_date = {row["day"]: _cell(row) for row in group.iter_rows(named=True)}
    return tuple(by_date.get(day) for day in days)


def _cell(row: dict[str, Any]) -> _Cell:
    shown = _against(row["failed"], row["judged"]) if row["failed"] else "✗"
    return _Cell(row["passed"], row["severity"], shown)


def _worst(outcomes: pl.DataFrame, days: Sequence[Day]) -> tuple[_Cell | None, ...]:
    """For each day the number of failed expectations of the suite."""
    cells: list[_Cell | None] = []
    for day in days:
        group = outcomes.filter(pl.col("day").eq_missing(pl.lit(day, pl.Date)))
        missed = group.filter(~pl.col("passed"))
        severity = "refuse" if (missed["severity"] == "refuse").any() else "warn"
        cells.append(_Cell(missed.is_empty(), severity, f"{missed.height} of {group.height}") if group.height else None)
    return tuple(cells)


def _page(title: str, lead: str, tables: Sequence[_Table]) -> str:
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, keep_trailing_newline=True, finalize=shown
    )
    template = environment.from_string(_TEMPLATE.read_text(encoding="utf-8"))
    return template.render(title=title, lead=lead, tables=tables, min_count=MIN_COUNT, back=title != "Data docs")
