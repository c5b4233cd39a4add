"""Prints results, progress and errors on a terminal; results also as JSON or CSV."""

from __future__ import annotations

import codecs
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, TextIO

from rich.console import Console, ConsoleOptions, RenderResult
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from expectations.hidden import escaped, without_hidden

if TYPE_CHECKING:
    import polars as pl

    from expectations.errors import JourneysError

HEADER_WIDTH = 9
"""Characters of a column's name per line."""
MIN_LIST_WIDTH = 30
"""Minimum width of a column of lists, in characters."""
MAX_UNWRAPPED = 12
"""Text up to this many characters is never wrapped."""

_PLAIN: Final = str.maketrans(
    {
        "✓": "+",
        "✗": "x",
        "→": ">",
        "–": "-",
        "−": "-",
        "…": "...",
        "×": "x",
        "“": '"',
        "”": '"',
        "█": "#",
        "\u202f": " ",
    }
)
"""What stands for the product's own marks on a terminal that cannot show them."""


class _Harmless(Console):
    """A console that prints no hidden character of a text, such as an escape character in a name, and cuts no number:
    a table that does not fit is printed wider than the terminal.
    """

    def print(self, *objects: Any, **options: Any) -> None:
        """Print texts without hidden characters, tables as wide as they must be, and everything else as rich does."""
        shown = [without_hidden(each) if isinstance(each, str) else each for each in objects]
        tables = [_Whole(each) if isinstance(each, Table) else each for each in shown]
        super().print(*tables, **({"crop": False} if tables != shown else {}) | options)


class _Whole:
    """A table in which no cell is cut of a column that does not wrap, if need be wider than the terminal."""

    def __init__(self, table: Table) -> None:
        self.table = table

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        columns, unbounded = self.table.columns, options.update(max_width=sys.maxsize)
        needs = []
        for column in columns:
            cells = [console.measure(each, options=unbounded) for each in (column.header, *column.cells)]
            widest = min(max(each.maximum for each in cells), column.max_width or sys.maxsize)
            needs.append((widest if column.no_wrap else max(each.minimum for each in cells), widest))
        room = options.max_width - (1 if self.table.collapse_padding else 2) * (len(columns) - 1)
        room -= sum(least for least, _ in needs)
        for column, (least, widest) in zip(columns, needs, strict=True):
            more = min(max(room, 0), widest - least)
            column.width, column.min_width, room = least + more, None, room - more
        width = max(options.max_width, options.max_width - room)
        yield from console.render(self.table, options.update(width=width, max_width=width))


out = _Harmless(highlight=False)
err = _Harmless(stderr=True, highlight=False)

Advance = Callable[[int, int | None], None]
"""Report progress: how many are done, and the total (None when unknown)."""


class As(StrEnum):
    """Output format of a result."""

    table = "table"
    json = "json"
    csv = "csv"


def show_every_character() -> None:
    """Let terminals that cannot show a character print another one in its place, or its code, instead of failing."""

    def replaced(error: UnicodeError) -> tuple[str, int]:
        assert isinstance(error, UnicodeEncodeError)
        plain = error.object[error.start : error.end].translate(_PLAIN)
        return plain.encode("ascii", "backslashreplace").decode(), error.end

    codecs.register_error("journeys", replaced)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="journeys")


def print_error(error: JourneysError) -> None:
    """Print an error, one fact per line, without a traceback."""
    first, *rest = error.message.split("\n")
    err.print(Text.assemble(("Error ", "bold red"), (f"[{error.code}] ", "dim"), harmless(first)), soft_wrap=True)
    for line in rest:
        err.print(Text(harmless(line)), soft_wrap=True)


def print_check(what: str, found: str, do: str, *, passed: bool) -> None:
    """Print one check: a mark, what was checked, the result, and on a second line what to do."""
    mark = ("✓ ", "green") if passed else ("✗ ", "bold red")
    lines = "\n".join(map(harmless, found.split("\n")))
    out.print(Text.assemble(mark, f"{harmless(what):<16}", lines), soft_wrap=True)
    if do:
        out.print(Text(f"  do: {harmless(do)}"), soft_wrap=True)


