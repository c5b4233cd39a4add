"""`journeys maintain`, `restore`, `status`, `quarantine`, `reconcile`: maintain and inspect the lake's tables."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from expectations.errors import BrokerError, ConfigurationError, InputError
from journeys import terminal
from journeys.app import DEFAULT, AsCsv, AsJson, Config, app, printed_as, settings_of
from journeys.runs.noted import noted

if TYPE_CHECKING:
    import polars as pl

    from expectations.lake.layout import Lake
    from journeys.settings import Settings


@app.command()
def maintain(
    repair: Annotated[
        bool, typer.Option("--repair", help="Only show rows that a table holds more than once, and remove the surplus.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
    config: Config = DEFAULT,
) -> None:
    """Compact small files, sort closed days by customer, and remove files and log entries that are no longer needed.

    Rows do not change, except that those older than `keep_events` and texts older than `keep_texts` (`\\[lake]`) are
    removed. Events may land meanwhile. A running service does it by itself every hour.
    After --repair run: journeys stitch

    Example: journeys maintain --repair
    """
    settings = settings_of(config)
    if repair:
        _repair(settings.lake, yes=yes)
        return
    with noted(settings, "maintain") as run:
        run.rows = _maintain(settings)


def _maintain(settings: Settings) -> int:
    """Maintain the tables, print what was done, and return how many rows were removed for their age."""
    from ingest.upkeep.maintenance import maintain as maintain_tables

    with terminal.step("Maintaining the tables") as advance:
        done = maintain_tables(settings.lake, settings.ingest.maintenance, settings.retention, on_progress=advance)
    compacted, removed = sum(done.compacted.values()), sum(done.removed.values())
    terminal.out.print(f"  {compacted:,} days compacted, {len(done.ordered):,} days sorted, {removed:,} files removed")
    if done.expired or done.expired_texts:
        counts = [f"{count:,} rows of {name}" for name, count in done.expired.items()]
        counts += [f"the texts of {done.expired_texts:,} events"] if done.expired_texts else []
        terminal.out.print(f"  removed for their age: {', '.join(counts)}", markup=False)
        terminal.out.print("  run journeys stitch: the paths still contain them", markup=False)
    for name in sorted(done.left):
        terminal.out.print(f"  {name}: another process rewrites its files; what is left is done by the next run")
    return sum(done.expired.values())


def _repair(lake: Lake, *, yes: bool) -> None:
    """Print the days with surplus rows, and remove these rows after confirmation."""
    from ingest.upkeep.repair import repair, repeats

    with terminal.step("Looking for rows that are there more than once"):
        found = repeats(lake)
    if found.is_empty():
        terminal.out.print("  no table holds a row more than once")
        return
    terminal.show(found, terminal.As.table)
    if not yes:
        typer.confirm(f"Remove {found['surplus'].sum():,} surplus rows? One of equal rows stays", abort=True)
    with terminal.step("Removing surplus rows"):
        removed = repair(lake, found)
    terminal.out.print(f"  {removed:,} rows removed")


@app.command()
def restore(
    to: Annotated[str, typer.Argument(help="A time with a zone, such as 2026-01-31T12:00:00Z.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
    config: Config = DEFAULT,
) -> None:
    """Restore events, quarantine, profiles and offsets to an earlier time; the consumer reads later records again.

    Shows what would change, and asks. Stop the consumers first. Afterwards run: journeys stitch --rebuild

    Example: journeys restore 2026-01-31T12:00:00Z
    """
    from ingest.upkeep.restore import preview
    from ingest.upkeep.restore import restore as restore_tables

    when, lake = _time(to), settings_of(config).lake
    changes = preview(lake, when)
    if changes.is_empty():
        terminal.out.print("  no table has changed since")
        return
    terminal.show(changes, terminal.As.table, "Tables to restore")
    if not yes:
        typer.confirm(f"Restore {len(changes)} tables? Rows that landed since leave the lake", abort=True)
    done = restore_tables(lake, when)
    for table in changes["table"]:
        restored = f"version {done.versions[table]}, {done.offsets[table]} offsets restored"
        terminal.out.print(f"  {table}: {restored}", markup=False)


def _time(text: str) -> datetime:
    try:
        when: datetime | None = datetime.fromisoformat(text)
    except ValueError:
        when = None
    if when is None or when.tzinfo is None:
        expected = "a time with a zone, such as 2026-01-31T12:00:00Z"
        raise InputError("The time is invalid.", expected=expected, found=text)
    return when


quarantine = typer.Typer(help="List and show refused messages, and read them again.", no_args_is_help=True)
app.add_typer(quarantine, name="quarantine")


@quarantine.command(name="list")
def list_refused(
    config: Config = DEFAULT,
    examples: Annotated[int, typer.Option(min=0, max=20, help="Number of masked examples per reason.")] = 1,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """List the reasons for which messages were refused, with counts and masked examples.

    Example: journeys quarantine list --examples 3
    """
    from ingest.quarantine.quarantine import examples as masked_examples
    from ingest.quarantine.quarantine import refusal_counts

    lake, how = settings_of(config).lake, printed_as(json=as_json, csv=as_csv)
    counts = refusal_counts(lake)
    if how is not terminal.As.table:
        terminal.show(counts, how)
        return
    if counts.is_empty():
        terminal.out.print("Nothing was refused.")
        return
    masked = masked_examples(lake, examples) if examples else None
    for topic, reason, field, count, _, last in counts.iter_rows():
        about = f"{topic}: {reason}" + (f" ({field})" if field else "")
        terminal.out.print(f"{count:>9,}  {about}, last {terminal.text(last)}", markup=False, soft_wrap=True)
        for example in masked.iter_rows(named=True) if masked is not None else ():
            if (example["topic"], example["reason"], example["field"]) == (topic, reason, field):
                position = f"{topic}/{example['partition']}/{example['offset']}"
                terminal.out.print(f"{'':11}{position}  {example['shape']}", markup=False, soft_wrap=True, style="dim")


@quarantine.command(name="show")
def show_message(
    position: Annotated[str, typer.Argument(help="topic/partition/offset, as `quarantine list` prints it.")],
    raw: Annotated[
        bool, typer.Option("--raw", help="Print the message byte for byte; it may contain personal data.")
    ] = False,
    config: Config = DEFAULT,
) -> None:
    """Show why one message was refused, and its shape with masked values; --raw prints only its bytes.

    Example: journeys quarantine show orders/2/1041
    """
    from ingest.message import Partition
    from ingest.quarantine.masking import masked
    from ingest.quarantine.quarantine import message_rows

    topic, number, offset = ["", "", "", *position.rsplit("/", 2)][-3:]
    if not (topic and number.isdecimal() and offset.isdecimal()):
        raise InputError("The position of the message is invalid.", expected="topic/partition/offset", found=position)
    rows = message_rows(settings_of(config).lake, Partition(topic, int(number)), int(offset))
    if rows.is_empty():
        raise InputError("No such message is in quarantine.", where=position, do="journeys quarantine list")
    if raw:
        sys.stdout.buffer.write(rows["raw"][0] or b"")
        return
    terminal.show(rows.select("reason", "field", "part", "message", "received_at"), terminal.As.table)
    terminal.out.print(f"\n{masked(rows['raw'][0], 4_000)}", markup=False, soft_wrap=True)


@quarantine.command()
def replay(
    config: Config = DEFAULT,
    reason: Annotated[list[str] | None, typer.Option(help="Only messages refused for this reason; repeatable.")] = None,
    kind: Annotated[str | None, typer.Option(help="Also read rows of loaded files, as events of this kind.")] = None,
    stream: Annotated[
        str | None, typer.Option(help="Also read rows of loaded files, as messages of this topic.")
    ] = None,
) -> None:
    """Read refused messages again with the current formats, rules and limits, and land those that pass.

    Example: journeys quarantine replay --reason bad_timestamp
    """
    from expectations import contract
    from ingest.files.load import file_stream
    from ingest.quarantine.replay import replay as replay_messages

    if kind is not None and not contract.is_kind(kind):
        raise InputError("Unknown kind of event.", expected=", ".join(contract.KINDS), found=kind)
    settings = settings_of(config)
    with terminal.step("Reading the quarantine again") as advance:
        done = replay_messages(
            settings.ingest,
            settings.lake,
            rules=settings.compiled.rules,
            reasons=reason or (),
            files=file_stream(settings.ingest, kind=kind, topic=stream or "") if kind or stream else None,
            on_progress=advance,
        )
    terminal.out.print(
        f"  {done.read:,} refused messages read, {done.landed:,} events landed, {done.left:,} removed from quarantine"
    )
    for word, count in done.stay.most_common():
        terminal.out.print(f"  {count:,} still refused: {word}")
    for topic, count in done.unknown.most_common():
        hint = "rows of a file: say how to read them with --stream or --kind"
        why = hint if topic.startswith(contract.FROM_FILE) else "no stream reads this topic"
        terminal.out.print(f"  {count:,} of {topic} not read: {why}", markup=False, soft_wrap=True)


def show_status(settings: Settings, how: terminal.As) -> None:
    """Print the tables of the lake, refused messages, the lag at the brokers, and whether maintenance is due."""
    import polars as pl

    from ingest.quarantine.quarantine import refusal_counts
    from ingest.service.status import freshness, table_status

    held, reasons = table_status(settings.lake), refusal_counts(settings.lake)
    fresh = freshness(settings.ingest, settings.lake, datetime.now(UTC))
    lag, silent = _lag(settings)
    if how is terminal.As.json:
        due = pl.DataFrame(
            {"maintenance_overdue_seconds": [_overdue(settings)]}, {"maintenance_overdue_seconds": pl.Float64}
        )
        terminal.show(pl.concat([held, fresh, reasons, lag, due], how="diagonal_relaxed"), how)
        return
    terminal.show(held, how, "Tables of the lake")
    terminal.out.print(f"{_maintenance(settings)}\n")
    if not fresh.is_empty():
        terminal.show(fresh.select("topic", "kind", "newest", age=_ages(fresh)), how, "Streams: newest landed event")
        terminal.out.print()
    if silent:
        terminal.out.print(f"The lag at the brokers is unknown: {silent}\n", markup=False)
    elif not lag.is_empty():
        terminal.show(lag, how, "Lag at the brokers")
        terminal.out.print()
    if reasons.is_empty():
        terminal.out.print("Nothing was refused.")
        return
    terminal.show(reasons.select("topic", "reason", "field", "messages", "last_at"), how, "Refused, by reason")


def _lag(settings: Settings) -> tuple[pl.DataFrame, str]:
    """The lag by partition, or the reason why it is unknown."""
    import polars as pl

    from ingest.service.status import partition_lag

    if not settings.ingest.streams:
        return pl.DataFrame(), ""
    try:
        return partition_lag(settings.ingest, settings.lake), ""
    except (BrokerError, ConfigurationError) as error:
        return pl.DataFrame(), f"{error.what} {error.found}"


def _ages(fresh: pl.DataFrame) -> pl.Series:
    import polars as pl

    ages = ["–" if age is None else terminal.duration(age) for age in fresh["age_seconds"]]
    return pl.Series(ages, dtype=pl.String)


def _overdue(settings: Settings) -> float | None:
    """For how many seconds maintenance has been due; negative when it is not due yet."""
    from time import time

    from ingest.upkeep.maintenance import seconds_overdue

    return seconds_overdue(settings.lake, settings.ingest.maintenance, time())


def _maintenance(settings: Settings) -> str:
    """A sentence that says whether maintenance is due."""
    overdue = _overdue(settings)
    if overdue is None or overdue < 0:
        return "Maintenance is not due."
    return f"Maintenance has been due for {terminal.duration(overdue)}: run journeys maintain"


@app.command()
def status(
    config: Config = DEFAULT, as_json: Annotated[bool, typer.Option("--json", help="Print the rows as JSON.")] = False
) -> None:
    """Show the state of the lake: tables, newest events, lag at the brokers, refused messages by reason."""

    show_status(settings_of(config), printed_as(json=as_json))


MOST_CELLS: Final = 20
"""Cells that a table of differences shows."""


@app.command()
def reconcile(
    theirs: Annotated[
        Path,
        typer.Argument(help="Their counts: a CSV with day, event and count, or a day and a column for each event."),
    ],
    zone: Annotated[str | None, typer.Option(help="Zone of our days; default that of the report.")] = None,
    config: Config = DEFAULT,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Compare the counts of another tool, by day and event, with ours, and say what explains the differences.

    Tried are names and days that one side lacks, another time zone, duplicates, bots and refused messages.

    Example: journeys reconcile mixpanel_counts.csv --zone America/New_York
    """
    import polars as pl

    from ingest.files.reconcile import reconcile as compare

    settings, how = settings_of(config), printed_as(json=as_json, csv=as_csv)
    found = compare(settings.lake, theirs, _zone(zone) if zone else settings.report.timezone, settings.ingest.limits)
    if how is not terminal.As.table:
        terminal.show(found.cells, how)
        return
    ours, counts = int(found.cells["ours"].sum()), int(found.cells["theirs"].sum())
    apart = found.differing
    terminal.out.print(
        f"{found.cells.height:,} counts of {found.cells['event'].n_unique():,} events on "
        f"{found.cells['day'].n_unique():,} days ({found.zone}): theirs {counts:,}, ours {ours:,}; "
        f"{apart.height:,} differ, by {int(apart['difference'].abs().sum()):,} events."
    )
    if apart.is_empty():
        return
    terminal.show(apart.head(MOST_CELLS), terminal.As.table, "Largest differences")
    terminal.out.print()
    terminal.show(found.causes.filter(pl.col("events") > 0), terminal.As.table, "What explains them")


def _zone(name: str) -> str:
    """The name of a time zone. Raises InputError for an unknown one."""
    from zoneinfo import ZoneInfo

    try:
        return ZoneInfo(name).key
    except (KeyError, ValueError, OSError):
        raise InputError("The time zone is unknown.", expected="a zone such as Europe/Berlin", found=name) from None
