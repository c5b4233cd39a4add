"""`journeys init`, `doctor`, `ingest`, `load`, `stitch`, `check`, `run`, `demo`: set up and run the pipeline."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from expectations.errors import BrokerError, ConfigurationError, InputError
from journeys import terminal
from journeys.app import DEFAULT, Config, app, settings_of


@app.command()
def init(
    names: Annotated[
        list[Path] | None, typer.Argument(metavar="[FILE]", help="The file to write; default: journeys.toml.")
    ] = None,
    data: Annotated[
        list[str] | None,
        typer.Option(
            "--from",
            metavar="FILE...",
            help="Propose it from files of events (CSV, TSV, Parquet, JSON), a Delta table, kafka://HOST:PORT/TOPIC, "
            "or with --sql from sqlite:///FILE or postgresql://HOST/DATABASE.",
        ),
    ] = None,
    customer: Annotated[str, typer.Option(help="With --from: the column that says who.")] = "",
    at: Annotated[str, typer.Option(help="With --from: the column that says when.")] = "",
    touchpoint: Annotated[str, typer.Option(help="With --from: the column that says what happened.")] = "",
    from_tool: Annotated[str, typer.Option(help="With --from: the tool that wrote the files, as in load.")] = "",
    sql: Annotated[str, typer.Option(help="With --from and a database: the query whose rows are events.")] = "",
    cursor: Annotated[str, typer.Option(help="With --sql: the column that grows with every new row.")] = "",
    template: Annotated[str, typer.Option(help="Which template: shop (used by the demo) or completejourney.")] = "shop",
    force: Annotated[bool, typer.Option(help="Replace an existing file.")] = False,
) -> None:
    """Write a commented configuration file, journeys.toml: a template, or with --from a proposal for your own files.

    The proposal says which column is the customer, the time and the touchpoint, and which of its lines to review.

    Examples: journeys init --from events.csv && journeys load events.csv && journeys run
      journeys init --from sqlite:///shop.db --sql "select * from sales"
    """
    from journeys import start

    written = [name for name in names or () if name.suffix == ".toml" or not data]
    data = [*(data or ()), *(str(name) for name in names or () if name not in written)]
    if len(written) > 1:
        raise ConfigurationError("Only one file is written.", found=", ".join(map(str, written)))
    file = written[0] if written else DEFAULT
    if data:
        columns = start.named(customer, at, touchpoint)
        commands = start.propose_configuration(data, file, columns, force=force, tool=from_tool, sql=sql, cursor=cursor)
        terminal.out.print(f"Next: {' && '.join([*commands, 'journeys run'])}", markup=False, soft_wrap=True)
        return
    start.write_template(template, file, force=force)


@app.command()
def doctor(config: Config = DEFAULT) -> None:
    """Check the installation, the configuration, the lake and the brokers, one line each.

    The exit code is 1 when a check fails.
    """
    from journeys.commands.doctor import examine

    passed = True
    for result in examine(config):
        terminal.print_check(result.what, result.found, result.do, passed=result.passed)
        passed = passed and result.passed
    if not passed:
        raise typer.Exit(1)


@app.command()
def broker(port: Annotated[int, typer.Option(help="Port on 127.0.0.1; 0 picks a free port.")] = 9092) -> None:
    """Run an embedded Kafka-compatible broker until Ctrl-C, for experiments: it keeps events in memory only."""
    import signal

    from ingest.samples.broker import EmbeddedBroker

    with EmbeddedBroker(port=port) as embedded:
        terminal.out.print(f"Broker on {embedded.address}; its events are lost when it stops (Ctrl-C).")
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        signal.pause()


@app.command()
def simulate(
    folder: Annotated[
        Path | None, typer.Argument(help="Write files into this folder instead of sending events to the brokers.")
    ] = None,
    customers: Annotated[int, typer.Option(min=1, help="Number of customers.")] = 20_000,
    days: Annotated[int, typer.Option(min=1, help="Number of days.")] = 90,
    seed: Annotated[int, typer.Option(help="Random seed; the same seed gives the same events.")] = 7,
    stories: Annotated[
        Literal["planted", "random", "none"],
        typer.Option(help="What goes wrong: the outage and slow page of the demo, none to three by the seed, nothing."),
    ] = "planted",
    config: Config = DEFAULT,
) -> None:
    """Generate the events of a simulated multichannel shop, with known effects for analyses to find.

    With random stories stories.json has what went wrong, for whom and when, and how many goals each cost: the same shop
    without it had so many more.

    Example: journeys simulate shop/ --customers 2000 --stories random
    """
    from ingest.samples.simulator import simulate as simulation_of
    from journeys.commands import demo

    settings = settings_of(config) if folder is None else None
    with terminal.step("Simulating a shop"):
        simulation = simulation_of(customers=customers, days=days, seed=seed, stories=stories)
        if folder is not None:
            simulation.write(folder)
    if settings is not None:
        demo.send(simulation, settings)
        demo.load_profiles(simulation.profiles, settings)


@app.command()
def ingest(
    config: Config = DEFAULT,
    until_caught_up: Annotated[bool, typer.Option(help="Stop at the end of every partition.")] = False,
    accept_gap: Annotated[
        bool, typer.Option("--accept-gap", help="Continue although the brokers deleted records before they landed.")
    ] = False,
    new_generation: Annotated[
        bool, typer.Option("--new-generation", help="Read recreated topics from their beginning.")
    ] = False,
    log: Annotated[
        Literal["text", "json"] | None,
        typer.Option(help="Write log lines to standard error; a service does so as text by default."),
    ] = None,
) -> None:
    """Land events from the brokers in the lake, each exactly once, until SIGTERM or Ctrl-C.

    With --until-caught-up the first run ends with exit code 3 when all topics are empty: their names may be wrong.

    Example: journeys ingest --log json
    """
    from journeys.commands import steps

    settings = settings_of(config)
    summary = steps.land_events(
        settings,
        until_caught_up=until_caught_up,
        accept_gap=accept_gap,
        new_generation=new_generation,
        log=log,
    )
    if until_caught_up and not summary.polled and not steps.has_landed(settings):
        raise BrokerError(
            "The topics hold no record, and nothing has landed yet.",
            where=", ".join(stream.topic for stream in settings.ingest.streams),
            expected="at least one record in one of them",
            found="every partition is empty",
            do="check that the producers write to these topics, on these brokers",
        )


@app.command()
def load(
    files: Annotated[
        list[str] | None,
        typer.Argument(
            help="NDJSON, CSV or TSV (also .gz, .zst), a JSON list or Parquet; files, folders, Delta tables, s3://..."
        ),
    ] = None,
    kind: Annotated[
        str | None, typer.Option(help="What the rows are: clickstream (default), order, feedback or profiles.")
    ] = None,
    stream: Annotated[str | None, typer.Option(help="Read the rows as messages of this topic.")] = None,
    form: Annotated[
        Literal["json", "segment", "snowplow", "cloudevents", "ga4"] | None,
        typer.Option("--format", help="Format of the rows; default: that of the stream, or json."),
    ] = None,
    from_tool: Annotated[
        str,
        typer.Option(
            help="Files of amplitude, ga4, matomo, mixpanel, posthog or rudderstack, webhooks of shopify or stripe."
        ),
    ] = "",
    sql: Annotated[
        list[str] | None, typer.Option(help="Rows of the query of this name in [\\[ingest.queries]]; repeatable.")
    ] = None,
    skip_changes: Annotated[
        bool, typer.Option(help="Leave out versions of a Delta table that change rows, instead of ending.")
    ] = False,
    init: Annotated[
        bool,
        typer.Option("--init", help="Where there is no configuration, write one proposed from the files, and stitch."),
    ] = False,
    config: Config = DEFAULT,
) -> None:
    """Land events or profiles from files, through the same gate; a file that has landed before adds nothing.

    A file is read as [\\[ingest.files]] says for its name, unless --stream or --kind say otherwise. Rows of it that
    were refused are read again, with the mapping of now. The exit code is 6 when most rows are refused. With
    --from-tool and no configuration, one is written with the mapping and the rules of that tool. With --sql the rows
    of a database that came since the last time are landed, each once; so are the rows of a Delta table.

    Example: journeys load old/*.ndjson.gz s3://archive/2025/ --stream web-calls
    """
    from journeys import start
    from journeys.commands import steps

    if sql:
        if files or kind or stream or form or from_tool:
            raise ConfigurationError("--sql says what is read and how.", do="give it alone, or load the files apart")
        start.land_queries(settings_of(config), sql)
        return
    if not files:
        raise ConfigurationError("There is nothing to load.", expected="files, folders, or --sql with a query's name")
    is_new = not config.exists()
    if is_new:
        start.without_configuration(files, config, is_wanted=init or bool(from_tool), tool=from_tool)
    start.check_tool(from_tool)
    start.land_files(
        settings_of(config), files, kind, stream=stream, form=form, tool=from_tool, skip_changes=skip_changes
    )
    if is_new:
        steps.stitch_lake(settings_of(config))
        terminal.out.print("Next: journeys funnel, or journeys run for the report")


@app.command()
def check(config: Config = DEFAULT) -> None:
    """Check everything that has landed since the last check against all expectations.

    The exit code is 1 when a critical expectation failed.
    """
    from journeys.commands import steps

    settings = settings_of(config)
    passed = steps.check_lake(settings).passed
    steps.print_identity_notes(settings)
    if not passed:
        raise typer.Exit(1)


@app.command(name="run")
def run_all(
    config: Config = DEFAULT,
    every: Annotated[
        str | None, typer.Option(help="Repeat at this interval, such as 15m or 1d, until SIGTERM.")
    ] = None,
    fail_on: Annotated[
        str, typer.Option(help="Fail on these of the targets, by commas: missed, overdue, off-course.")
    ] = "",
    log: Annotated[
        Literal["text", "json"] | None, typer.Option(help="Write a log line per step to standard error.")
    ] = None,
) -> None:
    """Ingest until caught up, stitch, check and report; tell alerts, targets and the brief, where they are asked for.

    A step that fails is told, and the others go on. The exit code is that of the first one that failed, 1 for a
    critical expectation. One process at a time runs on a lake: a second one ends with exit code 12.

    Example: journeys run --every 1d --log json
    """
    from journeys.app import failures_of
    from journeys.runs.pipeline import Pipeline, interval_of
    from journeys.why.products import FAILURES

    interval, failures = None if every is None else interval_of(every), failures_of(fail_on, FAILURES)
    code = Pipeline(config, interval=interval, fail_on=failures, log=log).run()
    if code:
        raise typer.Exit(code)


@app.command()
def demo(
    data: Annotated[
        str, typer.Option(help="Which data: shop (simulated) or completejourney (one year of a real retailer).")
    ] = "shop",
    folder: Annotated[
        Path | None, typer.Option(help="Folder for all files; default: demo or demo-completejourney.")
    ] = None,
    customers: Annotated[int, typer.Option(min=1, help="Number of customers of the simulated shop.")] = 20_000,
) -> None:
    """Run the whole pipeline on example data: broker, events, landing, stitching, report.

    Example: journeys demo --data completejourney
    """
    from journeys.commands.demo import DATA, run_demo

    if data not in DATA:
        raise InputError("There is no such example data.", expected=" or ".join(DATA), found=data)
    run_demo(data, folder or Path("demo" if data == "shop" else f"demo-{data}"), customers)


@app.command()
def stitch(
    config: Config = DEFAULT,
    rebuild: Annotated[bool, typer.Option("--rebuild", help="Stitch all events, not only new ones.")] = False,
    verify: Annotated[
        bool, typer.Option(help="Compute the paths again and compare them with the stored ones.")
    ] = False,
) -> None:
    """Stitch landed events into one path per customer and write the path store.

    Only customers with new events are stitched again; the resulting paths are the same as with --rebuild.
    --verify writes nothing; its exit code is 1 when the stored paths differ from those of the events.
    """
    from journeys.commands import steps

    if not verify:
        steps.stitch_lake(settings_of(config), rebuild=rebuild)
    elif not steps.verify_stored(settings_of(config)):
        raise typer.Exit(1)
