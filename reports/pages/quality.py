"""Data quality: can these numbers be trusted?"""

from __future__ import annotations

from reports import tables
from reports.answers import Answers
from reports.charts.coverage import coverage_bars
from reports.formats import count, day, moment, percent
from reports.parts import Page, Part, ValueCard
from reports.settings import ReportSettings
from reports.theme import specification
from reports.wording import told

WAYS = {
    "login": "by a login",
    "device": "by a device they logged in on",
    "session": "by the session",
    "anonymous": "as an unknown visitor",
}


def page(answers: Answers, settings: ReportSettings) -> Page | None:
    """How touches were tied to customers, how fresh they are, and what is withheld."""
    linked = answers.linked
    if linked is None or linked.is_empty():
        return None
    facts = answers.facts
    named = {row["way"]: row["share"] for row in linked.iter_rows(named=True)}
    part = Part(
        id="linked",
        title=f"{percent(1 - named.get('anonymous', 0.0))} of touches are tied to a known customer or device",
        subtitle=f"{count(facts.touches)} touches by the strongest evidence that ties them to their customer. Paths of "
        "unknown visitors are true, but may be one part of a longer path.",
        frame=linked,
        table=tables.linked(linked, WAYS),
        spec=specification(coverage_bars(linked, WAYS)),
    )
    return Page(
        slug="quality",
        name="Data quality",
        title="Can these numbers be trusted?",
        lede="Where the numbers come from, how touches were tied to customers, and what is not shown.",
        values=_values(answers, settings),
        parts=(part,),
    )


def _values(answers: Answers, settings: ReportSettings) -> tuple[ValueCard, ...]:
    facts = answers.facts
    frames = [frame for frame in (answers.stages, answers.segments) if frame is not None]
    cells = sum(frame.height for frame in frames)
    hidden = sum(int((frame["state"] == "withheld").sum()) for frame in frames)
    few = sum(int((frame["state"] == "few").sum()) for frame in frames)
    return (
        ValueCard("Touches", count(facts.touches), f"{told(facts.customers, settings)} customers"),
        ValueCard(
            "End of data", day(facts.end_of_data), f"{moment(facts.end_of_data)}; first touch {day(facts.first_at)}"
        ),
        ValueCard("Withheld", percent(hidden / cells), f"{hidden} of {cells} cells: fewer than {settings.k} customers"),
        ValueCard("Too few for a rate", percent(few / cells), f"{few} cells: fewer than {settings.least} customers"),
        ValueCard("Definitions", answers.origin.definitions, ", ".join(_versions(answers))),
    )


def _versions(answers: Answers) -> list[str]:
    return [f"{name} {version}" for name, version in sorted(answers.origin.versions.items())]
