"""`journeys contacts`: the help that was needed, and whether one contact settled the matter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from expectations.errors import DefinitionError
from journeys import terminal
from journeys.app import DEFAULT, AsCsv, AsJson, Config, On, app, printed_as, settings_of
from journeys.segmented import grouped_by

if TYPE_CHECKING:
    import polars as pl

    from analytics import Paths
    from journeys.settings import Settings

RATES: Final = {
    "first_contact_resolution": "resolved at once",
    "web_then_call_rate": "web, then call",
    "transfer_rate": "transferred",
    "containment_rate": "contained",
}
NOTE: Final = (
    "Resolved at once: no other contact of the customer within {repeat}, in any channel{reason}. Web, then call: of "
    "contacts outside the web, those after the web within {before} in the same journey. Transferred: the session goes "
    "on as another kind of contact. Contained: chats after which no other contact follows within {contained}. Shares "
    "are over mature contacts, with 95 % intervals judged by customers."
)


@app.command()
def contacts(
    touchpoints: Annotated[
        list[str] | None, typer.Argument(help="Touchpoints that are contacts; by default those of \\[contacts].")
    ] = None,
    rate: Annotated[bool, typer.Option("--rate", help="Which share of journeys needs a contact, instead.")] = False,
    by: Annotated[list[str] | None, typer.Option(help="Break down by this column; repeatable.")] = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    on: On = None,
    config: Config = DEFAULT,
) -> None:
    """Count contacts (calls, chats, mails), how many settle the matter, repeat it, or come after the web.

    Examples: journeys contacts --by channel

    journeys contacts Call Chat --rate
    """
    show_contacts(
        settings_of(config), touchpoints or [], by or [], printed_as(json=as_json, csv=as_csv), rate=rate, on=on
    )


def show_contacts(
    settings: Settings, words: list[str], by: list[str], how: terminal.As, *, rate: bool = False, on: str | None = None
) -> None:
    """Print the contacts, or the share of journeys that needs one."""
    import analytics

    named = settings.contacts
    paths, by = grouped_by(settings, by, on)
    contact = _known(paths, words or list(named.touchpoints))
    journeys = analytics.contact_rate(paths, contact, by=by, window=settings.report.window)
    answer = journeys if rate else analytics.contacts(paths, contact, by=by, **named.options)
    if how is not terminal.As.table:
        terminal.show(answer, how)
        return
    whole = journeys.filter("is_total")
    if len(whole) and whole["mature"][0]:
        row = whole.row(0, named=True)
        line = f"{terminal.share_text(row, 'contact_rate')} of {row['mature']:,} mature journeys needed a contact"
        terminal.out.print(f"{line}: {', '.join(map(terminal.harmless, contact))}.\n", markup=False)
    if rate:
        rows = [row | {"contact_rate": terminal.share_text(row, "contact_rate")} for row in answer.to_dicts()]
        terminal.show(_groups(answer, rows, by, ["mature", "contacted", "contact_rate", "contacts", "open"]), how)
        return
    rates = [name for name in RATES if answer[name].count()]
    rows = [row | {RATES[name]: terminal.share_text(row, name) for name in rates} for row in answer.to_dicts()]
    terminal.show(_groups(answer, rows, by, ["contacts", "mature", *(RATES[name] for name in rates)]), how)
    lengths = {name: terminal.text(getattr(named, name)) for name in ("repeat", "before", "contained")}
    reason = f", of the same {named.reason} where both have one" if named.reason else ""
    note = NOTE.format(reason=reason, **lengths)
    terminal.out.print("\n" + terminal.harmless(note), style="dim", markup=False)


def _known(paths: Paths, words: list[str]) -> list[str]:
    """The touchpoints of contacts. Raises `DefinitionError` without any, and for one that no touch has."""
    from analytics import known_value

    if not words:
        raise DefinitionError(
            "Which touchpoints are contacts is not known.",
            expected="touchpoints of [contacts] in journeys.toml, or named here",
            do='add [contacts] with touchpoints = ["Call", "Chat"]',
        )
    return [known_value(paths.values_of("touchpoint"), word) for word in words]


def _groups(answer: pl.DataFrame, rows: list[dict[str, Any]], by: list[str], shown: list[str]) -> pl.DataFrame:
    """The rows with named groups, and the columns that are shown."""
    import polars as pl

    groups = terminal.named_groups(answer, by)
    columns = {name: [row[name] for row in rows] for name in shown}
    return pl.DataFrame({**{name: groups[name] for name in by}, **columns})
