"""Hand-made answers about customers, through the privacy rules, with names of choice."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

from analytics import ContactSettings, Intent, MomentSettings
from reports.privacy.people.help import publishable_shares
from reports.privacy.people.outlook import publishable_outlook
from reports.privacy.people.people import publishable_sizes, publishable_standing
from reports.privacy.people.themes import publishable_at_stages, publishable_themes
from reports.privacy.steps import Steps
from reports.questions.answers import Outlook, People, PersonaNote, Personas
from reports.questions.people.asked import PeopleSettings
from reports.questions.people.beliefs import BELIEFS
from reports.questions.people.help import SHARES
from reports.questions.people.outlook import BANDS
from reports.questions.people.people import SIZES, STANDING
from reports.questions.people.personas import FRAME
from reports.questions.people.themes import AT_STAGES, SAID

PERSONAS = (("Phone", 4800, 0.287), ("Desk", 3600, 0.342), ("App", 90, None))
TEXT = "{} are 48 % of the placed customers ({:,}). 28.7 % (27.7 % to 29.7 %) of their journeys reach the goal in time."


def ends(name: str, share: float | None, half: float = 0.01) -> dict[str, float | None]:
    if share is None:
        return dict.fromkeys((name, f"{name}_low", f"{name}_high"))
    return {name: share, f"{name}_low": max(0.0, share - half), f"{name}_high": min(1.0, share + half)}


def share_row(measure: str, group: str | None, part: int, whole: int) -> dict[str, Any]:
    people = {"customers_part": part, "customers_rest": whole - part}
    return {"measure": measure, "group": group, "part": part, "whole": whole, **people, **ends("share", part / whole)}


def stood(stage: str | None, fresh: int, waiting: int, late: int, *, enough: bool = True) -> dict[str, Any]:
    journeys = fresh + waiting + late
    waits = {"median_wait": timedelta(days=3), "usual_wait": timedelta(hours=17), "late_after": timedelta(days=9)}
    counts = {"journeys": journeys, "customers": journeys, "fresh": fresh, "waiting": waiting, "late": late}
    shares = {"share_of_journeys": journeys / 10_000, "share_late": late / journeys if journeys else None}
    return {"stage": stage, **counts, **shares, **waits, "enough": enough}


def size(segment: str, members: int, known: int = 20_000, joined: int = 200, left: int = 50) -> dict[str, Any]:
    counts = {"members": members, "known": known, "customers": 20_500, "joined": joined, "left": left}
    return {"segment": segment, "version": 1, "says": segment, **counts, **ends("share_of_known", members / known)}


def shares_frame(rows: list[dict[str, Any]]) -> pl.DataFrame:
    published = publishable_shares(rows, 10, 30)
    return pl.DataFrame([{name: row[name] for name in SHARES} for row in published], schema=SHARES)


def said_frame(names: tuple[str, ...]) -> pl.DataFrame:
    texts = [
        {"theme": name, "texts": 900, "responses": n, "customers": n, "customers_without": 900 - n}
        | {"scored": n, "low": n // 3, "customers_low": n // 3, "customers_not_low": n - n // 3}
        | {**ends("share_of_texts", n / 900), **ends("low_rate", 0.33)}
        for name, n in zip((*names[:3], None), (310, 120, 4, 466), strict=False)
    ]
    quotes = [{"theme": names[0], "quote": f"{name} <b>&", "customers": 310} for name in names[:2]]
    rows = publishable_themes(texts, quotes, 10, 30, Steps(10))
    return pl.DataFrame([{name: row[name] for name in SAID} for row in rows], schema=SAID)


def said_at_frame(names: tuple[str, ...]) -> pl.DataFrame:
    rows = [
        {"theme": theme, "stage": stage, "texts": whole, "responses": n, "customers": n, "customers_without": whole - n}
        | ends("share_of_texts", n / whole)
        for stage, whole, counts in ((None, 900, (310, 120)), (names[0], 500, (200, 116)), (names[1], 400, (110, 4)))
        for theme, n in zip(names[:2], counts, strict=True)
    ]
    published = publishable_at_stages(rows, 10, 30, Steps(10))
    return pl.DataFrame([{name: row[name] for name in AT_STAGES} for row in published], schema=AT_STAGES)


def believed_frame(names: tuple[str, ...]) -> pl.DataFrame:
    rows = [
        {"stage": name, "question": f"q{place}", "says": f"{name} is fair", "wished": names[-1]}
        | share_row(f"{name} {place}", None, part, 120)
        for name in names[:2]
        for place, part in enumerate((84, 50, 4))
    ]
    published = publishable_shares(rows, 10, 30)
    return pl.DataFrame([{name: row[name] for name in BELIEFS} for row in published], schema=BELIEFS)


def outlook_row(
    band: int | None, chances: tuple[float, float], customers: int, tested: int, goals: int
) -> dict[str, Any]:
    expected = customers * goals / tested
    return {
        **{"band": band, "chance_from": chances[0], "chance_to": chances[1], "customers": customers},
        **{"expected_goals": expected, "expected_low": 0.9 * expected, "expected_high": 1.1 * expected},
        **{"tested": tested, "tested_goals": goals, "expected": 0.98 * goals / tested},
        **ends("seen", goals / tested),
    }


OUTLOOK_ROWS = (
    outlook_row(None, (0.0, 1.0), 11760, 11761, 843),
    outlook_row(1, (0.0, 0.05), 6201, 5880, 168),
    outlook_row(2, (0.05, 0.09), 3422, 3530, 245),
    outlook_row(3, (0.09, 0.18), 1533, 1763, 252),
    outlook_row(4, (0.18, 1.0), 604, 588, 178),
)


def outlook_answer(goal: str, rows: Sequence[dict[str, Any]] = OUTLOOK_ROWS, model: str = "hazard") -> Outlook:
    published = publishable_outlook(rows, 10, 30, Steps(10))
    frame = pl.DataFrame([{name: row[name] for name in BANDS} for row in published], schema=BANDS)
    at, tested = (datetime(2026, month, n, tzinfo=UTC) for month, n in ((4, 4), (3, 16)))
    days = timedelta(days=14)
    return Outlook(frame.with_columns(pl.col(pl.Float64).round(4)), goal, days, model, at, tested, 6)


def people_answers(names: tuple[str, ...]) -> People:
    """All cards of customers; `names` are those of stages, and of whatever else has a name."""
    personas = [
        {"persona": name, "id": f"p{place}", "customers": n, **ends("share", n / 8490), "stability": 0.93}
        | {"mature": None if rate is None else n, "reached": None if rate is None else round(n * rate)}
        | {**ends("goal_rate", rate), "share_of_goals": rate, "share_of_value": rate}
        | {"text": TEXT.format(name, n), "state": "few" if rate is None else "shown"}
        for place, (name, (_, n, rate)) in enumerate(zip(names, PERSONAS, strict=False))
    ]
    apart = [{"reason": "observed still", "customers": 1200, "state": "shown"}]
    standing = [stood(None, 0, 40, 20), stood(names[0], 200, 300, 400), stood(names[1], 20, 20, 20, enough=False)]
    sizes = publishable_sizes([size(name, 100 + 700 * n) for n, name in enumerate(names[:3])], [], 10)
    asked = PeopleSettings(
        contacts=ContactSettings(touchpoints=("Call", "Chat"), chats=("Chat",)),
        moments=MomentSettings(intents=(Intent(name="know", touchpoints=("Search",)),)),
    )
    by_stage = [share_row("contact_rate", name, 20 + n, 600) for n, name in enumerate(names[:2])]
    of_contacts = [share_row("repeat_rate", None, 40, 300), share_row("containment_rate", None, 3, 90)]
    of_moments = [share_row(name, names[0], 50, 200) for name in ("there_rate", "useful_rate", "quick_rate")]
    return People(
        personas=Personas(pl.DataFrame([*personas, *apart], schema=FRAME), PersonaNote(2, timedelta(days=30), 3)),
        sizes=pl.DataFrame([{name: row[name] for name in SIZES} for row in sizes], schema=SIZES),
        standing=pl.DataFrame(
            [{name: row[name] for name in STANDING} for row in publishable_standing(standing, 10, 30)], schema=STANDING
        ),
        contacts=shares_frame([share_row("contact_rate", None, 61, 1200), *by_stage, *of_contacts]),
        moments=shares_frame(of_moments),
        said=said_frame(names),
        said_at=said_at_frame(names),
        believed=believed_frame(names),
        outlook=outlook_answer(names[-1]),
        asked=asked,
    )
