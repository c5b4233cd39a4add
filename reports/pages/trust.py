"""The Trust page: can these numbers be trusted?"""

from __future__ import annotations

import polars as pl

from reports.charts.canvas import NARROW, PAPER
from reports.charts.quality.checks import check_strip, narrow_check_strip
from reports.charts.quality.coverage import coverage_bars
from reports.charts.quality.maturity import maturity_dots
from reports.charts.theme import specification
from reports.pages.cards import Page, Part
from reports.questions.answers import Answers
from reports.settings import ReportSettings
from reports.words import tables, targets
from reports.words.numbers import count, day, moment, percent
from reports.words.subtitles import shown_count
from reports.words.value_cards import ValueCard

WAYS = {
    "login": "by a login",
    "device": "by a device they logged in on",
    "session": "by the session",
    "anonymous": "as an unknown visitor",
}


def trust_page(answers: Answers, settings: ReportSettings) -> Page | None:
    """How touches were linked to customers, how fresh the data is, what is withheld, and what the goals mean."""
    linked = answers.linked
    if linked is None or linked.is_empty():
        return None
    facts = answers.facts
    named = {row["way"]: row["share"] for row in linked.iter_rows(named=True)}
    part = Part(
        id="linked",
        title=f"{percent(1 - named.get('anonymous', 0.0))} of touches are linked to a known customer or device",
        subtitle=f"{count(facts.touches)} touches by the strongest evidence that links them to a customer. Paths of "
        "unknown visitors are correct, but may be part of a longer path.",
        frame=linked,
        table=tables.linked_table(linked, WAYS),
    ).drawn(
        lambda: specification(coverage_bars(linked, WAYS)),
        lambda: specification(coverage_bars(linked, WAYS, NARROW)),
        lambda: specification(coverage_bars(linked, WAYS, PAPER)),
    )
    refused, meanings = refused_card(answers, settings), (definitions_card(answers), owned_card(answers))
    cards = checks_card(answers), part, refused, *meanings, maturity_card(answers)
    return Page(
        slug="trust",
        name="Trust",
        title="Can these numbers be trusted?",
        lede="Where the numbers come from, how touches were linked to customers, and what is not shown.",
        values=_values(answers, settings),
        parts=tuple(part for part in cards if part is not None),
    )


def checks_card(answers: Answers) -> Part | None:
    """Which expectations were met on which days, or null where nothing was checked."""
    frame = answers.evidence.verdicts
    if frame is None:
        return None
    beliefs = frame.filter(pl.col("belief").is_not_null())
    missed = beliefs.filter(pl.col("met") < pl.col("of"))
    critical = missed.filter(pl.col("severity") == "refuse")["belief"].n_unique()
    warned = missed.filter(pl.col("severity") != "refuse")["belief"].n_unique()
    return Part(
        id="checks",
        title=_verdict(critical, warned),
        subtitle=f"The newest {frame['day'].n_unique()} days with data, by suite of expectations; below each suite, "
        "its expectations that were not met. ✓ met, ✗ not met with the share of the day's rows, blank: nothing to "
        "check. Dark: critical; light: a warning. The data docs list every expectation by day.",
        frame=frame,
        table=tables.verdicts_table(frame),
        link=("Data docs", "data_docs/index.html"),
    ).drawn(
        lambda: specification(check_strip(frame)),
        lambda: specification(narrow_check_strip(frame)),
        lambda: specification(narrow_check_strip(frame, PAPER)),
    )


def refused_card(answers: Answers, settings: ReportSettings) -> Part | None:
    """Messages in quarantine by reason, or null where there are none."""
    frame = answers.evidence.refused
    if frame is None:
        return None
    known = frame["messages"].drop_nulls().to_list()
    return Part(
        id="refused",
        title=f"{count(sum(known))} messages are in quarantine" if known else "Few messages are in quarantine",
        subtitle="Messages that are not valid events, by reason; no number of this report includes them. They "
        f"can be replayed once the rule is fixed. Counts below {settings.k} are withheld.",
        frame=frame,
        table=tables.refused_table(frame, settings.k),
    )


