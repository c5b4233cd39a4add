"""The sentences of `analytics.why`: one a kind, eight at most, and what is withheld is said."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import polars as pl

from analytics.monitoring.why import WHY
from reports.privacy.watches import INCIDENTS, Incidents
from reports.words.why import why_sentences

ON = datetime(2026, 2, 26, tzinfo=UTC)
CHANGE = {"kind": "change", "source": "goal_change", "name": "Order", "effect": "total", "clear": True}
CHANGE |= {"before": 0.4, "after": 0.3, "difference": -0.1, "low": -0.12, "high": -0.08}


def said(*rows: dict[str, Any], incidents: Incidents | None = None) -> list[str]:
    table = pl.DataFrame([{**dict.fromkeys(WHY), **row} for row in rows], schema=WHY, orient="row")
    found = why_sentences(table, incidents or Incidents(), {"device": "Device"})
    return [row["sentence"].replace("\u202f", " ") for row in found]


def test_every_kind_is_one_sentence_in_order() -> None:
    part = {**CHANGE, "by": "device", "group": ["phone"]}
    driver = {**part, "kind": "driver", "name": "Order", "by": "met:Error", "group": ["yes"], "before": 0.02}
    watched = {"kind": "incident", "source": "watch", "clear": True}
    rows: list[dict[str, Any]] = [
        CHANGE,
        {**part, "kind": "step", "name": "Paid", "effect": "stage"},
        {**part, "kind": "segment", "name": None, "effect": "rate"},
        {**driver, "after": 0.3, "difference": 0.28, "low": 0.2, "high": 0.36},
        *({**watched, "name": name} for name in ("few", "first", "second")),
        *({"kind": "note", "source": "journeys", "name": name, "since": ON} for name in ("new page", "new price")),
        {"kind": "note", "source": "release_marks", "name": "4.2", "by": "device", "since": ON},
        {"kind": "data", "source": "watch", "name": "web", "since": ON, "until": ON},
        {"kind": "data", "source": "channel_lateness", "until": ON},
        {"kind": "unchanged", "source": "goal_change", "name": "plan × device"},
        {"kind": "too_few", "source": "goal_change", "customers_after": 3},
        {"kind": "not_tested", "source": "drivers", "name": "Paid"},
        {"kind": "not_tested", "source": "watch", "name": "device"},
        {"kind": "not_tested", "source": "watch"},
    ]
    shown = {**dict.fromkeys(INCIDENTS), "rule": "unusual", "status": "open", "is_new_usual": False, "measure": "goal"}
    shown |= {"name": "goal rate"}
    shown |= {"seen": 10, "of": 40, "share": 0.25, "expected": 0.5, "first": date(2026, 2, 26), "last": ON.date()}
    alerts = pl.DataFrame([{**shown, "alert": name} for name in ("second", "first")], schema=INCIDENTS, orient="row")
    assert said(*rows, incidents=Incidents(alerts)) == [
        "The rate of 'Order' went from 40.0 % to 30.0 %: −10.0 pp (−12.0 to −8.0).",
        "Device phone, at Paid: 30.0 % instead of 40.0 % went on; that is −10.0 pp (−12.0 to −8.0) of their own rate.",
        "Device phone: a rate of 30.0 % instead of 40.0 %; that alone is −10.0 pp (−12.0 to −8.0).",
        "Of those before Order, those who had met “Error” before dropped out by +30.0 pp against all others, and by "
        "+2.0 pp in the period before: +28.0 pp, +20.0 to +36.0, an association and no cause.",
        "On these days: The goal: 25 % instead of 50 %, since 26 Feb; and 1 more: journeys watch --replay.",
        "Noted then, which is no proof of a cause: 26 Feb 2026, new page; 26 Feb 2026, new price; 26 Feb "
        "2026, Device “4.2” first seen.",
        "Data of channel “web” are missing or late, 26 Feb 2026; late events may still come until 26 Feb 2026.",
        "Also looked at: nothing beyond its interval by plan × Device; 3 with too few customers for an interval; 1 "
        "withheld, as few customers are behind them; who drops before Paid could not be tested; not watched, Device: "
        "too many values; what was unusual on these days could not be tested.",
    ]


def test_a_quiet_answer_says_so_and_few_customers_say_nothing() -> None:
    unclear = {**CHANGE, "clear": False}
    quiet = [{"kind": "unchanged", "source": source, "name": "Paid"} for source in ("drivers", "watch")]
    assert said({**unclear, "after": 0.39, "difference": -0.01, "low": -0.03, "high": 0.01}, *quiet) == [
        "Nothing moved beyond its interval. The rate of 'Order' went from 40.0 % to 39.0 %: −1.0 pp (−3.0 to +1.0), "
        "which may be chance.",
        "Also looked at: nobody dropped before Paid more than before against all others; no alert on these days.",
    ]
    (few,) = said({**unclear, "low": None, "high": None})
    assert few.endswith("went from 40.0 % to 30.0 %; too few customers to say more.")
    assert said() == []
