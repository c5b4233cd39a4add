"""Runs a command of the user's own, which takes what is told: `command` of `[watch]` and of `[brief]`."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, Literal

from expectations.errors import ReportError

if TYPE_CHECKING:
    from journeys.settings import Settings

LONGEST_COMMAND: Final = 60.0
"""Seconds after which the command is stopped."""
_LONGEST: Final = 200


def run_own(settings: Settings, table: Literal["watch", "brief"], content: bytes) -> None:
    """Runs the command of a table in the folder of the configuration, with the content on standard input.

    Raises `ReportError` where it cannot be run, does not end, or ends with another exit code than 0.
    """
    command: Sequence[str] = getattr(settings, table).command
    where, what = settings.place(table, "command"), "alert" if table == "watch" else "brief"
    try:
        ended = subprocess.run(
            list(command),
            input=content,
            capture_output=True,
            cwd=settings.folder,
            check=False,
            timeout=LONGEST_COMMAND,
        )
    except subprocess.TimeoutExpired:
        raise ReportError(
            f"The command of [{table}] does not end.", where=where, expected=f"an end within {LONGEST_COMMAND:.0f} s"
        ) from None
    except OSError as error:
        raise ReportError(
            f"The command of [{table}] cannot be run.",
            where=where,
            found=f"{command[0]}: {error.strerror or error}",
            do="name a program, or a file beside journeys.toml such as ./notify.sh that may be executed",
        ) from None
    if ended.returncode:
        said = (ended.stderr or ended.stdout).decode(errors="replace").strip().splitlines()
        raise ReportError(
            f"The command of [{table}] failed.",
            where=where,
            expected="exit code 0",
            found=f"exit code {ended.returncode}{f': {said[0][:_LONGEST]}' if said else ''}",
            do=f"correct it: the {what} is told again the next time",
        )
