"""`journeys verify`: whether a number is the one that was published, and what it was computed from."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from journeys import terminal
from journeys.app import DEFAULT, AsJson, Config, app, settings_of

if TYPE_CHECKING:
    from journeys.settings import Settings
    from reports.site.receipts.verify import Verdict

MOST: Final = 60
"""Number of differences that the terminal lists."""
_LONGEST: Final = 60


@app.command()
def verify(
    receipt: Annotated[
        str,
        typer.Argument(
            metavar="RECEIPT | FILE", help="RUN[/CARD[/ROW/COLUMN[=VALUE]]], a page of a report or site.json."
        ),
    ],
    as_json: AsJson = False,
    config: Config = DEFAULT,
) -> None:
    """Compute a published number, or all numbers of a page, again, and name what was changed.

    The exit code is 1 when anything is not as it was published. The report is made again from the events that it read,
    which takes about as long as the report did; definitions must be those of then. A receipt is at the foot of every
    page; CARD, ROW and COLUMN are those of site.json and of the CSV of the card.

    Example: journeys verify report.html
    """
    settings = settings_of(config)
    with terminal.step("Computing the report again"):
        verdict = verdict_on(settings, receipt)
    if as_json:
        import json

        terminal.out.print(
            json.dumps(asdict(verdict), ensure_ascii=False, indent=1), markup=False, soft_wrap=True, highlight=False
        )
    else:
        _tell(verdict, receipt)
    if verdict.differences:
        raise typer.Exit(1)


def verdict_on(settings: Settings, receipt: str) -> Verdict:
    """Whether what a receipt, or a file, says is what was published."""
    from expectations.errors import InputError
    from journeys.commands.steps import asked_of_report
    from reports.site.places import place_of
    from reports.site.receipts.verify import Verifier, verified_file, verified_number

    asked, questions = asked_of_report(settings)
    place = place_of(str(settings.beside(settings.report.site)))
    verifier, file = Verifier(settings.lake, asked, settings.paths, questions, place), Path(receipt)
    if not file.is_file():
        if file.suffix in (".html", ".json"):
            raise InputError("There is no such file.", where=receipt, expected="a page of a report, or its site.json")
        return verified_number(verifier, receipt)
    try:
        content = file.read_bytes()
    except OSError as error:
        raise InputError("The file cannot be read.", where=receipt, found=error.strerror or str(error)) from error
    return verified_file(verifier, content, receipt)


def _tell(verdict: Verdict, receipt: str) -> None:
    import polars as pl

    for note in verdict.notes:
        terminal.out.print(f"  {note}", style="dim", markup=False, soft_wrap=True)
    if not verdict.differences:
        what = "1 number is" if verdict.checked == 1 else f"{verdict.checked:,} numbers and texts are"
        text = f"{terminal.harmless(receipt)}: {what} as published in {verdict.run}."
        terminal.out.print(text, style="bold", markup=False, soft_wrap=True)
        if verdict.checked == 1:
            terminal.out.print(f"  {_short(verdict.value)}", markup=False, soft_wrap=True)
        _tell_origin(verdict)
        return
    rows: list[dict[str, Any]] = [
        {
            "card": each.card or "(page)",
            "where": _short(each.where),
            "found": _short(each.found),
            "computed again": _short(each.expected),
        }
        for each in verdict.differences[:MOST]
    ]
    count = len(verdict.differences)
    verb = "is" if count == 1 else "are"
    title = f"{terminal.harmless(receipt)}: {count:,} of {verdict.checked:,} {verb} not as published."
    terminal.out.print(title, style="bold red", markup=False, soft_wrap=True)
    terminal.show(pl.DataFrame(rows), terminal.As.table)
    if count > MOST:
        terminal.out.print(f"  … and {count - MOST:,} more: --json lists all", markup=False)
    _tell_origin(verdict)


def _tell_origin(verdict: Verdict) -> None:
    of = verdict.receipt
    tables = ", ".join(f"{name} {version}" for name, version in sorted(of["versions"].items()) if name != "rules")
    offsets = ", ".join(
        f"{terminal.harmless(topic)} {partition}: {last:,}"
        for topic, partitions in of["offsets"].items()
        for partition, last in partitions.items()
    )
    lines = (
        f"definitions {of['definitions']}; identity {of['versions'].get('rules', 'unknown')}",
        f"tables: {tables or 'none'}; last offsets: {offsets or 'none, all from files'}",
        f"counts of 1 to {of['k'] - 1} customers withheld; no rate over fewer than {of['least']}",
    )
    for line in lines:
        terminal.out.print(f"  {line}", style="dim", markup=False, soft_wrap=True)


def _short(value: Any) -> str:
    text = terminal.harmless("withheld" if value is None else str(value))
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
