"""Words for incidents: what was seen instead of what, for whom, on which days, whether it is over, what rose with it.

In: rows of `reports.privacy.watches.INCIDENTS` and `RISES`. The same sentence stands on Summary and Change and in
`journeys watch`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import polars as pl

from reports.privacy.watches import Incidents
from reports.words.numbers import count, percent, quoted, uncapitalized, whole_interval

MOST_NOTICES: Final = 3
MISSED: Final = {"below target": "below its target of", "above target": "above its target of"}
FEW: Final = "few"
WHAT: Final = {"goal rate": "The goal", "errors": "Errors", "slow pages": "Slow pages"}


def what_of(row: dict[str, Any]) -> str:
    """What is watched, without the group.

    >>> what_of({"measure": "pair", "source": "Cart", "target": "Paid", "name": "Cart -> Paid"})
    '“Cart” → “Paid”'
    >>> what_of({"measure": "survey", "source": None, "target": None, "name": "csat"})
    'Low answers to “csat”'
    >>> what_of({"measure": "stage", "source": None, "target": None, "name": "Awareness -> Interest"})
    '“Awareness” → “Interest”'
    """
    if row["source"] is not None and row["target"] is not None:
        return f"{quoted(row['source'])} → {quoted(row['target'])}"
    if row["measure"] in ("stage", "funnel"):
        return " → ".join(map(quoted, row["name"].split(" -> ")))
    if row["measure"] == "survey":
        return f"Low answers to {quoted(row['name'])}"
    if row["measure"] == "channel":
        return f"Channel {quoted(row['name'])}"
    return WHAT.get(row["measure" if row["measure"] != "goal" else "name"], quoted(row["name"]))


def subject_of(row: dict[str, Any]) -> str:
    """What is watched, and for whom."""
    group = "" if row["dimension"] is None else f", {uncapitalized(row['dimension'])} {quoted(row['segment'])}"
    return what_of(row) + group


def days_of(row: dict[str, Any]) -> str:
    """On which days, or since when.

    >>> from datetime import date
    >>> days_of({"first": date(2026, 2, 26), "last": date(2026, 3, 5), "status": "closed", "is_new_usual": False})
    '26 Feb to 5 Mar'
    """
    first, last = (f"{day.day} {day:%b}" for day in (row["first"], row["last"]))
    if row["is_new_usual"]:
        return f"since {first}, which is usual now"
    if row["status"] == "open":
        return f"since {first}"
    return first if first == last else f"{first} to {last}"


def watched_by(row: dict[str, Any]) -> str:
    """Which watches of the configuration tell it, and who owns them; empty where none does.

    >>> watched_by({"watch": "Checkout", "owner": "Mara"}), watched_by({"watch": None, "owner": None})
    (' (watch “Checkout”, owner “Mara”)', '')
    """
    if row["watch"] is None:
        return ""
    return f" (watch {quoted(row['watch'])}{'' if row['owner'] is None else ', owner ' + quoted(row['owner'])})"


def sentence(row: dict[str, Any]) -> str:
    """An incident in one sentence, without its full stop; with the watch that tells it.

    >>> from datetime import date
    >>> row = {"rule": "below target", "measure": "goal", "name": "Order", "source": None, "target": None}
    >>> row |= {"first": date(2026, 2, 26), "last": date(2026, 3, 5), "status": "open", "is_new_usual": False}
    >>> row |= {"dimension": None, "seen": 310, "of": 1000, "share": 0.31, "expected": 0.35}
    >>> row |= {"watch": "Orders", "owner": None}
    >>> sentence(row).replace(chr(0x202F), " ")
    '“Order”: 31 %, below its target of 35 %, since 26 Feb (watch “Orders”)'
    """
    return _sentence(row) + watched_by(row)


def _sentence(row: dict[str, Any]) -> str:
    """The sentence alone.

    >>> from datetime import date
    >>> row = {"rule": "silent", "measure": "touchpoint", "name": "Search", "source": None, "target": None}
    >>> row |= {"first": date(2026, 2, 26), "last": date(2026, 3, 5), "status": "open", "is_new_usual": False}
    >>> _sentence(row | {"dimension": None})
    '“Search” has fallen silent: no touch since 26 Feb'
    """
    subject, days = subject_of(row), days_of(row)
    if row["rule"] == "silent":
        return f"{subject} has fallen silent: no touch {days}"
    seen = FEW if row["seen"] is None else count(row["seen"])
    if row["rule"] == "unheard":
        return f"{subject} is new: {seen} touches on {days}"
    if row["rule"] == "tripled":
        return f"{subject} has tripled or more: {seen} touches instead of {count(row['expected'])}, {days}"
    if row["rule"] == "missing":
        name = quoted(row["name"])
        return f"Data of channel {name} are missing or late {days}: {seen} touches instead of {count(row['expected'])}"
    if row["of"] is None:
        return f"{subject}: {seen} touches instead of {count(row['expected'])}, {days}"
    share = FEW if row["share"] is None else percent(row["share"], 0)
    if row["rule"] in MISSED:
        return f"{subject}: {share}, {MISSED[row['rule']]} {percent(row['expected'], 0)}, {days}"
    text = f"{subject}: {share} instead of {percent(row['expected'], 0)}, {days}"
    if row["goals"] is None or row["low"] < 1:
        return text
    return f"{text}; {count(row['goals'])} goals at stake ({whole_interval(row['low'], row['high'])})"


def rose_with(rows: Sequence[dict[str, Any]]) -> str:
    """What rose with an incident, in one clause; empty where nothing did.

    >>> rose_with([{"measure": "touchpoint", "name": "Call", "seen": 240, "of": None, "expected": 61.0}])
    'With it rose “Call” (240 touches instead of 61)'
    """
    said = []
    for row in rows:
        name = uncapitalized(what_of({"source": None, **row}))
        share = row["of"] is not None
        seen = percent(row["seen"] / row["of"]) if share else f"{count(row['seen'])} touches"
        said.append(f"{name} ({seen} instead of {percent(row['expected']) if share else count(row['expected'])})")
    return f"With it rose {', '.join(said)}" if said else ""


def told(incidents: Incidents) -> pl.DataFrame:
    """The alerts with the `sentence` of each and what `rose_with` it, as text."""
    rises = incidents.rises.partition_by("alert", as_dict=True)
    rows = incidents.alerts.to_dicts()
    said = [rose_with(rises[row["alert"],].to_dicts()) if (row["alert"],) in rises else "" for row in rows]
    texts = {"rose_with": said, "sentence": [sentence(row) for row in rows]}
    return incidents.alerts.with_columns(pl.Series(name, text, pl.String) for name, text in texts.items())


def notices(incidents: Incidents | None) -> tuple[str, ...]:
    """The incidents with most goals at stake, by the lower end, a sentence each; then how many more there are."""
    if incidents is None:
        return ()
    rows = incidents.costly.to_dicts()
    lines = [f"◆ {sentence(row)}. See Change." for row in rows[:MOST_NOTICES]]
    more = len(rows) - len(lines)
    return (*lines, *([f"◆ And {more} more. See Change."] if more else []))


def incident_headline(row: dict[str, Any]) -> str:
    """The title of the card of one incident: pair, group and days."""
    return f"{subject_of(row)}, {days_of(row)}"


def not_by(columns: Sequence[str]) -> str:
    """What was not watched, as a sentence that may follow another; empty where all was.

    >>> not_by(["Region", "Page"])
    ' Not by Region, Page: too many values to watch each.'
    """
    return f" Not by {', '.join(columns)}: too many values to watch each." if columns else ""


def few_cases(watches: Sequence[str]) -> str:
    """The watches with few cases, as a sentence that may follow another; empty without one.

    >>> few_cases(["Checkout"])
    ' Fewer than 30 cases in most periods of watch “Checkout”: watch longer periods, or more.'
    """
    if not watches:
        return ""
    named = ", ".join(map(quoted, watches))
    return f" Fewer than 30 cases in most periods of watch {named}: watch longer periods, or more."


def log_headline(incidents: pl.DataFrame) -> str:
    """The title of the list of alerts.

    >>> log_headline(pl.DataFrame({"status": ["open", "closed", "closed"]}))
    '3 alerts, 1 of them open'
    """
    many, still = incidents.height, incidents.filter(pl.col("status") == "open").height
    alerts = "1 alert" if many == 1 else f"{many} alerts"
    if not still:
        return f"{alerts}, {'over' if many == 1 else 'all over'}"
    return f"{alerts}, {'still open' if many == 1 else f'{still} of them open'}"
