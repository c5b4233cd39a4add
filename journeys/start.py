"""Begins with files: proposes a journeys.toml from them, and lands them as it says."""

from __future__ import annotations

import json
import shlex
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final

import typer
from rich.text import Text

from expectations.contract import KINDS, is_kind
from expectations.errors import ConfigurationError, InputError, nearest
from journeys import terminal
from journeys.runs.noted import noted

if TYPE_CHECKING:
    from ingest.files.guess.mapping import FileGroup, Guess
    from ingest.files.guess.origins import RowOrigin
    from ingest.files.guess.proposal import Proposal
    from ingest.files.guess.roles import Choice, Named
    from ingest.files.load import Advance, FileSummary
    from ingest.settings.ingest import Format, Stream
    from journeys.settings import Settings

MOST_FILES: Final = 20
"""Files of which a proposal reads the first rows."""
MOST_COLUMNS: Final = 30
"""Columns that a message lists."""
_QUESTIONS: Final = {
    "customer": "Which column says who the customer is",
    "at": "Which column says when it happened",
}
_TITLES: Final = {
    "customer_id": "customer",
    "anonymous_id": "visitor",
    "session_id": "session",
    "identities.email_hash": "e-mail address",
    "occurred_at": "time",
    "event_name": "touchpoint",
    "revenue": "value",
}


def named(customer: str, at: str, touchpoint: str) -> Named:
    """The columns that a person has named."""
    from ingest.files.guess.roles import Named

    return Named(customer, at, touchpoint)


def shell(addresses: Iterable[str]) -> str:
    """Addresses as a shell takes them."""
    return shlex.join(addresses)


def write_template(template: str, file: Path, *, force: bool) -> None:
    """Write a template. Raises ConfigurationError where the file exists, or cannot be written."""
    from journeys import settings

    _write(settings.template(template), file, force=force)
    terminal.out.print(f"Wrote {file}. Next: edit \\[ingest] and \\[paths], then run: journeys doctor")


def without_configuration(addresses: Sequence[str], config: Path, *, is_wanted: bool, tool: str = "") -> None:
    """Offer to write a configuration that is proposed from files; an error names the command if nobody can answer."""
    if not is_wanted and not sys.stdin.isatty():
        raise ConfigurationError(
            "There is no configuration that says how to read the files.",
            where=str(config),
            do=f"propose one from them: journeys init --from {shell(addresses)}, or load them with --init",
        )
    if not is_wanted:
        typer.confirm(f"There is no {config}. Propose one from the files?", default=True, abort=True)
    propose_configuration(addresses, config, named("", "", ""), force=False, tool=tool)


def propose_configuration(
    addresses: Sequence[str],
    file: Path,
    columns: Named,
    *,
    force: bool,
    tool: str = "",
    sql: str = "",
    cursor: str = "",
) -> list[str]:
    """Propose a configuration from the first rows of files, tables, topics and of a query to a database, show what it
    makes of them, and write it; of the files of a `tool`, with its mapping and rules. Returns the commands that land
    them.

    Raises InputError where nothing in a file says who or when and nobody can be asked, and for an unknown tool.
    """
    from ingest.files.guess.proposal import proposal_of, sources_of

    check_tool(tool)
    if file.exists() and not force:
        raise ConfigurationError("The file exists already.", where=str(file), do="name another file, or add --force")
    with ExitStack() as copies:
        found, origins, places = _first_rows(addresses, sql, cursor, copies)
        sources = sources_of(found, columns, tool, origins, places)
        answers = _answers(sources, columns)
        if answers != columns:
            sources = sources_of(found, answers, tool, origins, places)
    if lacking := [(source, source.guess.lacking[0]) for source in sources if source.guess.lacking]:
        raise _unanswered(*lacking[0])
    made = proposal_of(sources)
    _show(made)
    _write(made.text, file, force=force)
    reviews = made.text.count("\n# REVIEW")
    terminal.out.print(f"Wrote {file}: {reviews} lines to review (# REVIEW).", markup=False, soft_wrap=True)
    files = [each for each in addresses if each not in {origin.address for origin in origins.values()}]
    load = [f"journeys load {shell(files)}"] if files else []
    return load + [origin.command for origin in origins.values()]


