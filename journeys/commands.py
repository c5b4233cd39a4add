"""The verbs of the command `journeys`. Each imports its room inside, so that `journeys --help` loads none of them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from expectations.errors import ConfigurationError, InputError, JourneysError

if TYPE_CHECKING:
    from journeys.settings import Settings

EXIT_CODES = """Exit codes: 0 done; 1 a failed check; 2 configuration or arguments; 3 broker; 4 landing refused to go
on; 5 storage; 6 a file handed in; 7 a question that cannot be asked; 130 interrupted."""

app = typer.Typer(
    name="journeys",
    help="Customer journey analytics from event streams: land, stitch, measure, publish.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)

Config = Annotated[
    Path, typer.Option("--config", "-c", envvar="JOURNEYS_CONFIG", help="The configuration file.", show_default=True)
]
DEFAULT = Path("journeys.toml")


def run() -> None:
    """Run the command; an error that the user can mend is told in its own words, without a traceback."""
    try:
        app()
    except JourneysError as error:
        from journeys import terminal

        terminal.print_error(error)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)


def _settings(config: Path) -> Settings:
    from journeys.settings import Settings

    return Settings(config)


@app.command()
def init(
    file: Annotated[Path, typer.Argument(help="Where to write it.")] = DEFAULT,
    template: Annotated[str, typer.Option(help="shop (the demo's) or completejourney.")] = "shop",
    force: Annotated[bool, typer.Option(help="Replace a file that is there.")] = False,
) -> None:
    """Write a commented journeys.toml.

    Example: journeys init && journeys doctor
    """
    from journeys import settings, terminal

    text = settings.template(template)
    if file.exists() and not force:
        raise ConfigurationError("The file is there already.", where=str(file), do="name another, or add --force")
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigurationError("The file cannot be written.", where=str(file), found=str(error.strerror)) from error
    terminal.out.print(f"Wrote {file}. Next: edit \\[ingest] and \\[paths], then run: journeys doctor")


@app.command()
def doctor(config: Config = DEFAULT) -> None:
    """Check the installation, the configuration, the lake and the brokers, one line each.

    Ends with 1 when a check failed.
    """
    from journeys import doctor as checks
    from journeys import terminal

    passed = True
    for result in checks.examine(config):
        terminal.print_check(result.what, result.found, result.do, passed=result.passed)
        passed = passed and result.passed
    if not passed:
        raise typer.Exit(1)


@app.command()
def broker(port: Annotated[int, typer.Option(help="Port on 127.0.0.1; 0 takes a free one.")] = 9092) -> None:
    """Run the embedded Kafka-compatible broker until Ctrl-C: for trying things out, it keeps events in memory only."""
    import signal

    from ingest.broker import EmbeddedBroker
    from journeys import terminal

    with EmbeddedBroker(port=port) as embedded:
        terminal.out.print(f"Broker on {embedded.address}; everything is gone when it stops (Ctrl-C).")
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        signal.pause()


@app.command()
def simulate(
    folder: Annotated[Path | None, typer.Argument(help="Write files here instead of sending to the brokers.")] = None,
    customers: Annotated[int, typer.Option(min=1)] = 20_000,
    days: Annotated[int, typer.Option(min=1)] = 90,
    seed: Annotated[int, typer.Option(help="The same seed gives the same bytes.")] = 7,
    config: Config = DEFAULT,
) -> None:
    """Make the events of a multichannel shop, with known truths planted in them.

    Example: journeys simulate shop/ --customers 2000
    """
    from ingest.simulator import simulate as simulation_of
    from journeys import demo, terminal

    settings = _settings(config) if folder is None else None
    with terminal.step("Simulating a shop"):
        simulation = simulation_of(customers=customers, days=days, seed=seed)
        if folder is not None:
            simulation.write(folder)
    if settings is not None:
        demo.send(simulation, settings)
        demo.load_profiles(simulation.profiles, settings)


@app.command()
def ingest(
    config: Config = DEFAULT,
    until_caught_up: Annotated[bool, typer.Option(help="Stop when every partition is read to its end.")] = False,
) -> None:
    """Land events from the brokers in the lake, each exactly once, until SIGTERM or Ctrl-C.

    Example: journeys ingest --until-caught-up
    """
    from journeys import pipeline

    pipeline.ingest(_settings(config), until_caught_up=until_caught_up)


@app.command()
def load(
    files: Annotated[list[Path], typer.Argument(help="NDJSON (.gz, .zst too), CSV or Parquet.")],
    kind: Annotated[str, typer.Option(help="clickstream, order, feedback, or profiles.")] = "clickstream",
    config: Config = DEFAULT,
) -> None:
    """Land events or profiles from files, through the same gate; a file that was landed before adds nothing.

    Example: journeys load old/*.ndjson.gz --kind order
    """
    from journeys import pipeline

    pipeline.load(_settings(config), files, kind)


@app.command()
def stitch(config: Config = DEFAULT) -> None:
    """Stitch landed events into one path per customer and write the path store."""
    from journeys import pipeline

    pipeline.stitch(_settings(config))


@app.command()
def report(
    config: Config = DEFAULT,
    site: Annotated[Path | None, typer.Option(help="Publish here instead of the configured folder.")] = None,
) -> None:
    """Publish the report site from the path store."""
    from journeys import pipeline

    pipeline.report(_settings(config), site)


@app.command(name="run")
def run_all(
    config: Config = DEFAULT,
    every: Annotated[str | None, typer.Option(help="Repeat at this interval, such as 15m, until SIGTERM.")] = None,
) -> None:
    """Ingest until caught up, stitch, report.

    Example: journeys run --every 15m
    """
    from journeys import pipeline

    pipeline.run(_settings(config), every)


@app.command()
def funnel(
    steps: Annotated[list[str] | None, typer.Argument(help="Touchpoints in order; `stage:NAME` for a stage.")] = None,
    by: Annotated[list[str] | None, typer.Option(help="Break down by this column; may be repeated.")] = None,
    window: Annotated[str, typer.Option(help="Longest time from the first step to the last.")] = "30d",
    as_json: Annotated[bool, typer.Option("--json", help="Rows as JSON.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Rows as CSV.")] = False,
    config: Config = DEFAULT,
) -> None:
    """Count how many customers reach each step, and where they drop off. Without steps: the configured stages.

    Example: journeys funnel "Product page" Cart Order --by device --window 7d
    """
    from journeys import answers, terminal

    how = terminal.As.json if as_json else terminal.As.csv if as_csv else terminal.As.table
    answers.funnel(_settings(config), steps or [], by or [], window, how)


@app.command()
def status(config: Config = DEFAULT, as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False) -> None:
    """Show what the lake holds: events, refused records by reason, landed offsets, the path store."""
    from journeys import answers, terminal

    answers.status(_settings(config), terminal.As.json if as_json else terminal.As.table)


@app.command()
def demo(
    data: Annotated[str, typer.Option(help="shop (simulated) or completejourney (a real retailer's year).")] = "shop",
    folder: Annotated[
        Path | None, typer.Option(help="Where everything goes; ./demo or ./demo-completejourney.")
    ] = None,
    customers: Annotated[int, typer.Option(min=1, help="Size of the simulated shop.")] = 20_000,
) -> None:
    """Run the whole job on example data: broker, events, landing, stitching, report.

    Example: journeys demo --data completejourney
    """
    from journeys import demo as whole_job

    if data not in whole_job.DATA:
        raise InputError("There is no such example data.", expected=" or ".join(whole_job.DATA), found=data)
    whole_job.run(data, folder or Path("demo" if data == "shop" else f"demo-{data}"), customers)
