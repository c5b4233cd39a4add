"""`journeys identity` and `journeys forget`: explain why two identities are linked, split them, remove a customer."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from journeys import terminal
from journeys.app import DEFAULT, AsJson, Config, app, printed_as, settings_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import polars as pl

    from analytics import PathRules
    from journeys.settings import Settings

MAX_CUSTOMERS: Final = 10
"""Number of customers that a preview lists."""
identity = typer.Typer(help="Explain why two identities are one customer, and split them.", no_args_is_help=True)
app.add_typer(identity, name="identity")


def show_why(settings: Settings, one: str, other: str, how: terminal.As) -> None:
    """Print the chain of links from one identity to another."""
    from analytics import tombstones, why_apart, why_joined
    from expectations.lake.tables import landed

    arguments = (landed(settings.lake), one, other, settings.paths, tombstones(settings.lake))
    chain = why_joined(*arguments)
    if how is not terminal.As.table:
        terminal.show(chain, how)
    elif not chain.is_empty():
        _print_chain(chain)
    elif (broken := why_apart(*arguments)).is_empty():
        terminal.out.print(f"{one} and {other} are two customers: no chain of events links them.", markup=False)
    else:
        terminal.out.print(
            f"{one} and {other} are two customers: events connect them, but at least one link does not count:",
            markup=False,
        )
        _print_chain(broken, settings.paths)


def _print_chain(chain: pl.DataFrame, rules: PathRules | None = None) -> None:
    for link in chain.iter_rows(named=True):  # never cut: users copy identities from here
        one, other = f"{link['kind']}:{link['value']}", f"{link['other_kind']}:{link['other_value']}"
        first, last = (f"{link[name]:%Y-%m-%d %H:%M}" for name in ("first_at", "last_at"))
        times = f"1 event, {first}" if link["events"] == 1 else f"{link['events']:,} events, {first} to {last}"
        terminal.out.print(f"{link['step']}. {one}  and  {other}", markup=False, soft_wrap=True)
        terminal.out.print(f"   on {times}; first {link['event_id']}", markup=False, soft_wrap=True, style="dim")
        for reason in _broken_by(link, one, other, rules) if rules else ():
            terminal.out.print(f"   does not count: {reason}", markup=False, soft_wrap=True)


def _broken_by(link: Mapping[str, Any], one: str, other: str, rules: PathRules) -> Iterator[str]:
    """The reasons why a link does not count."""
    if link["removed"]:
        yield "removed by `journeys identity split`; --undo restores it"
    unique = " and ".join(rules.identities.unique)
    for end, name in (("", one), ("other_", other)):
        if link[f"{end}tied"]:
            yield f"{name} is shared: it is as near to one {unique} as to another (unique)"
        elif link[f"{end}shared"]:
            yield f"{name} is shared: it occurs with more than {rules.identities.max_degree} others (max_degree)"
    if link["between_customers"]:
        yield f"each is nearer to another {unique}, and a customer has one at most (unique)"


def show_split(settings: Settings, one: str, other: str, reason: str, *, undo: bool) -> None:
    """Remove the link between two identities, or restore it, and print whether they are two customers now."""
    from analytics import known_identity, split_identities, tombstones, why_joined
    from expectations.errors import DefinitionError
    from expectations.lake.tables import landed

    one, other = (known_identity(each, settings.paths) for each in (one, other))
    split_identities(settings.lake, one, other, decided_at=datetime.now(UTC), reason=reason, removed=not undo)
    terminal.out.print("Saved. It takes effect with the next `journeys stitch`.", markup=False)
    if undo:
        return
    try:
        chain = why_joined(landed(settings.lake), one, other, settings.paths, tombstones(settings.lake))
    except DefinitionError as error:
        terminal.out.print(f"It has no effect so far. {error.what} {error.do}", markup=False)
        return
    if chain.is_empty():
        terminal.out.print("Nothing else links them: they will be two customers.", markup=False)
        return
    terminal.out.print("They stay one customer because of other links. Split one of these as well:", markup=False)
    _print_chain(chain)


def show_forget(settings: Settings, customers: Sequence[str], *, preview: bool, yes: bool, large: bool) -> None:
    """Show what would go; after confirmation remove it, and print how many rows each table held before and after."""
    from analytics import bring_up_to_date, check_removable, finish_forgetting, forget_selected, select_customers

    def then() -> None:
        _withdraw_reports(settings)

    if not preview and finish_forgetting(settings.lake, settings.paths, then=then) is not None:
        terminal.out.print("Finished an earlier run that was interrupted.")
    with terminal.step("Looking the customers up"):
        if not preview:
            bring_up_to_date(settings.lake, settings.paths)
        selection = select_customers(settings.lake, customers, settings.paths)
    _print_selection(selection.summary, selection.unknown)
    if preview:
        return
    check_removable(settings.lake, selection, large=large)
    if not yes:
        who = customers[0] if len(customers) == 1 else f"{len(selection.summary):,} customers"
        typer.confirm(f"Remove all data of {who}? This cannot be undone", abort=True)
    with terminal.step("Removing the customers"):
        proof = forget_selected(settings.lake, selection, large=large, then=then)
    terminal.show(proof, terminal.As.table)
    terminal.out.print(f"\n{_proven(int(proof['named'].sum()))}", style="dim", markup=False)


def _withdraw_reports(settings: Settings) -> None:
    """Withdraw the reports that hold an erased customer, wherever they lie; print what remains to be done."""
    from reports.questions.runs import erasures_of, sites
    from reports.site.withdrawal import absolute, withdraw

    configured = absolute(settings.beside(settings.report.site))
    published = [absolute(site) for site in sites(settings.lake)]
    for site in dict.fromkeys([configured, f"{configured}/filtered", *published]):
        done = withdraw(site, erasures_of(settings.lake), datetime.now(UTC))
        if done.runs:
            noun = "report" if len(done.runs) == 1 else "reports"
            terminal.out.print(f"  {len(done.runs):,} {noun} withdrawn: {site}", markup=False, soft_wrap=True)
        if done.remains and site in published:
            text = f"remains to be done: withdraw the reports at {site} ({done.remains}); publishing there does it"
            terminal.out.print(f"  {text}", markup=False, soft_wrap=True, style="bold red")


def _print_selection(summary: pl.DataFrame, unknown: Sequence[str]) -> None:
    """Print the largest customers of a selection and the sum of all; unknown identities are counted and named."""
    terminal.show(summary.head(MAX_CUSTOMERS), terminal.As.table)
    identities, logins, events = (int(summary[name].sum()) for name in ("identities", "logins", "events"))
    total = f"{len(summary):,} customers, {identities:,} identities, {logins:,} logins, {events:,} events"
    terminal.out.print(f"all: {total}", markup=False)
    if unknown:
        text = f"no event carries {len(unknown):,} of the identities: {terminal.examples(unknown)}"
        terminal.out.print(text, markup=False)


def _proven(named: int) -> str:
    """How to read the last two columns."""
    remaining = (
        f"{named:,} rows remain: events of other customers, kept separate by a guard or a split."
        if named
        else "none remain."
    )
    return (
        f"Named: rows with one of the customer's identities, counted again at the end: {remaining}\n"
        "Log: log entries removed, so that no table's log reveals what it held."
    )


@identity.command()
def why(
    one: Annotated[str, typer.Argument(help="An identity as kind:value, such as customer_id:c123.")],
    other: Annotated[str, typer.Argument(help="Another identity.")],
    config: Config = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Print the chain of links that makes two identities one customer."""

    show_why(settings_of(config), one, other, printed_as(json=as_json))