def _first_rows(
    addresses: Sequence[str], sql: str, cursor: str, copies: ExitStack
) -> tuple[dict[str, Path], dict[str, RowOrigin], dict[str, str]]:
    """The first rows at each address as files of this machine, by name, where those are from that are no files, and the
    addresses.
    """
    from ingest.files.delta_table import newest_file
    from ingest.files.guess.origins import is_database, is_topic, query_rows, topic_rows
    from ingest.files.places import is_table, list_files, local_copy

    elsewhere = [each for each in addresses if is_topic(each) or is_database(each)]
    if sql and not any(map(is_database, elsewhere)):
        raise InputError(
            "--sql is asked of a database.", expected="--from sqlite:///FILE or postgresql://HOST/DATABASE"
        )
    found: dict[str, Path] = {}
    origins: dict[str, RowOrigin] = {}
    places: dict[str, str] = {}
    for address in elsewhere:
        rows = topic_rows(address) if is_topic(address) else query_rows(address, sql, cursor)
        copy, origin = copies.enter_context(rows)
        found[origin.name], origins[origin.name], places[origin.name] = copy, origin, address
    files = [each for each in addresses if each not in elsewhere]
    for address in list_files(files)[:MOST_FILES]:
        copy = copies.enter_context((newest_file if is_table(address) else local_copy)(address))
        name = PurePosixPath(address).name
        found[name], places[name] = copy, address
    return found, origins, places


def check_tool(tool: str) -> None:
    """Raise InputError for a tool that has no mapping."""
    from ingest.settings.tools.tools import TOOLS

    if tool and tool not in TOOLS:
        do = nearest(tool, TOOLS)
        raise InputError("There is no mapping for this tool.", expected=", ".join(TOOLS), found=tool, do=do)


def _answers(sources: Sequence[FileGroup], columns: Named) -> Named:
    """The columns that a person names for what the files leave open; asked only on a terminal."""
    if not sys.stdin.isatty():
        return columns
    for source in sources:
        for question in source.guess.lacking:
            known = source.guess.columns
            terminal.out.print(f"  columns: {terminal.examples(known[:MOST_COLUMNS])}", markup=False, soft_wrap=True)
            answer = typer.prompt(f"{_QUESTIONS[question]}, in {source.match[0]}?")
            if answer not in known:
                raise InputError("There is no such column.", found=answer, do=nearest(answer, known))
            columns = columns._replace(**{question: answer})
    return columns


def _unanswered(source: FileGroup, question: str) -> InputError:
    listed = source.guess.columns[:MOST_COLUMNS]
    words = source.origin.asked if source.origin else [source.place]
    return InputError(
        f"No column of the rows says {'who the customer is' if question == 'customer' else 'when it happened'}.",
        where=source.place,
        expected="a column such as customer_id" if question == "customer" else "a column of times",
        found=f"columns {', '.join(listed)}",
        do=f"name the column: journeys init --from {shell(words)} --{question} COLUMN",
    )


def _write(text: str, file: Path, *, force: bool) -> None:
    if file.exists() and not force:
        raise ConfigurationError("The file exists already.", where=str(file), do="name another file, or add --force")
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigurationError("The file cannot be written.", where=str(file), found=str(error.strerror)) from error


def _show(made: Proposal) -> None:
    """Print what each column was taken for and how sure that is, five rows, touchpoints, stages and the goal."""
    for source in made.sources:
        rows = f"{len(source.sample.records):,} rows read"
        form = f", format {source.guess.form}" if source.guess.form != "json" else ""
        form = f", read as {source.guess.tool}" if source.guess.tool else form
        terminal.out.print(f"{', '.join(source.match)}: {rows}{form}", markup=False, soft_wrap=True)
        for choice in _told(source.guess):
            _print_choice(choice)
    terminal.show(made.shown, terminal.As.table, "Rows as they would land")
    refused = sum(made.refused.values())
    if refused:
        reasons = ", ".join(f"{reason} {field} {count:,}" for (reason, field), count in made.refused.items())
        terminal.out.print(
            f"{refused:,} of {made.rows:,} rows would be refused: {reasons}", markup=False, soft_wrap=True
        )
    names = [one.name for one in made.plan.touchpoints]
    terminal.out.print(f"Touchpoints: {', '.join(map(terminal.harmless, names))}", markup=False, soft_wrap=True)
    stages = " > ".join(name for name, _ in made.plan.stages)
    doubt = f" (review: {made.plan.goal_doubt})" if made.plan.goal_doubt else ""
    goal = ", ".join(made.plan.goal)
    text = terminal.harmless(f"Stages: {stages}; goal: {goal}{doubt}")
    terminal.out.print(text, markup=False, soft_wrap=True)


def _told(made: Guess) -> list[Choice]:
    return [choice for choice in made.choices if choice.field in _TITLES]


def _print_choice(choice: Choice) -> None:
    what = choice.column.path if choice.column else f"{choice.constant} in all rows"
    if choice.form is not None and choice.form.form not in ("rfc3339", "iso"):
        what += f" ({choice.form.form})"
    doubts = [choice.doubt] if choice.doubt else []
    if choice.form is not None and not choice.form.is_zone_known:
        doubts.append(f"no zone, read as {choice.form.zone}")
    sure = ("review: " + "; ".join(doubts), "yellow") if doubts else ("sure", "green")
    text = Text.assemble(f"  {_TITLES[choice.field]:<15}", f"{terminal.harmless(what):<36} ", sure)
    terminal.out.print(text, soft_wrap=True)