def definitions_card(answers: Answers) -> Part | None:
    """What each goal means, or null where that is not known."""
    if not answers.definitions:
        return None
    unreviewed = sum(not goal.reviewed for goal in answers.definitions)
    frame = pl.DataFrame(
        [
            (
                goal.name,
                " or ".join(goal.steps),
                goal.horizon,
                goal.owner or None,
                goal.reviewed or None,
                goal.says or None,
            )
            for goal in answers.definitions
        ],
        schema={
            "goal": pl.String,
            "steps": pl.String,
            "horizon": pl.Duration("us"),
            **dict.fromkeys(("owner", "reviewed", "says"), pl.String),
        },
        orient="row",
    )
    return Part(
        id="goal-definitions",
        title="What the goals mean",
        subtitle="A journey reaches a goal with any of its steps, within its time after the journey begins. "
        + (
            f"{unreviewed} of {frame.height} {'has' if unreviewed == 1 else 'have'} no date of review."
            if unreviewed
            else ""
        ),
        frame=frame,
        table=tables.definitions_table(answers.definitions),
    )


def owned_card(answers: Answers) -> Part | None:
    """What segments, journeys and watched funnels mean, as their owners say; null where the report has none."""
    if not answers.owned:
        return None
    unreviewed = sum(not each.reviewed for each in answers.owned)
    columns = ("name", "kind", "version", "owner", "reviewed", "says")
    frame = pl.DataFrame(
        [tuple(getattr(each, name) or None for name in columns) for each in answers.owned],
        schema={name: pl.Int64 if name == "version" else pl.String for name in columns},
        orient="row",
    )
    return Part(
        id="owned-definitions",
        title="Who is responsible for which definition",
        subtitle="The segments that this report names, the journeys with targets, and the funnels that are watched. "
        + (
            f"{unreviewed} of {frame.height} {'has' if unreviewed == 1 else 'have'} no date of review."
            if unreviewed
            else ""
        ),
        frame=frame,
        table=targets.owned_table(frame),
    )


def maturity_card(answers: Answers) -> Part | None:
    """How mature the work on journeys is, as answered, or null where nobody was asked."""
    frame = answers.maturity
    if frame is None:
        return None
    return Part(
        id="maturity",
        title=targets.maturity_headline(frame),
        subtitle=targets.maturity_detail(frame),
        method=targets.MATURITY_METHOD,
        frame=frame.with_columns(pl.col("value", "last").round(4)),
        table=targets.maturity_table(frame),
    ).drawn(
        lambda: specification(maturity_dots(frame)),
        lambda: specification(maturity_dots(frame, NARROW)),
        lambda: specification(maturity_dots(frame, PAPER)),
    )


def _verdict(critical: int, warned: int) -> str:
    if critical:
        return f"{critical} critical {'expectation was' if critical == 1 else 'expectations were'} not met"
    if warned:
        noun = "other was" if warned == 1 else "others were"
        return f"Every critical expectation was met; {warned} {noun} not, on some days"
    return "Every expectation was met on every day"


def _values(answers: Answers, settings: ReportSettings) -> tuple[ValueCard, ...]:
    facts = answers.facts
    frames = [frame for frame in (answers.stages, answers.segments) if frame is not None]
    cells = sum(frame.height for frame in frames)
    hidden = sum(int((frame["state"] == "withheld").sum()) for frame in frames)
    few = sum(int((frame["state"] == "few").sum()) for frame in frames)
    return (
        ValueCard("Touches", count(facts.touches), f"{shown_count(facts.customers, settings)} customers"),
        ValueCard(
            "End of data", day(facts.end_of_data), f"{moment(facts.end_of_data)}; first touch {day(facts.first_at)}"
        ),
        *_freshness(answers),
        ValueCard("Withheld", percent(hidden / cells), f"{hidden} of {cells} cells: fewer than {settings.k} customers"),
        ValueCard("Too few for a rate", percent(few / cells), f"{few} cells: fewer than {settings.least} customers"),
    )


def _freshness(answers: Answers) -> tuple[ValueCard, ...]:
    evidence = answers.evidence
    if evidence.arrived_at is None:
        return ()
    late = f"; {percent(evidence.late)} of events arrived more than a day late" if evidence.late is not None else ""
    return (ValueCard("Newest event arrived", day(evidence.arrived_at), f"{moment(evidence.arrived_at)}{late}"),)
