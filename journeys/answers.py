"""Questions from the command line: the same functions and frames that a notebook uses, shown on a terminal."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from expectations.errors import StorageError
from journeys import terminal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    import polars as pl

    from analytics import Funnel
    from journeys.settings import Settings

BAR: Final = ""
"""The name of the column of bars."""
DISPENSABLE: Final = (BAR, "95 %", "wait", "open")
"""Columns that a narrow terminal is spared, the first of them first."""
LONGEST_NAME: Final = 22
SHORTEST_NAME: Final = 14
"""Letters of a step's name, where there is room and where there is not."""


def funnel(settings: Settings, steps: list[str], rules: dict[str, Any], how: terminal.As, svg: Path | None) -> None:
    """The funnel over `steps`, the one of that name, or that of the configured stages; `rules` are options of it."""
    import analytics
    from analytics.funnels.saved import check_words

    paths = analytics.Paths.open(settings.lake)
    asked = question(settings, steps, {name: value for name, value in rules.items() if value})
    answer = analytics.funnel(paths, check_words(paths, asked))
    if svg is not None:
        from reports.charts.svg import funnel_svg

        try:
            svg.write_text(funnel_svg(answer), encoding="utf-8")
        except OSError as error:
            raise StorageError("The drawing cannot be written.", where=str(svg), found=error.strerror or "") from None
    by, window = asked.by, terminal.text(asked.window)
    counted = (
        asked.count if asked.count in ("customers", "sessions", "journeys", "entries") else f"{asked.count} values"
    )
    if how is not terminal.As.table:
        terminal.show(answer, how)
        return
    for group in answer.partition_by("is_total", *by, maintain_order=True):
        if by:
            named = "all" if group["is_total"][0] else ", ".join(f"{name} {group[name][0] or '–'}" for name in by)
            terminal.out.print(f"\n{terminal.harmless(named)}", style="bold", markup=False)
        _draw(group, counted, asked.value or "")
    terminal.out.print(_reading(answer, window, asked.maturity, counted), style="dim", markup=False)


def question(settings: Settings, steps: list[str], rules: dict[str, Any]) -> Funnel:
    """What is asked, in words of a funnel."""
    from analytics import Funnel
    from analytics.funnels.saved import step_of

    if len(steps) == 1 and steps[0] in settings.funnels:
        named = settings.funnels[steps[0]]
        steps, rules = named.steps, {**named.model_dump(exclude={"name", "steps"}), **rules}
    if not steps:  # the report's own question, so that both give its numbers
        steps = [f"stage:{stage.name}" for stage in settings.paths.stages]
        rules = {"window": settings.report.window, **rules}
    return Funnel([step_of(word) for word in steps], **rules)


def _draw(group: pl.DataFrame, counted: str, value: str) -> None:
    """The steps as a table with bars; on a narrow terminal without its least columns, so that no number is cut."""
    rows = [_cells(row, counted, value) for row in group.iter_rows(named=True)]
    columns = [name for name in rows[0] if name != BAR or not value]  # there is room for one of them
    left_out = [name for name in DISPENSABLE if name in columns]
    table = terminal.columns(rows, columns, LONGEST_NAME)
    if not terminal.fits(table):
        table = terminal.columns(rows, columns, SHORTEST_NAME)
    while not terminal.fits(table) and left_out:
        columns.remove(left_out.pop(0))
        table = terminal.columns(rows, columns, SHORTEST_NAME)
    terminal.out.print(table)


def _cells(row: dict[str, Any], counted: str, value: str) -> dict[str, str]:
    """One step in the words of its columns."""
    later = row["step"] > 1
    cells = {
        "step": row["name"],
        BAR: terminal.bar(row["share_of_entered"], width=12),
        counted: terminal.text(row["reached"]),
        "lost": terminal.text(row["dropped"]) if later else "",
        "went on": terminal.text(row["share_of_previous"], "share") if later else "",
        "95 %": _interval(row) if later else "",
        "open": terminal.text(row["open"]),
        "wait": terminal.text(row["median_wait"]) if later else "",
    }
    return cells | ({value: f"{row['value']:,.0f}"} if value else {})


def _interval(row: dict[str, Any]) -> str:
    low, high = row["share_of_previous_low"], row["share_of_previous_high"]
    return f"{low * 100:.1f}–{high * 100:.1f}" if row["enough"] else "too few"


def _reading(answer: pl.DataFrame, window: str, maturity: str, counted: str) -> str:
    total = answer.filter("is_total")
    open_, ties = total["open"][0], total["tie_sensitive"][0]
    whose = {
        "mature": f"{counted.capitalize()} whose window of {window} is over.",
        "clip": f"All who entered, within {window}; touches outside the range do not count.",
        "survival": f"All who entered; shares are estimates after {window} (Kaplan-Meier).",
    }[maturity]
    return (
        f"\n{whose} Went on: share of the step before, with its 95 % interval; "
        f"wait: the median.\nOpen: {open_:,} {counted} still inside their window, not counted as lost. "
        f"{ties:,} {counted} depend on the order of touches at one instant."
    )


def status(settings: Settings, how: terminal.As) -> None:
    """What the lake holds, what was refused, what the brokers hold beyond it, and whether maintenance is due."""
    import polars as pl

    from ingest.quarantine.quarantine import refused
    from ingest.service.status import freshness, tables

    held, reasons = tables(settings.lake), refused(settings.lake)
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
        terminal.show(fresh.select("topic", "kind", "newest", age=_ages(fresh)), how, "Streams, by what has landed")
        terminal.out.print()
    if silent:
        terminal.out.print(f"Not known how much waits at the brokers: {silent}\n", markup=False)
    elif not lag.is_empty():
        terminal.show(lag, how, "At the brokers")
        terminal.out.print()
    if reasons.is_empty():
        terminal.out.print("Nothing was refused.")
        return
    terminal.show(reasons.select("topic", "reason", "field", "messages", "last_at"), how, "Refused, by reason")