def land_files(
    settings: Settings,
    addresses: Iterable[str],
    kind: str | None,
    *,
    stream: str | None = None,
    form: Format | None = None,
    tool: str = "",
    skip_changes: bool = False,
) -> None:
    """Land files: events, read as messages of a stream or of a `tool`, as events of one kind or as `[[ingest.files]]`
    says; profiles.

    Raises InputError, after all have landed, when most of their rows were refused.
    """
    with noted(settings, "load") as run:
        results = list(
            _land_each(settings, addresses, kind, stream=stream, form=form, tool=tool, skip_changes=skip_changes)
        )
        run.rows = sum(summary.landed for summary, _ in results)
        refused = sum(sum(summary.quarantined.values()) for summary, _ in results)
        if refused and kind != "profiles":
            _print_refused(results, stream)
        if kind != "profiles" and 2 * refused > sum(summary.rows for summary, _ in results):
            raise _mostly_refused(settings, results, refused)
    if tool:
        _print_identity_rules(settings, tool)


def land_queries(settings: Settings, names: Sequence[str]) -> None:
    """Land the rows of queries that came after those that have landed. Raises InputError for an unknown name, and after
    all have landed when most of their rows were refused.
    """
    from ingest.files.queries import load_query

    known = {query.name: query for query in settings.ingest.queries}
    for name in names:
        if name not in known:
            expected = f"one of {', '.join(known)}" if known else "[[ingest.queries]] in journeys.toml, which has none"
            raise InputError("There is no such query.", expected=expected, found=name, do=nearest(name, known))
    landed, read, refused = 0, 0, 0
    with noted(settings, "load") as run:
        for name in names:
            with terminal.step(f"Loading the query {name}") as advance:
                rules = settings.compiled.rules
                summary = load_query(known[name], settings.ingest, settings.lake, rules=rules, on_progress=advance)
            terminal.out.print(f"  {summary.landed:,} rows landed{terminal.refused(summary.quarantined)}")
            landed += summary.landed
            run.rows = landed
            read += summary.rows
            refused += sum(summary.quarantined.values()) if summary.rows else 0
        if 2 * refused > read:
            raise InputError(
                "Most rows were refused.",
                where=", ".join(f"[[ingest.queries]] {name}" for name in names),
                found=f"{refused:,} of {read:,} rows refused",
                do="see why: journeys quarantine list; correct the mapping, then: journeys quarantine replay",
            )


def _print_identity_rules(settings: Settings, tool: str) -> None:
    """Print the identity rules of a tool that the configuration does not have."""
    from ingest.settings.tools.tools import tool_named

    own = settings.paths.identities
    lacking = {key: value for key, value in tool_named(tool).identities.items() if getattr(own, key) != value}
    if lacking:
        lines = ", ".join(f"{key} = {json.dumps(value)}" for key, value in lacking.items())
        terminal.out.print(
            f"  {tool} joins people by other rules; under [paths.identities]: {lines}", markup=False, soft_wrap=True
        )


def _land_each(
    settings: Settings,
    addresses: Iterable[str],
    kind: str | None,
    *,
    stream: str | None,
    form: Format | None,
    tool: str,
    skip_changes: bool,
) -> Iterable[tuple[FileSummary, Stream | None]]:
    """Land each file and print what landed of it; with how it was read."""
    if kind is not None and not is_kind(kind) and kind != "profiles":
        raise ConfigurationError("The kind of file is unknown.", expected=", ".join((*KINDS, "profiles")), found=kind)
    from ingest.files.load import file_stream, stream_of_file
    from ingest.files.places import list_files

    if tool and (stream or kind or form):
        raise ConfigurationError(
            "--from-tool says how rows are read, and so do --stream, --kind and --format.", do="give one of them"
        )
    of_events = kind if kind is None or is_kind(kind) else None
    given = file_stream(settings.ingest, kind=of_events, form=form, topic=stream or "") if stream or kind else None
    for address in list_files(addresses):
        read_as = given or stream_of_file(settings.ingest, PurePosixPath(address).name, form, tool)
        with terminal.step(f"Loading {address}") as advance:
            summary = _land_one(settings, address, None if kind == "profiles" else read_as, advance, skip_changes)
        if summary.left_out:
            terminal.out.print(f"  versions left out because they change rows: {summary.left_out:,}")
        if summary.known and summary.quarantined:
            summary = _read_again(settings, summary, read_as)
        done = f"{summary.landed:,} rows landed"
        if summary.known:
            done = "landed before; " + (
                f"{summary.landed:,} refused rows land now" if summary.landed else "nothing added"
            )
        terminal.out.print(f"  {done}{terminal.refused(summary.quarantined)}")
        yield summary, None if kind == "profiles" else read_as


