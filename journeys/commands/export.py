"""`journeys export customer`: everything the lake holds about one person, as JSON lines."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from expectations.errors import StorageError
from expectations.hidden import escaped
from journeys import terminal
from journeys.app import DEFAULT, Config, app, settings_of

if TYPE_CHECKING:
    import polars as pl

export = typer.Typer(help="Export what the lake holds about a person.", no_args_is_help=True)
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


def write_lines(tables: Mapping[str, pl.DataFrame], to: Path) -> None:
    """Write the rows of tables as JSON lines, into a new file that only its owner can read."""
    try:
        with os.fdopen(os.open(to, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.writelines(_lines(tables))
    except OSError as error:
        raise StorageError(
            "The export cannot be written.", where=str(to), found=str(error.strerror), do="name another file with --to"
        ) from error


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