@contextmanager
def step(title: str, *, bar: bool = True) -> Iterator[Advance]:
    """One step of a longer job: a progress bar while it runs on a terminal, a line with its duration when it is done.

    Without `bar` there is no progress bar, for steps that write log lines.
    """
    title = harmless(title)
    progress = Progress(
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=28),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=err,
        transient=True,
        disable=not (bar and err.is_terminal),
    )
    with progress:
        task = progress.add_task(title, total=None)

        def advance(done: int, total: int | None) -> None:
            progress.update(task, completed=done, total=total)

        yield advance
        seconds = progress.tasks[0].elapsed or 0.0
    err.print(Text.assemble(("✓ ", "green"), f"{title} ", (f"{seconds:.1f} s", "dim")))


def show(frame: pl.DataFrame, how: As, title: str = "") -> None:
    """Print a frame as a table, or as JSON rows or CSV."""
    if how is As.json:
        write(sys.stdout, escaped(plain(frame).write_json()) + "\n")
    elif how is As.csv:
        from reports.site.csv import as_csv

        write(sys.stdout, as_csv(plain(frame)))
    else:
        import polars as pl

        table = Table(title=title or None, title_justify="left", header_style="bold", box=None, pad_edge=False)
        for name, dtype in frame.schema.items():
            is_list = isinstance(dtype, pl.List)
            is_long = dtype == pl.String and (frame[name].str.len_chars().max() or 0) > MAX_UNWRAPPED  # type: ignore[operator]
            table.add_column(
                Text(textwrap.fill(name.replace("_", " "), HEADER_WIDTH, break_long_words=False)),
                no_wrap=not (is_list or is_long),
                min_width=MIN_LIST_WIDTH if is_list else None,
                justify="right" if _is_number(dtype) else "left",
            )
        for row in frame.iter_rows():
            table.add_row(*(Text(harmless(text(value, name))) for name, value in zip(frame.columns, row, strict=True)))
        table.collapse_padding = not fits(table)
        out.print(table)


def write(stream: TextIO, text: str) -> None:
    """Write a text for programs: as UTF-8, whatever the terminal can show."""
    stream.flush()
    if (buffer := getattr(stream, "buffer", None)) is None:
        stream.write(text)
        return
    buffer.write(text.encode(errors="backslashreplace"))
    buffer.flush()