def _land_one(
    settings: Settings, address: str, read_as: Stream | None, advance: Advance, skip_changes: bool
) -> FileSummary:
    """Land one file or table: events as messages of a stream, or profiles."""
    from ingest.files.delta_table import load_table
    from ingest.files.load import load_events, load_profiles
    from ingest.files.places import is_table, local_copy

    lake, rules = settings.lake, settings.compiled.rules
    if is_table(address):
        if read_as is None:
            expected = "a file with the columns of profiles (see `journeys load --help`)"
            raise InputError("Profiles are not read from tables of Delta Lake.", where=address, expected=expected)
        return load_table(
            address, read_as, settings.ingest, lake, skip_changes=skip_changes, rules=rules, on_progress=advance
        )
    with local_copy(address) as file:
        if read_as is None:
            return load_profiles(file, lake, limits=settings.ingest.limits, on_progress=advance)
        return load_events(file, read_as, settings.ingest, lake, rules=rules, on_progress=advance)


def _read_again(settings: Settings, summary: FileSummary, read_as: Stream) -> FileSummary:
    """Land the refused rows of a file that can be read now, as its mapping may have been corrected."""
    from dataclasses import replace

    from ingest.quarantine.replay import replay

    with terminal.step("Reading its refused rows again") as advance:
        done = replay(
            settings.ingest,
            settings.lake,
            rules=settings.compiled.rules,
            files=read_as,
            topic=summary.topic,
            on_progress=advance,
        )
    return replace(summary, landed=done.landed, quarantined=dict(done.stay))


def _print_refused(results: Sequence[tuple[FileSummary, Stream | None]], stream: str | None) -> None:
    read_as = next(read for summary, read in results if summary.quarantined and read is not None)
    again = f"--stream {stream}" if stream else f"--kind {read_as.kind}"
    lines = [
        "see why: journeys quarantine list",
        f"read again: load the same file, or journeys quarantine replay {again}",
    ]
    for line in lines:
        terminal.out.print(f"  {line}", markup=False, soft_wrap=True)


def _mostly_refused(
    settings: Settings, results: Sequence[tuple[FileSummary, Stream | None]], refused: int
) -> InputError:
    """The error for files of which most rows were refused, with what would most likely let them land."""
    from ingest.files.load import refused_field

    worst = max(results, key=lambda result: sum(result[0].quarantined.values()))[0]
    reasons = sum((Counter(summary.quarantined) for summary, _ in results), Counter[str]())
    [(reason, _)] = reasons.most_common(1)
    field = refused_field(settings.lake, [summary.topic for summary, _ in results], reason)
    field = field or ("occurred_at" if reason == "bad_timestamp" else "")
    rows = sum(summary.rows for summary, _ in results)
    return InputError(
        "Most rows were refused.",
        where=worst.file,
        expected="events with a customer, a time and a name"
        if reason != "not_csv"
        else "rows with the columns of the header",
        found=f"{refused:,} of {rows:,} rows refused, most for {reason}{f' of {field}' if field else ''}",
        do=f"{_mend(settings, worst, reason, field)}; then load the same file again: its refused rows are read again",
    )


def _mend(settings: Settings, summary: FileSummary, reason: str, field: str) -> str:
    """What would most likely let the refused rows land."""
    name = Path(summary.file).name
    if reason == "time_out_of_range":
        return "raise oldest, or newest, under [ingest.limits]"
    if reason in ("not_csv", "not_json", "not_utf8", "too_large", "not_object"):
        return "check the file, or its ending"
    line = _line_of(Path(summary.file), "customer_id" if reason == "no_identity" else field or "event_name")
    rows = next((rows for rows in settings.ingest.files if rows.fits(name)), None)
    if rows is not None and line:
        return f"in the table of [[ingest.files]] that fits {name}, write: {line}"
    if rows is not None:
        return f"correct {field or 'the fields'} in the table of [[ingest.files]] that fits {name}"
    return (
        f"say how to read it: journeys init proposed.toml --from {shell([summary.file])}"
        f" writes a table [[ingest.files]] to copy into {settings.file.path}"
    )


def _line_of(file: Path, field: str) -> str:
    """The line of a mapping that a guess from the file gives for a field; blank for none."""
    from ingest.files.guess.proposal import sources_of
    from ingest.files.guess.text import field_line

    if not file.exists():
        return ""
    [source] = sources_of({file.name: file})
    wanted = ("customer_id", "anonymous_id", "identities.email_hash") if field == "customer_id" else (field,)
    return next((field_line(choice) for choice in source.guess.fields if choice.field in wanted), "")
