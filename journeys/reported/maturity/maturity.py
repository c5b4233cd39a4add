"""`journeys maturity`: fifteen questions, what several people answered, what the lake says, and what to do next."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from expectations.errors import ConfigurationError, DefinitionError, InputError
from journeys import terminal
from journeys.app import DEFAULT, AsCsv, AsJson, Config, app, printed_as, settings_of

if TYPE_CHECKING:
    import polars as pl

    from analytics import MaturityAnswers
    from journeys.settings import Settings

FILE: Final = "maturity.toml"
"""The file of answers, beside journeys.toml."""


@app.command()
def maturity(
    answer: Annotated[str, typer.Option(metavar="NAME", help="Ask the questions here, and add NAME's answers.")] = "",
    questions: Annotated[bool, typer.Option("--questions", help="Print the questions instead.")] = False,
    file: Annotated[
        Path | None, typer.Option(help=f"The file of answers; default: {FILE} beside journeys.toml.")
    ] = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    config: Config = DEFAULT,
) -> None:
    """Say how mature work on journeys is: what people answered, where they disagree, what is measured, what comes next.

    Five domains of three questions, answered from 1 to 5. What can be measured stands beside the answer, and is marked
    where both differ.

    Example: journeys maturity --answer "CX team"
    """
    from analytics import maturity as maturity_of
    from journeys.reported.maturity.evidence import evidence_of

    if bool(answer) + questions > 1:
        raise DefinitionError("One thing at a time.", expected="--answer or --questions")
    if questions:
        _print_questions()
        return
    settings, now = settings_of(config), datetime.now(UTC)
    place = file or Path(settings.beside(FILE))
    if answer:
        add_answers(place, answer, now.date(), list(_asked()))
    rows = maturity_of(answers_in(place, now.date()), evidence_of(settings, now))
    how = printed_as(json=as_json, csv=as_csv)
    if how is not terminal.As.table:
        terminal.show(rows, how)
        return
    _show(rows)


def maturity_of_report(settings: Settings) -> pl.DataFrame | None:
    """What the report says of maturity: the domains as answered, and of each what to begin with; null without a file.

    Columns: `domain` (the last one is `all`), `value`, `low`, `high`, `last`, `level`, and of the question to begin
    with `number`, `question`, `next_step` and `help`. Raises `ConfigurationError` as `answers_in` does.
    """
    from analytics import maturity as maturity_of
    from analytics import maturity_domains

    place = Path(settings.beside(FILE))
    if not place.is_file():
        return None
    rows = maturity_of(answers_in(place, datetime.now(UTC).date()))
    first = rows.filter("first").select("domain", "number", "question", "next_step", "help")
    return maturity_domains(rows).join(first, on="domain", how="left", maintain_order="left")


def answers_in(file: Path, today: date) -> list[MaturityAnswers]:
    """The answers in a file.

    Raises `InputError` where there is none, and `ConfigurationError` with the line for an answer that is not from 1 to
    5, for a domain with more or fewer than three, and for a day that is still to come.
    """
    from analytics import MaturityAnswers
    from expectations.config.file import ConfigFile, line_of

    if not file.is_file():
        raise InputError(
            "Nobody has answered yet.",
            where=str(file),
            expected="[[answers]] with by, on and three answers to a domain",
            do='answer in the terminal: journeys maturity --answer "CX team"',
        )
    read = ConfigFile.open(file, ("answers",))
    listed = read.data.get("answers", [])
    if not isinstance(listed, list):
        raise ConfigurationError("Answers are an array of tables.", where=str(file), expected="[[answers]]")
    found = [read.item("answers", index, MaturityAnswers) for index in range(len(listed))]
    for index, each in enumerate(found):
        if each.on > today:
            raise ConfigurationError(
                "An answer is of a day that is still to come.",
                where=f"{file}, line {line_of(read.text, ('answers', index, 'on'))}",
                expected=f"a day up to {today}",
                found=str(each.on),
            )
    return found


def add_answers(file: Path, by: str, on: date, answers: Sequence[int | str]) -> None:
    """Adds the answers to all questions, in their order, to the file, which may not exist yet.

    Raises `InputError` where it cannot be written.
    """
    from analytics import MATURITY_DOMAINS

    each = len(answers) // len(MATURITY_DOMAINS)
    lines = ["[[answers]]", f"by = {json.dumps(by, ensure_ascii=False)}", f"on = {on.isoformat()}"]
    for place, domain in enumerate(MATURITY_DOMAINS):
        own = answers[place * each : (place + 1) * each]
        lines.append(f"{domain} = [{', '.join(json.dumps(answer) for answer in own)}]")
    try:
        before = file.read_text(encoding="utf-8") if file.exists() else ""
        gap = "" if not before else "\n" if before.endswith("\n") else "\n\n"
        text = before + gap + "\n".join(lines) + "\n"
        tomllib.loads(text)
        file.write_text(text, encoding="utf-8")
    except (OSError, ValueError) as error:
        raise InputError("The answers cannot be added.", where=str(file), found=str(error)) from error


def _asked() -> Iterator[int | str]:
    """Asks every question in the terminal; `-` is no answer."""
    from analytics import MATURITY_QUESTIONS

    for question in MATURITY_QUESTIONS:
        terminal.out.print(f"\n{question.number} {question.text}", style="bold", markup=False)
        for value, text in ((1, question.low), (3, question.middle), (5, question.high)):
            terminal.out.print(f"  {value}  {text}", markup=False)
        while (text := typer.prompt("1 to 5, - for no answer", default="-").strip()) not in (*"12345", "-"):
            terminal.out.print("An answer is a whole number from 1 to 5.", markup=False)
        yield text if text == "-" else int(text)


def _print_questions() -> None:
    from analytics import MATURITY_QUESTIONS

    domain = ""
    for question in MATURITY_QUESTIONS:
        if question.domain != domain:
            domain = question.domain
            terminal.out.print(f"\n{domain.capitalize()}", style="bold", markup=False)
        terminal.out.print(f"{question.number:>2} {question.text}", markup=False, soft_wrap=True)
        terminal.out.print(
            f"   1 {question.low}; 3 {question.middle}; 5 {question.high}", style="dim", markup=False, soft_wrap=True
        )


def _show(rows: pl.DataFrame) -> None:
    """Print the domains with their questions, then what to begin with."""
    from analytics import maturity_domains

    *domains, whole = maturity_domains(rows).iter_rows(named=True)
    for domain in domains:
        terminal.out.print(f"{domain['domain'].capitalize()}: {_level(domain)}", style="bold", markup=False)
        for row in rows.filter(domain=domain["domain"]).iter_rows(named=True):
            terminal.out.print(f"  {_question(row)}", markup=False, soft_wrap=True)
            if row["evidence"]:
                mark = "  differs: " if row["differs"] else "  measured: "
                style = "bold red" if row["differs"] else "dim"
                terminal.out.print(f"     {mark}{row['evidence']}", style=style, markup=False, soft_wrap=True)
    terminal.out.print(f"All: {_level(whole)}", style="bold", markup=False)
    first = rows.filter("first")
    if first.height:
        terminal.out.print("\nBegin with", style="bold", markup=False)
    for row in first.iter_rows(named=True):
        terminal.out.print(f"  {row['number']:>2} {row['next_step']}: {row['help']}", markup=False, soft_wrap=True)


def _level(row: dict[str, Any]) -> str:
    """A value with its name, and the value of the last time."""
    if row["value"] is None:
        return "too few answers"
    last = "" if row["last"] is None else f" (last time {row['last']:.1f})"
    return f"{row['value']:.1f}, {row['level']}{last}"


def _question(row: dict[str, Any]) -> str:
    """A question with its answer, its range, and whether people agree."""
    if row["answer"] is None:
        return f"{row['number']:>2} –    {row['question']}"
    spread = "" if row["low"] == row["high"] else f" ({row['low']} to {row['high']} of {row['people']})"
    last = "" if row["last"] in (None, row["answer"]) else f", last time {row['last']:g}"
    disputed = ", you do not agree" if row["disputed"] else ""
    return f"{row['number']:>2} {row['answer']:<4g} {row['question']}{spread}{last}{disputed}"
