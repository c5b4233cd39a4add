"""Notes how each batch command ended, in the lake and, with `[metrics] textfile`, in a file for node_exporter."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import typer

from expectations.errors import ConfigurationError, StorageError
from expectations.lake.commands import CommandRun, command_runs, note_run
from journeys import terminal
from journeys.app import EXIT_INTERRUPTED, known, not_installed

if TYPE_CHECKING:
    from expectations.lake.layout import Lake
    from journeys.settings import Settings


@dataclass(slots=True)
class RunNote:
    """What a command adds to the note about its run."""

    rows: int | None = None
    exit_code: int = 0


@contextmanager
def noted(settings: Settings, command: str) -> Iterator[RunNote]:
    """Note how the block ended: as it says itself, or by the exit code of the error that it raises.

    A note that cannot be written is reported on standard error; it changes neither the work nor the exit code.
    """
    run, began, lake, textfile = RunNote(), time.monotonic(), settings.lake, settings.textfile
    try:
        yield run
    except BaseException as error:
        run.exit_code = _exit_code(error)
        raise
    finally:
        seconds = time.monotonic() - began
        _keep(lake, textfile, CommandRun(command, time.time(), round(seconds, 3), run.exit_code, run.rows))


def _keep(lake: Lake, textfile: str | None, run: CommandRun) -> None:
    earlier: list[CommandRun] = []
    try:
        earlier = command_runs(lake)
        note_run(lake, run.after(earlier))
    except StorageError as error:
        terminal.print_error(error)
    if textfile is not None:
        try:
            _write(textfile, [*(each for each in earlier if each.command != run.command), run.after(earlier)])
        except (ConfigurationError, StorageError) as error:
            terminal.print_error(error)


def _write(textfile: str, runs: list[CommandRun]) -> None:
    try:
        from ingest.service.commands import write_textfile
    except ModuleNotFoundError as error:
        raise not_installed(error) or error from error
    write_textfile(textfile, runs)


def _exit_code(error: BaseException) -> int:
    if isinstance(error, typer.Exit):
        return error.exit_code
    return EXIT_INTERRUPTED if isinstance(error, KeyboardInterrupt) else known(error).exit_code
