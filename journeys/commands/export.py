"""`journeys export`: all about one person, what reports told, and touches, for other tools."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO, Final

import typer

from expectations.errors import ConfigurationError, InputError, StorageError, nearest
from expectations.hidden import escaped
from journeys import terminal
from journeys.app import DEFAULT, Config, app, paths_on, settings_of, touches_out
from journeys.runs.noted import noted
from journeys.segmented import segment_named

if TYPE_CHECKING:
    import polars as pl

export = typer.Typer(
    help="Export what reports told, touches, or what the lake holds about a person.", no_args_is_help=True
)
app.add_typer(export, name="export")


@export.command()
def customer(
    identity: Annotated[str, typer.Argument(help="Any identity of the customer, as kind:value.")],
    to: Annotated[Path, typer.Option(help="The file to write; it must not exist.")] = Path("customer.ndjson"),
    config: Config = DEFAULT,
) -> None:
    """Write all events, touches, attributes, links and quarantined messages of a customer as JSON lines.

    Each line has the name of its table. The file can be read by its owner only.

    Example: journeys export customer customer_id:c123 --to c123.ndjson
    """
    from analytics import customer_data

    settings = settings_of(config)
    with terminal.step("Looking the customer up"):
        tables = customer_data(settings.lake, identity, settings.paths)
    write_lines(tables, to)
    counts = ", ".join(f"{len(frame):,} {name}" for name, frame in tables.items())
    terminal.out.print(f"  {counts}", f"  {to}", sep="\n", markup=False, soft_wrap=True)


@export.command()
def answers(
    to: Annotated[str, typer.Option(help="The folder, or the address of a store, of the tables.")] = "answers",
    config: Config = DEFAULT,
) -> None:
    """Write what all reports of the lake told as Delta tables, one per card, for tools that draw their history.

    A row has the report, its time and definitions, the number of the row in the card, and the columns of the card's
    CSV; small counts are withheld in it as they are in the report. Run it again after every report: it adds what is
    new, and writes a table anew when a report was withdrawn, because a customer was erased.

    Example: journeys export answers --to /srv/bi/answers
    """
    import polars as pl

    from expectations.lake.history import keep_history
    from reports.site.receipts.answers import told_answers

    settings = settings_of(config)
    with terminal.step("Writing the answers"):
        tables = told_answers(settings.lake)
        if not tables:
            raise StorageError("The lake keeps no report.", where=settings.lake.table("reported"), do="journeys report")
        written = {name: keep_history(f"{to.rstrip('/')}/{name}", frame) for name, frame in tables.items()}
    rows = [(name, written[name], len(tables[name]), tables[name]["report"].n_unique()) for name in sorted(tables)]
    schema = {"table": str, "written": int, "rows": int, "reports": int}
    terminal.show(pl.DataFrame(rows, schema=schema, orient="row"), terminal.As.table)
    terminal.out.print(f"  {to}", markup=False, soft_wrap=True)


@export.command()
def touches(
    to: Annotated[Path, typer.Option(help="The Parquet file to write; it must not exist.")] = Path("touches.parquet"),
    clear: Annotated[bool, typer.Option("--clear", help="Write customers by their keys, not by pseudonyms.")] = False,
    config: Config = DEFAULT,
) -> None:
    """Write all touches as a Parquet file, with names, for other tools on this machine.

    Customers are pseudonyms, other ones in every file unless `\\[paths.identities] salt` is set; those who object to
    profiling are left out. The file can be read by its owner only. `journeys forget` does not reach it.

    Example: journeys export touches --to touches.parquet
    """
    settings = settings_of(config)
    with terminal.step("Writing the touches"), _new_file(to) as file:
        touches_out(settings, clear=clear).sink_parquet(file)
    terminal.out.print(f"  {to}", markup=False, soft_wrap=True)


@export.command()
def segment(
    name: Annotated[str, typer.Argument(help="The purpose: the name of one of [\\[exports]].")],
    to: Annotated[Path, typer.Option(help="The file to write, .csv or .parquet; it must not exist.")],
    replace: Annotated[bool, typer.Option("--replace", help="Replace the file, as a scheduler does.")] = False,
    config: Config = DEFAULT,
) -> None:
    """Write who is in a segment at the end of the data, by identities of one kind, for the program that addresses them.

    What `[\\[exports]]` names is written, and nothing else: the purpose, the segment, the kind of identity. Those who
    object to profiling, and values that several people share, are left out. The file can be read by its owner only.
    `journeys forget` does not reach it: the next export no longer has the customer.

    Example: journeys export segment "Win-back mails" --to winback.csv --replace
    """
    import polars as pl

    from analytics import identities_of, membership

    settings = settings_of(config)
    if name not in settings.exports:
        known = list(settings.exports)
        expected = f"one of {', '.join(known)}" if known else "a table of [[exports]] in journeys.toml, which has none"
        raise ConfigurationError("There is no such export.", expected=expected, found=name, do=nearest(name, known))
    write = _WRITERS.get(to.suffix)
    if write is None:
        raise InputError("The file has another ending.", where=str(to), expected=" or ".join(_WRITERS))
    asked = settings.exports[name]
    with noted(settings, "export") as run:
        with terminal.step(f"Finding who is in {asked.segment}"):
            wanted = segment_named(settings, asked.segment)
            members = membership(paths_on(settings, None), wanted).filter(pl.col("until").is_null()).drop("until")
            rows = identities_of(settings.lake, settings.paths, members, asked.keys)
        with _new_file(to, replace=replace) as file:
            write(rows, file)
        run.rows = rows.height
    told = f"  {members.height:,} members, {rows.height:,} identities ({asked.keys})"
    terminal.out.print(told, f"  {to}", sep="\n", markup=False, soft_wrap=True)


def write_lines(tables: Mapping[str, pl.DataFrame], to: Path) -> None:
    """Write the rows of tables as JSON lines, into a new file that only its owner can read."""
    with _new_file(to) as file:
        file.writelines(line.encode() for line in _lines(tables))


@contextmanager
def _new_file(to: Path, *, replace: bool = False) -> Iterator[BinaryIO]:
    """A new file that only its owner can read; with `replace` in the place of another, when it is complete. What was
    begun is removed when it cannot be completed. Raises `StorageError` where there is one, or it cannot be written.
    """
    part = to.with_name(f".{to.name}.{os.getpid()}.part") if replace else to
    try:
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                yield file
            if replace:
                part.replace(to)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise StorageError(
            "The export cannot be written.", where=str(to), found=str(error.strerror), do="name another file with --to"
        ) from error


def _write_csv(rows: pl.DataFrame, file: BinaryIO) -> None:
    """Values as they are, for a program: a spreadsheet would compute one that begins like a formula."""
    rows.write_csv(file, datetime_format="%Y-%m-%dT%H:%M:%SZ", quote_style="non_numeric")


_WRITERS: Final[Mapping[str, Callable[[pl.DataFrame, BinaryIO], None]]] = {
    ".csv": _write_csv,
    ".parquet": lambda rows, file: rows.write_parquet(file),
}


def _lines(tables: Mapping[str, pl.DataFrame]) -> Iterator[str]:
    for name, frame in tables.items():
        for row in frame.iter_rows(named=True):
            present = {column: value for column, value in row.items() if value is not None}
            yield escaped(json.dumps({"table": name, **present}, default=_readable, ensure_ascii=False)) + "\n"


def _readable(value: Any) -> Any:
    """A value that JSON has no type for: bytes as text, or as hexadecimal digits when they are no text."""
    if not isinstance(value, bytes):
        return value.isoformat() if hasattr(value, "isoformat") else str(value)
    try:
        return value.decode()
    except UnicodeDecodeError:
        return f"hex:{value.hex()}"
