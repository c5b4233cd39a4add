"""Notes in the lake how the last run of each batch command ended, one small file per command.

A running service reads the notes and exports them as metrics, so that whoever scrapes the consumers is alerted to a
failed or overdue report as well. They hold times and counts, nothing about a customer.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Final

from expectations.errors import StorageError, said
from expectations.lake import files
from expectations.lake.layout import Lake

COMMANDS: Final = ("load", "ingest", "stitch", "check", "report", "watch", "products", "brief", "run", "maintain")
"""The commands that leave a note; `ingest`, `watch`, `products` and `brief` as steps of `run` only."""


@dataclass(frozen=True, slots=True)
class CommandRun:
    """How the last run of a command ended. Times are Unix seconds.

    `succeeded_at` is the end of the last run with exit code 0, None where there was none. `rows` depends on the
    command: rows landed (load, ingest), rows checked (check), touches of all paths (stitch), alerts told (watch),
    targets judged (products), rows removed for their age (maintain); None for others, and for a run that failed before
    it counted.
    """

    command: str
    ended_at: float
    seconds: float
    exit_code: int
    rows: int | None = None
    succeeded_at: float | None = None

    def after(self, earlier: Iterable[CommandRun]) -> CommandRun:
        """This run with the time of the last success, which an earlier run of the command knows if this one failed.

        >>> first = CommandRun("report", ended_at=60.0, seconds=2.0, exit_code=0).after([])
        >>> CommandRun("report", ended_at=90.0, seconds=2.0, exit_code=5).after([first]).succeeded_at
        60.0
        """
        if self.exit_code == 0:
            return replace(self, succeeded_at=self.ended_at)
        known = [run.succeeded_at for run in earlier if run.command == self.command]
        return replace(self, succeeded_at=known[0] if known else None)


def note_run(lake: Lake, run: CommandRun) -> None:
    """Store how a command ended, in place of its earlier run; no folder is made where there is no lake.

    Raises StorageError when the lake cannot be written.
    """
    if (folder := files.local(lake.address)) is not None and not folder.is_dir():
        return
    try:
        files.write(_address(lake, run.command), json.dumps(asdict(run)).encode())
    except OSError as error:
        raise StorageError(
            "The end of a command cannot be noted in the lake.",
            where=_address(lake, run.command),
            found=said(error),
            do="check space and rights; the work of the command itself is not affected",
        ) from error


def command_runs(lake: Lake) -> list[CommandRun]:
    """The last run of each command that has left a note, in the order of `COMMANDS`.

    Raises StorageError when the lake cannot be read, or a note is not what `note_run` writes.
    """
    runs = []
    for command in COMMANDS:
        content = files.read(_address(lake, command))
        if content is None:
            continue
        try:
            runs.append(CommandRun(**json.loads(content)))
        except (ValueError, TypeError) as error:
            raise StorageError(
                "A note about a command cannot be read.",
                where=_address(lake, command),
                found=said(error),
                do="remove this file: the next run of the command writes it again",
            ) from error
    return runs


def _address(lake: Lake, command: str) -> str:
    return lake.table(f"commands/{command}.json")
