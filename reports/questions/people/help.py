"""How often is help needed, does one contact settle the matter, and do short visits in the hand find what they want?"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import polars as pl

from analytics import ContactSettings, MomentSettings, Paths, UnknownWordWarning, contact_rate, contacts, moments
from reports.privacy.people.help import publishable_shares, shares_of_help_in_steps
from reports.privacy.rules import small
from reports.privacy.steps import Steps
from reports.questions.answers import Answers
from reports.settings import ReportSettings

Goals = tuple[tuple[frozenset[str], int], ...]
SHARES: Final = pl.Schema(
    {
        **dict.fromkeys(("measure", "group"), pl.String()),
        **dict.fromkeys(("part", "whole"), pl.Int64()),
        **dict.fromkeys(("share", "share_low", "share_high"), pl.Float64()),
        "state": pl.String(),
    }
)
CONTACTS: Final = {
    "repeat_rate": ("repeated", "mature", "customers_repeated", "customers_resolved"),
    "web_then_call_rate": ("after_web", "outside_web", "customers_after_web", "customers_not_after_web"),
    "transfer_rate": ("transferred", "mature", "customers_transferred", "customers_not_transferred"),
    "containment_rate": ("contained", "chats", "customers_contained", "customers_not_contained"),
}
"""The shares of contacts: the columns of the part, the whole, and the customers behind the part and the rest."""
NO_STAGE: Final = ""
"""The group of journeys whose first touch has no stage."""
RATE: Final = ("contacted", "mature", "customers_contacted", "customers_not_contacted")
MOMENTS: Final = {
    "there_rate": ("there", "mature", "customers_there", "customers_not_there"),
    "useful_rate": ("useful", "judged", "customers_useful", "customers_not_useful"),
    "quick_rate": ("quick", "timed", "customers_quick", "customers_not_quick"),
}


def shares_of_contacts(
    paths: Paths,
    settings: ReportSettings,
    asked: ContactSettings | None,
    steps: Steps,
    *,
    goals: Goals = (),
) -> pl.DataFrame | None:
    """The share of journeys with a contact, in all and by the stage they begin at, then the shares of contacts.

    `goals` are the touchpoints of each published goal, and the journeys that reached it: where one has the contacts and
    more, or fewer, and few journeys are between, the share of journeys is withheld. Null where no touch is a contact.
    Columns: `measure`, `group` (the stage; null: all), `part`, `whole`, `share` with its interval, `state`.
    """
    words = paths.values_of("touchpoint").to_list() if asked is not None else []
    names = [name for name in asked.touchpoints if name in words] if asked is not None else []
    if asked is None or not names or "journey" not in paths.schema:
        return None
    with _unknown_words_known():
        stage = ["stage"] if "stage" in paths.dictionaries else []
        rates = contact_rate(paths, names, by=stage, window=settings.window)
        made = contacts(paths, names, **asked.options).filter("is_total").to_dicts()
    rows = [
        _share("contact_rate", None if row["is_total"] else row["stage"] or NO_STAGE, row, RATE)
        for row in _in_order(rates, paths)
        if row["mature"]
    ]
    if rows and any(_is_near(set(names), rows[0]["part"], goal, settings.k) for goal in goals):
        rows = [row | {"secret": True} for row in rows]
    for row in made:
        rows += [_share(name, None, row, of) for name, of in CONTACTS.items() if row[name] is not None]
    return _published(rows, settings, steps, "contacts")


def shares_of_moments(
    paths: Paths, settings: ReportSettings, asked: MomentSettings | None, steps: Steps
) -> pl.DataFrame | None:
    """What short visits in the hand find, by intent: there, useful, quick; null without any such visit.

    Columns as of `shares_of_contacts`; the `group` is the intent.
    """
    if asked is None or not {asked.device, "session"} <= set(paths.schema):
        return None
    load = "load_seconds" if "load_seconds" in paths.schema else None
    with _unknown_words_known():
        found = moments(paths, asked.intents, load_seconds=load, **asked.options)
    short = found.filter("is_total", pl.col("kind") == "moment").to_dicts()
    rows = [
        _share(name, row["intent"], row, of) for row in short for name, of in MOMENTS.items() if row[name] is not None
    ]
    return _published(rows, settings, steps, "moments")


def reached_by_steps(published: Answers) -> Goals:
    """The touchpoints of each goal, and the published number of journeys that reached it."""
    steps = {goal.name: frozenset(goal.steps) for goal in published.definitions}
    if published.attained is None:
        return ()
    rows = published.attained.select("goal", "reached").drop_nulls().iter_rows()
    return tuple((steps[name], reached) for name, reached in rows if name in steps)


def _is_near(names: set[str], contacted: int, goal: tuple[frozenset[str], int], k: int) -> bool:
    """Whether a goal has these touchpoints and more, or fewer, and is reached by nearly as many journeys."""
    own, reached = goal
    return (own <= names or names <= own) and small(abs(reached - contacted), k)


def _in_order(rates: pl.DataFrame, paths: Paths) -> list[dict[str, Any]]:
    """The rows of all, then those of the stages in their order; without a stage first."""
    known = paths.definition.stages if paths.definition is not None else ()
    order: dict[str | None, int] = {None: -1, **{name: place for place, name in enumerate(known)}}
    return sorted(rates.to_dicts(), key=lambda row: (not row["is_total"], order.get(row.get("stage"), len(order))))


def _share(measure: str, group: str | None, row: Mapping[str, Any], of: Iterable[str]) -> dict[str, Any]:
    part, whole, behind, rest = of
    ends = {f"share{end}": row[f"{measure}{end}"] for end in ("", "_low", "_high")}
    counts = {"part": row[part], "whole": row[whole], "customers_part": row[behind], "customers_rest": row[rest]}
    return {"measure": measure, "group": group, **counts, **ends}


def _published(rows: list[dict[str, Any]], settings: ReportSettings, steps: Steps, table: str) -> pl.DataFrame | None:
    if not rows:
        return None
    published = shares_of_help_in_steps(publishable_shares(rows, settings.k, settings.least), steps, table)
    frame = pl.DataFrame([{name: row[name] for name in SHARES} for row in published], schema=SHARES)
    return frame.with_columns(pl.col(pl.Float64).round(4))


@contextmanager
def _unknown_words_known() -> Iterator[None]:
    """Within it no word is warned of: the verbs of the command warn."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnknownWordWarning)
        yield
