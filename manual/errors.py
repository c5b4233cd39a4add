"""The page of errors and exit codes, from the errors themselves and from what `--help` says of them."""

from __future__ import annotations

from typing import Final

from expectations.errors import JourneysError
from ingest.service import signals, watchdog
from journeys.app import EXIT_CODES
from manual.text import cell, table


def errors_page() -> str:
    """Every error with its code and what it means, then every exit code."""
    known = sorted(JourneysError.__subclasses__(), key=lambda error: error.exit_code)
    errors = [(f"`{error.code}`", str(error.exit_code), cell(error.__doc__ or "")) for error in known]
    return f"""# Errors and exit codes

{_ABOUT}

## Errors {{ #errors }}

{table(("code", "exit code", "what it means"), errors)}

## Exit codes {{ #exit-codes }}

{table(("exit code", "meaning"), ((str(code), cell(text)) for code, text in exit_codes().items()))}

## Exit codes of a consumer {{ #consumer }}

`journeys ingest` can also end with {watchdog.EXIT_STUCK}, when its watchdog ends a process that is stuck, and with
{signals.EXIT_AT_ONCE}, when a second signal ends it at once. [What to do](../docs/production.md) for each.
"""


_ABOUT: Final = """A command that fails says what happened, where, what was expected and what was found, and what to
do, and ends with an exit code. Bad input never gives a trace; `JOURNEYS_TRACEBACK=1` shows that of an internal error.
In Python each is an exception of `expectations.errors`, with the same words in `what`, `where`, `expected`, `found`
and `do`. Codes do not change between versions."""


def exit_codes() -> dict[int, str]:
    """The exit codes with their meaning, as `journeys --help` says them."""
    said = EXIT_CODES.removeprefix("Exit codes: ").rstrip(".").split("; ")
    return {int(number): meaning for number, meaning in (one.split(" ", 1) for one in said)}