@identity.command()
def split(
    one: Annotated[str, typer.Argument(help="An identity as kind:value.")],
    other: Annotated[str, typer.Argument(help="The identity to separate from it.")],
    reason: Annotated[str, typer.Option(help="Why; kept with the decision.")] = "",
    undo: Annotated[bool, typer.Option(help="Restore the link.")] = False,
    config: Config = DEFAULT,
) -> None:
    """Remove the link between two identities, with effect from the next `journeys stitch`."""

    show_split(settings_of(config), one, other, reason, undo=undo)


@app.command()
def forget(
    customers: Annotated[
        list[str] | None, typer.Argument(help="One identity of each customer, as kind:value.", show_default=False)
    ] = None,
    from_file: Annotated[Path | None, typer.Option(help="A file with one identity a line.")] = None,
    preview: Annotated[bool, typer.Option("--preview", help="Only show what would be removed.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
    large: Annotated[
        bool, typer.Option("--large", help="Remove customers that are too large to be one person, too.")
    ] = False,
    config: Config = DEFAULT,
) -> None:
    """Remove customers with all identities from every table and file of the lake, and print the proof.

    Shows identities, logins and events first, and asks for confirmation.

    Example: journeys forget customer_id:c123 --preview
    """
    from expectations.errors import InputError
    from journeys.settings import identities_in

    asked = [*(customers or ()), *(identities_in(from_file) if from_file else ())]
    if not asked:
        raise InputError("No customer is named.", expected="an identity as kind:value, or --from-file")
    show_forget(settings_of(config), asked, preview=preview, yes=yes, large=large)
