"""Which personas are there, how many customers is each, what do they bring, and what is said of them?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import polars as pl

from analytics import (
    Goal,
    Money,
    Paths,
    PersonaFit,
    goal_attainment,
    no_longer_fits,
    persona_cards,
    persona_profile,
    personas,
    summary,
    vignette,
)
from reports.privacy.people.personas import personas_in_steps, publishable_personas
from reports.privacy.stages import SHOWN, WITHHELD
from reports.privacy.steps import Steps, coarse
from reports.questions.answers import PersonaNote, Personas
from reports.questions.money import money_of
from reports.questions.people.asked import PeopleSettings
from reports.settings import ReportSettings

PERSONA: Final = "persona"
CLEAR: Final = 0.005
"""A text no longer fits where a number has moved by this share or more."""
FRAME: Final = pl.Schema(
    {
        **dict.fromkeys(("persona", "id", "reason"), pl.String()),
        "customers": pl.Int64(),
        **dict.fromkeys(("share", "share_low", "share_high"), pl.Float64()),
        **dict.fromkeys(("mature", "reached"), pl.Int64()),
        **dict.fromkeys(("goal_rate", "goal_rate_low", "goal_rate_high"), pl.Float64()),
        **dict.fromkeys(("share_of_goals", "share_of_value"), pl.Float64()),
        "stability": pl.Float64(),
        "written_for": pl.Int64(),
        **dict.fromkeys(("share_then", "goal_rate_then"), pl.Float64()),
        **dict.fromkeys(("text", "state"), pl.String()),
    }
)


def published_personas(
    paths: Paths,
    settings: ReportSettings,
    asked: PeopleSettings,
    steps: Steps,
    *,
    goal: Goal,
    segments: pl.DataFrame | None,
) -> Personas | None:
    """The personas as they may be published; null without any. `segments` are the published breakdowns.

    Columns of the frame: `persona`, `id`, `reason` (why customers are in none), `customers`, `share` (of the placed
    customers) with its interval, `mature`, `reached`, `goal_rate` with its interval, `share_of_goals`,
    `share_of_value`, `stability`, `written_for` (the fit that a person wrote the text for; null by rules),
    `share_then`, `goal_rate_then` (what the text was written for, where that has left its interval since), `text` (what
    a person wrote, else the sentences by rule) and `state`.
    """
    portfolio = asked.personas
    if portfolio is None or not portfolio.names:
        return None
    options: dict[str, Any] = {"window": settings.window, "money": _money(settings, goal)}
    rows = personas(paths, portfolio, goal, **options).to_dicts()
    by = [name for name in asked.profile if name in paths.dictionaries]
    attained = goal_attainment(paths.with_personas(portfolio), goals=[goal], by=PERSONA, **options)
    totals = _attribute_totals(persona_profile(paths, portfolio, by)) if by else {}
    withheld = _withheld_steps(segments, settings)
    cards = [
        {**card, "withheld_steps": withheld.get(card[PERSONA], set()), "attribute_totals": totals}
        for card in persona_cards(paths, portfolio, goal, by=by, **options)
    ]
    apart = {row["reason"]: row["customers"] for row in rows if row["reason"] is not None}
    journeys = {row[PERSONA]: row for row in attained.filter(~pl.col("is_total")).to_dicts()}
    customers = summary(paths)["customers"][0]
    found = publishable_personas(cards, apart, journeys, customers, k=settings.k, least=settings.least)
    published, none = personas_in_steps(*found, steps)
    in_frame = [_row(card, asked.texts) | _then(card, asked.written.get(card["id"]), settings.k) for card in published]
    in_none = [
        {"reason": reason, "customers": n, "state": WITHHELD if n is None else SHOWN}
        for reason, n in none.items()
        if n != 0
    ]
    observed = portfolio.observation
    fit = portfolio.number if isinstance(portfolio, PersonaFit) else None
    return Personas(
        pl.DataFrame([*in_frame, *in_none], schema=FRAME), PersonaNote(fit, observed.length, observed.least)
    )


def _row(card: Mapping[str, Any], texts: Mapping[str, str]) -> dict[str, Any]:
    """A row of the frame, with shares rounded as everywhere."""
    written = texts.get(card["id"])
    text = written or " ".join(sentence.text for sentence in vignette(card))
    row: dict[str, Any] = {name: card.get(name) for name in FRAME}
    shares = [name for name, dtype in FRAME.items() if dtype.is_float() and row[name] is not None]
    rounded = {name: round(float(row[name]), 4) for name in shares}
    return row | rounded | {"text": text or None}


def _then(card: Mapping[str, Any], written: Mapping[str, Any] | None, k: int) -> dict[str, Any]:
    """The fit and the numbers that a text was written for and no longer fits, as coarse as a share may be told."""
    if written is None or card["state"] != SHOWN:
        return {}
    then = {name: coarse(was, card["customers"], k) for name, was, _ in no_longer_fits(written["numbers"], card)}
    clear = {f"{name}_then": was for name, was in then.items() if was is not None and abs(was - card[name]) >= CLEAR}
    return {"written_for": written["fit"], **clear} if clear else {}


def _money(settings: ReportSettings, goal: Goal) -> list[Money]:
    return money_of(settings, [goal.value]) if isinstance(goal.value, str) else []


def _attribute_totals(profile: pl.DataFrame) -> dict[tuple[str, str], tuple[int, int]]:
    """All customers in personas with a value of a column, and those whose value is known."""
    rows = profile.filter("is_total").select("column", "value", "customers", "known")
    return {(column, value): (n, known) for column, value, n, known in rows.iter_rows()}


def _withheld_steps(segments: pl.DataFrame | None, settings: ReportSettings) -> dict[str, set[int]]:
    """The steps of each persona of which the breakdown by persona publishes no rate."""
    if segments is None:
        return {}
    own = segments.filter(pl.col("dimension") == settings.name_of(PERSONA), pl.col("state") != SHOWN)
    found: dict[str, set[int]] = {}
    for name, step in own.select("segment", "step").iter_rows():
        found.setdefault(name, set()).add(step)
    return found
