"""Contacts are counted as the definition says."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from analytics import Paths, Step, UnknownWordWarning, contacts, wilson
from expectations.errors import DefinitionError
from tests.oracles.whole_paths.contacts import Touched, counts
from tests.written import START, frame_in_parts

HOUR, DAY = 3600, 86_400
NAMES, CHANNELS = ["call", "chat", "look", "look", "passed"], ["web", "app", "phone", "store"]
COUNTS = (
    "customers",
    "contacts",
    "mature",
    "resolved",
    "outside_web",
    "after_web",
    "transferred",
    "chats",
    "contained",
)
BEHIND = {
    "resolved": ("resolved", "mature", "repeated"),
    "after_web": ("after_web", "outside_web", "not_after_web"),
    "transferred": ("transferred", "mature", "not_transferred"),
    "contained": ("contained", "chats", "not_contained"),
}
"""The part and the whole of each share, and what the rest is called."""


def drawn(seed: int) -> dict[str, list[Touched]]:
    """Customers with touches on whole hours, so that times and edges are often equal."""
    draw = random.Random(seed)
    people = {}
    for number in range(draw.randint(1, 9)):
        at, session, journey, own = draw.randint(0, 40) * HOUR, 1, 1, []
        for place in range(draw.randint(1, 14)):
            step = draw.choice([0, 1, 12, 24, 24, 48, 100, 24 * 7])
            at, session = at + step * HOUR, session + (step > 1)
            journey += draw.random() < 0.15
            reason = draw.choice([None, "bill", "parcel"])
            name = f"{draw.choice(NAMES)}"
            own.append(Touched(at, name, draw.choice(CHANNELS), reason, session, draw.choice([journey, journey, None])))
            own[-1] = own[-1]._replace(after=bool(place % 2) and own[-1].journey is not None)
        people[f"c{number}"] = [t for k, t in enumerate(own) if t not in own[:k]]
    return people


def shop(people: dict[str, list[Touched]], size: int = 10**9) -> Paths:
    schema = {
        "customer": pl.String,
        "at": pl.Datetime("us", "UTC"),
        "touchpoint": pl.String,
        "channel": pl.String,
        "reason": pl.String,
        "session": pl.UInt32,
        "journey": pl.UInt32,
    }
    rows = [(who, START + timedelta(seconds=t.at), *t[1:6]) for who, own in people.items() for t in own]
    return frame_in_parts(pl.DataFrame(rows, schema=schema, orient="row"), size, START + timedelta(days=30))


@pytest.mark.parametrize("seed", range(20))
def test_counts_are_those_of_a_loop_over_contacts(seed: int) -> None:
    people = drawn(seed)
    told = {"repeat": "4d", "before": "24h", "contained": "12h"}
    given: dict[str, Any] = {"reason": "reason", "chats": "chat", "transfers": "passed", **told}
    found = contacts(shop(people), ["call", "chat"], **given)
    lengths = {"repeat": 4 * DAY, "before": DAY, "contained": 12 * HOUR}
    expected = counts(people, ["call", "chat"], chats=["chat"], marks=["passed"], end=30 * DAY, **lengths)
    assert found.select(COUNTS).to_dicts() == ([expected] if expected["contacts"] else [])
    alone = [
        counts({who: own}, ["call", "chat"], chats=["chat"], marks=["passed"], end=30 * DAY, **lengths)
        for who, own in people.items()
    ]
    for row in found.to_dicts():
        for name, (part, whole, rest) in BEHIND.items():
            assert row[f"customers_{name}"] == sum(one[part] > 0 for one in alone), name
            assert row[f"customers_{rest}"] == sum(one[whole] > one[part] for one in alone), rest
        assert row["open"] + row["mature"] == row["contacts"] and row["repeated"] + row["resolved"] == row["mature"]
        if row["mature"]:
            assert row["first_contact_resolution"] + row["repeat_rate"] == pytest.approx(1)
            assert row["repeat_rate_low"] <= row["repeat_rate"] <= row["repeat_rate_high"]
    cut = contacts(shop(people, 5), ["call", "chat"], by="channel", **given)
    assert_frame_equal(cut.filter("is_total").drop("channel"), found, check_exact=True)
    sums = cut.filter(~pl.col("is_total")).select(pl.col(COUNTS[1:]).sum())
    assert sums.to_dicts() == [{name: expected[name] for name in COUNTS[1:]}]


def asked(text: dict[str, str], **options: Any) -> dict[str, Any]:
    return contacts(Paths.from_text(text, end="60d"), ["call", "chat", "mail"], **options).row(0, named=True)


def test_exactly_seven_days_later_in_another_channel_is_a_repeat() -> None:
    assert asked({"ann": "call@0d mail@7d"})["repeated"] == 1
    assert asked({"ann": "call@0d mail@169h"})["repeated"] == 0
    assert asked({"ann": "call@0d call@0d"})["repeated"] == 0, "one instant is one contact in time"


def test_another_reason_is_no_repeat_and_none_given_is() -> None:
    assert asked({"ann": "call@0d[why=bill] call@1d[why=parcel]"}, reason="why")["repeated"] == 0
    assert asked({"ann": "call@0d[why=bill] call@1d[why=bill]"}, reason="why")["repeated"] == 1
    assert asked({"ann": "call@0d[why=bill] call@1d[x=1]", "bo": "look@0d[why=bill]"}, reason="why")["repeated"] == 1
    assert asked({"ann": "call@0d[why=bill] call@1d[why=parcel]"})["repeated"] == 1, "without the column"


def test_the_web_comes_before_a_call_in_time_and_in_the_same_journey() -> None:
    near, far = "look@0h[channel=web] call@24h[channel=phone]", "look@0h[channel=web] call@25h[channel=phone]"
    assert asked({"ann": near, "bo": far})["after_web"] == 1
    other = "look@0h[channel=web,journey=1] call@2h[channel=phone,journey=2]"
    assert asked({"ann": other})["after_web"] == 0
    row = asked({"ann": "look@0h[channel=web] chat@1h[channel=web]"})
    assert (row["outside_web"], row["web_then_call_rate"]) == (0, None)
    assert asked({"ann": "look@0h call@1h"})["outside_web"] == 0, "without channels it is not known"
    pages = Step("look")
    assert asked({"ann": "look@0h call@1h"}, web=pages)["after_web"] == 1


def test_a_contact_that_goes_on_elsewhere_in_its_session_is_transferred() -> None:
    row = asked({"ann": "chat@0m[session=1] call@5m[session=1]", "bo": "call@0m[session=1] call@5m[session=1]"})
    assert (row["transferred"], row["transfer_rate"]) == (1, 0.25)
    assert asked({"ann": "chat@0m call@5m"})["transfer_rate"] is None


def test_the_interval_is_of_customers() -> None:
    one = asked({"ann": " ".join(f"call@{8 * n}d" for n in range(6)), "bo": "call@0d call@1d"})
    assert (one["mature"], one["resolved"], one["customers"]) == (8, 7, 2)
    assert one["first_contact_resolution_low"] < float(wilson(7, 8)[0])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"repeat": "0d"}, "repeat above 0"),
        ({"before": "7"}, "length of time"),
        ({"reason": "why"}, "no column"),
        ({"by": "none"}, "no column"),
        ({"by": "contacts"}, "cannot be a breakdown"),
    ],
)
def test_what_cannot_be_asked_is_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(DefinitionError, match=words):
        asked({"ann": "call@0d[contacts=1]"}, **options)


def test_nobody_nothing_and_unknown_words() -> None:
    assert contacts(shop({}), "call").is_empty()
    with pytest.raises(DefinitionError, match="names nothing"):
        contacts(shop(drawn(1)), [])
    with pytest.warns(UnknownWordWarning, match="cal"):
        assert contacts(Paths.from_text({"ann": "call@0d"}), "cal").is_empty()