def _lag(settings: Settings) -> tuple[pl.DataFrame, str]:
    """What waits at the brokers by partition, or why that is not known."""
    import polars as pl

    from expectations.errors import BrokerError, ConfigurationError
    from ingest.service.status import behind

    if not settings.ingest.streams:
        return pl.DataFrame(), ""
    try:
        return behind(settings.ingest, settings.lake), ""
    except (BrokerError, ConfigurationError) as error:
        return pl.DataFrame(), f"{error.what} {error.found}"


def _ages(fresh: pl.DataFrame) -> pl.Series:
    import polars as pl

    ages = ["–" if age is None else terminal.duration(age) for age in fresh["age_seconds"]]
    return pl.Series(ages, dtype=pl.String)


def _overdue(settings: Settings) -> float | None:
    """For how many seconds maintenance has been due; negative: not yet."""
    from time import time

    from ingest.upkeep.maintenance import overdue

    return overdue(settings.lake, settings.ingest.maintenance, time())


def _maintenance(settings: Settings) -> str:
    """Whether the tables' files are to be looked after."""
    waited = _overdue(settings)
    if waited is None or waited < 0:
        return "Maintenance is not due."
    return f"Maintenance has been due for {terminal.duration(waited)}: journeys maintain"


def why(settings: Settings, one: str, other: str, how: terminal.As) -> None:
    """The chain of links from one identity to another."""
    from analytics.identity.links import tombstones, why_apart
    from analytics.identity.links import why as evidence
    from expectations.lake.tables import landed

    asked = (landed(settings.lake), one, other, settings.paths, tombstones(settings.lake))
    chain = evidence(*asked)
    if how is not terminal.As.table:
        terminal.show(chain, how)
    elif not chain.is_empty():
        _print_chain(chain)
    elif (broken := why_apart(*asked)).is_empty():
        terminal.out.print(f"{one} and {other} are two customers: no chain of events links them.", markup=False)
    else:
        terminal.out.print(f"{one} and {other} are two customers: events lead there, but do not join:", markup=False)
        _print_chain(broken, settings.paths.identities.max_degree)


def _print_chain(chain: pl.DataFrame, most: int = 0) -> None:
    for link in chain.iter_rows(named=True):  # in full, however narrow the terminal: identities are copied from here
        one, other = f"{link['kind']}:{link['value']}", f"{link['other_kind']}:{link['other_value']}"
        first, last = (f"{link[name]:%Y-%m-%d %H:%M}" for name in ("first_at", "last_at"))
        times = f"1 event, {first}" if link["events"] == 1 else f"{link['events']:,} events, {first} to {last}"
        terminal.out.print(f"{link['step']}. {one}  and  {other}", markup=False, soft_wrap=True)
        terminal.out.print(f"   on {times}; first {link['event_id']}", markup=False, soft_wrap=True, style="dim")
        for reason in _broken_by(link, one, other, most):
            terminal.out.print(f"   does not join: {reason}", markup=False, soft_wrap=True)


def _broken_by(link: Mapping[str, Any], one: str, other: str, most: int) -> Iterator[str]:
    """What keeps a link from joining, in words."""
    if link.get("removed"):
        yield "parted by a tombstone; `journeys identity split` with --undo takes it back"
    for end, name in (("shared", one), ("other_shared", other)):
        if link.get(end):
            yield f"{name} is shared: more than {most} others (max_degree) occur with it"


def split(settings: Settings, one: str, other: str, reason: str, *, undo: bool) -> None:
    """A tombstone on the link between two identities, or its removal; and whether it parts them."""
    from analytics.identity.links import known_identity, tombstones
    from analytics.identity.links import split as part
    from analytics.identity.links import why as evidence
    from expectations.errors import DefinitionError
    from expectations.lake.tables import landed

    one, other = (known_identity(each, settings.paths) for each in (one, other))
    part(settings.lake, one, other, decided_at=datetime.now(UTC), reason=reason, removed=not undo)
    terminal.out.print("Written. It holds from the next `journeys stitch` on.", markup=False)
    if undo:
        return
    try:
        chain = evidence(landed(settings.lake), one, other, settings.paths, tombstones(settings.lake))
    except DefinitionError as error:
        terminal.out.print(f"So far it parts nothing. {error.what} {error.do}", markup=False)
        return
    if chain.is_empty():
        terminal.out.print("Nothing else links them: they will be two customers.", markup=False)
        return
    terminal.out.print("They stay one customer, since other links join them. Split one of these, too:", markup=False)
    _print_chain(chain)


def forget(settings: Settings, customer: str) -> None:
    """Remove a customer, and show what each table held before and after."""
    from analytics.stitching.forget import forget as remove

    with terminal.step("Removing, and stitching anew"):
        proof = remove(settings.lake, customer, settings.paths)
    terminal.show(proof, terminal.As.table)
    terminal.out.print(f"\n{_proven(int(proof['named'].sum()))}", style="dim", markup=False)


def _proven(named: int) -> str:
    """What the last count says, in words."""
    found = (
        f"{named:,} rows still do: events of other customers, whose guards or tombstones keep them apart."
        if named
        else "none does."
    )
    return (
        f"Named: rows that hold one of the customer's identities, counted again at the end: {found}\n"
        "Log: entries removed, so that no table's log tells of what was there."
    )
