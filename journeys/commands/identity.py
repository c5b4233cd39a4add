"""`journeys identity` and `journeys forget`: why two identities are one customer, parting them, removing a customer."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from journeys import terminal
from journeys.app import DEFAULT, AsJson, Config, app, printed_as, settings_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import polars as pl

    from journeys.settings import Settings

identity = typer.Typer(help="Why two identities are one customer, and how to part them.", no_args_is_help=True)
app.add_typer(identity, name="identity")


def show_why(settings: Settings, one: str, other: str, how: terminal.As) -> None:
    """The chain of links from one identity to another."""
    from analytics import tombstones, why_apart
    from analytics import why as evidence
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


def show_split(settings: Settings, one: str, other: str, reason: str, *, undo: bool) -> None:
    """A tombstone on the link between two identities, or its removal; and whether it parts them."""
    from analytics import known_identity, split_identities, tombstones
    from analytics import why as evidence
    from expectations.errors import DefinitionError
    from expectations.lake.tables import landed

    one, other = (known_identity(each, settings.paths) for each in (one, other))
    split_identities(settings.lake, one, other, decided_at=datetime.now(UTC), reason=reason, removed=not undo)
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


def show_forget(settings: Settings, customer: str) -> None:
    """Remove a customer, and show what each table held before and after."""
    from analytics import forget_customer

    with terminal.step("Removing, and stitching anew"):
        proof = forget_customer(settings.lake, customer, settings.paths)
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


@identity.command()
def why(
    one: Annotated[str, typer.Argument(help="An identity as kind:value, such as customer_id:c123.")],
    other: Annotated[str, typer.Argument(help="Another identity.")],
    config: Config = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Print the chain of evidence that makes two identities one customer."""

    show_why(settings_of(config), one, other, printed_as(json=as_json))


@identity.command()
def split(
    one: Annotated[str, typer.Argument(help="An identity as kind:value.")],
    other: Annotated[str, typer.Argument(help="The identity that it must not be linked with.")],
    reason: Annotated[str, typer.Option(help="Why, for those who ask later.")] = "",
    undo: Annotated[bool, typer.Option(help="Let the link hold again.")] = False,
    config: Config = DEFAULT,
) -> None:
    """Remove the link between two identities, from the next `journeys stitch` on."""

    show_split(settings_of(config), one, other, reason, undo=undo)


@app.command()
def forget(
    customer: Annotated[str, typer.Argument(help="The customer, by any identity, as kind:value.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    config: Config = DEFAULT,
) -> None:
    """Remove a customer, with all identities, from every table and file of the lake, and print the proof."""

    if not yes:
        typer.confirm(f"Remove everything of {customer}? This cannot be undone", abort=True)
    show_forget(settings_of(config), customer)