def columns(rows: list[dict[str, str]], names: list[str], name_width: int) -> Table:
    """A table of the named cells of each row. The first column is cut where it is too long, the others never."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for index, name in enumerate(names):
        if index == 0:
            table.add_column(name, overflow="ellipsis", no_wrap=True, min_width=MAX_UNWRAPPED, max_width=name_width)
        else:
            table.add_column(Text(name), justify="right" if name else "left", no_wrap=True)
    for row in rows:
        table.add_row(*(Text(harmless(row[name])) for name in names))
    return table


def print_columns(rows: list[dict[str, str]], name_width: int, optional: Sequence[str] = ()) -> None:
    """Print the cells of each row as a table. Where the terminal is too narrow, names are cut shorter, then `optional`
    columns are left out, in their order; what does not fit even then is printed wider than the terminal.
    """
    names, left_out = list(rows[0]), [name for name in optional if name in rows[0]]
    table = columns(rows, names, name_width)
    if not fits(table):
        table = columns(rows, names, MAX_UNWRAPPED + 2)
    while not fits(table) and left_out:
        names.remove(left_out.pop(0))
        table = columns(rows, names, MAX_UNWRAPPED + 2)
    if not fits(table):
        table = columns(rows, names, name_width)
    out.print(table)


def fits(table: Table) -> bool:
    """Whether a table fits the width of the terminal."""
    width = out.measure(table, options=out.options.update(max_width=sys.maxsize)).maximum
    return width <= out.width


def plain(frame: pl.DataFrame) -> pl.DataFrame:
    """The frame as JSON and CSV can hold it: durations in columns `<name>_seconds`, lists as text."""
    from reports.site.csv import plain_columns

    return plain_columns(frame)


def named_groups(table: pl.DataFrame, by: Sequence[str]) -> pl.DataFrame:
    """A table with its groups as text, and `all` in the rows over all of them."""
    import polars as pl

    is_total = pl.col("is_total")
    groups = [pl.when(is_total).then(pl.lit("all")).otherwise(pl.col(name).cast(pl.String)).alias(name) for name in by]
    return table.with_columns(groups).drop("is_total")


def share_text(row: Mapping[str, Any], name: str) -> str:
    """A share with its interval, in per cent.

    >>> share_text({"rate": 0.5, "rate_low": 0.25, "rate_high": 0.75}, "rate"), share_text({"rate": None}, "rate")
    ('50.0 % (25.0 to 75.0)', '–')
    """
    if row[name] is None:
        return "–"
    return f"{row[name] * 100:.1f} % ({row[f'{name}_low'] * 100:.1f} to {row[f'{name}_high'] * 100:.1f})"


def text(value: Any, name: str = "") -> str:
    """One value as text: shares and rates in per cent, their differences in points, durations in a fitting unit.

    >>> text(0.4461, "share_of_previous"), text(12345), text(timedelta(minutes=27)), text(None)
    ('44.6 %', '12,345', '27 min', '–')
    >>> text(-0.031, "difference"), text(0.0004, "p_value")
    ('-3.1 pts', '<0.001')
    """
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return _number(value, name)
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, timedelta):
        return duration(value.total_seconds())
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}"
    if isinstance(value, list):
        return " → ".join(str(part) for part in value)
    return str(value)


def _number(value: float, name: str) -> str:
    """A number, formatted by its column: a difference of shares, a share or rate, a p-value, or any other."""
    if "difference" in name:
        return f"{value * 100:+.1f} pts"
    if "share" in name or "rate" in name:
        return f"{value:.1%}".replace("%", " %")
    if name.startswith("p_"):
        return f"{value:.3f}" if value >= 0.001 else "<0.001"
    return f"{value:,.2f}"


def harmless(text: str) -> str:
    """Text from the data without the control characters of a terminal; each is replaced by a mark.

    >>> harmless("red\\x1b[31m"), harmless("two\\nlines")
    ('red�[31m', 'two lines')
    """
    return "".join(letter if letter.isprintable() else " " if letter.isspace() else "�" for letter in text)


def refused(reasons: Mapping[str, int]) -> str:
    """The end of a sentence on what landed: how many were refused, by reason; empty where none was.

    >>> refused({"not_json": 2})
    ', 2 refused and kept in quarantine (not_json 2)'
    """
    if not reasons:
        return ""
    listed = ", ".join(f"{reason} {count:,}" for reason, count in sorted(reasons.items(), key=lambda r: -r[1]))
    return f", {sum(reasons.values()):,} refused and kept in quarantine ({listed})"


def examples(texts: Sequence[str]) -> str:
    """The first five of some texts from the data.

    >>> examples(["a", "b"]), examples(list("abcdefg"))
    ('a, b', 'a, b, c, d, e, ...')
    """
    return ", ".join([*map(harmless, texts[:5]), *(["..."] if len(texts) > 5 else [])])


def duration(seconds: float) -> str:
    """A number of seconds as text, in a fitting unit.

    >>> duration(79), duration(60_000), duration(1_000_000), duration(2_592_000)
    ('79 s', '16.7 h', '11.6 d', '30 d')
    """
    for limit, unit, digits in ((90, 1, 0), (90 * 60, 60, 0), (36 * 3600, 3600, 1)):
        if seconds < limit:
            return f"{f'{seconds / unit:.{digits}f}'.removesuffix('.0')} {({1: 's', 60: 'min', 3600: 'h'})[unit]}"
    return f"{f'{seconds / 86400:.1f}'.removesuffix('.0')} d"


def bar(share: float | None, width: int = 30) -> str:
    """A share from 0 to 1 as a bar of block characters.

    >>> bar(0.5, width=4)
    '██  '
    """
    return ("█" * round((share or 0.0) * width)).ljust(width)


def _is_number(dtype: pl.DataType) -> bool:
    return dtype.is_numeric() or dtype.is_temporal()
