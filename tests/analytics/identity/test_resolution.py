from __future__ import annotations

import random
from datetime import timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.identity.links import PAIR
from analytics.identity.resolution import _row_lookup, customers, identify
from analytics.identity.rules import IdentityRules
from analytics.touches.rules import PathRules
from expectations.lake.tables import conform
from tests.oracles.identity import customers as slow
from tests.written import START

KINDS = ["customer_id", "card", "device_id", "anonymous_id"]
LOGINS = ["customer_id", "card"]
DENY = ["", "0"]


def as_frame(events: list[dict[str, Any]]) -> pl.DataFrame:
    """Events of the oracle as a frame of the event contract; other kinds than the two columns go into the map."""
    rows = []
    for event in events:
        ids = dict(event["identities"])
        rows.append(
            {
                "event_id": event["id"],
                "event_name": "visit",
                "occurred_at": START + timedelta(minutes=event["at"]),
                "received_at": START + timedelta(minutes=event.get("arrived", event["at"])),
                "customer_id": ids.pop("customer_id", None),
                "anonymous_id": ids.pop("anonymous_id", None),
                "identities": ids,
            }
        )
    time = pl.Datetime("us", "UTC")
    schema = {"event_id": pl.String, "event_name": pl.String, "occurred_at": time, "received_at": time}
    schema |= {"customer_id": pl.String, "anonymous_id": pl.String, "identities": pl.Map(pl.String, pl.String)}
    return pl.DataFrame(rows, schema=schema)


def rules(**identities: Any) -> PathRules:
    """Rules without a unique kind, unless one is named."""
    settings = {"unique": []} | identities
    return PathRules(identities=IdentityRules(kinds=KINDS, logins=LOGINS, deny=DENY, **settings))


def found(events: list[dict[str, Any]], **identities: Any) -> list[tuple[str, str]]:
    return customers(as_frame(events), rules(**identities)).select("customer", "linked").rows()


def story(text: str) -> list[dict[str, Any]]:
    """`"0 d=k c=ann; 5 d=k"`: time in minutes, then identities (c customer_id, d device_id, a anonymous_id, l card)."""
    kinds = {"c": "customer_id", "d": "device_id", "a": "anonymous_id", "l": "card", "x": "extra"}
    events = []
    for number, part in enumerate(text.split(";")):
        minute, *pairs = part.split()
        ids = [(kinds[pair[0]], pair[2:]) for pair in pairs]
        events.append({"id": f"e{number}", "at": float(minute), "identities": ids})
    return events


identities = st.dictionaries(
    st.sampled_from([*KINDS, "extra", "more"]), st.sampled_from(["0", "p", "q", "r", "s", "t"]), max_size=3
)
minutes = st.sampled_from([*range(0, 210, 10), 29, 31, 61])  # equal times and gaps of just the session gap are common
event_lists = st.lists(st.tuples(minutes, minutes, identities), max_size=25).map(
    lambda rows: [
        {"id": f"e{n}", "at": at, "arrived": arrived, "identities": list(ids.items())}
        for n, (at, arrived, ids) in enumerate(rows)
    ]
)


identity = st.tuples(st.sampled_from(KINDS), st.sampled_from("pqrst"))
tombstones = st.lists(st.tuples(identity, identity), max_size=4)


@settings(max_examples=150)
@given(
    event_lists,
    st.sampled_from([1, 2, 3, 20, 20, 20]),
    st.sampled_from(["last_login", "first_login", "session", "never"]),
    st.none() | minutes,
    tombstones,
    st.sampled_from([(), ("customer_id",), ("customer_id",), ("card",), ("anonymous_id", "customer_id", "extra")]),
)
def test_customers_are_those_of_the_oracle(
    events: list[dict[str, Any]],
    degree: int,
    policy: str,
    as_of: int | None,
    removed: list[Any],
    unique: tuple[str, ...],
) -> None:
    moment = None if as_of is None else START + timedelta(minutes=as_of)
    expected = slow(events, KINDS, LOGINS, DENY, degree, 30, policy, as_of, removed, unique)
    gone = pl.DataFrame([(*one, *other) for one, other in removed], schema=PAIR, orient="row")
    settings = rules(max_degree=degree, shared=policy, as_of=moment, unique=unique)
    stitched = customers(as_frame(events), settings, gone)
    assert stitched.select("customer", "linked").rows() == expected


@given(event_lists, st.integers(0, 99))
def test_order_of_arrival_changes_nothing(events: list[dict[str, Any]], seed: int) -> None:
    shuffled = random.Random(seed).sample(events, len(events))
    straight, other = (found(rows, max_degree=3, unique=["customer_id"]) for rows in (events, shuffled))
    straight_by_id = dict(zip([e["id"] for e in events], straight, strict=True))
    assert straight_by_id == dict(zip([e["id"] for e in shuffled], other, strict=True))


def test_a_login_names_the_browsing_before_and_after_it() -> None:
    assert found(story("0 a=x; 5 a=x c=ann; 9 a=x; 9 a=y")) == [
        ("customer_id:ann", "device"),
        ("customer_id:ann", "login"),
        ("customer_id:ann", "device"),
        ("anonymous_id:y", "anonymous"),
    ]


def test_the_customer_key_is_the_smallest_identity_of_the_most_trusted_kind() -> None:
    assert {key for key, _ in found(story("0 a=a l=1; 1 a=a c=zoe; 2 c=zoe d=d; 3 d=d c=ann"))} == {"customer_id:ann"}


def test_denied_values_never_link() -> None:
    assert found(story("0 c=0 a=x; 1 c=0 a=y")) == [("anonymous_id:x", "anonymous"), ("anonymous_id:y", "anonymous")]


@pytest.mark.parametrize(
    ("kind", "value", "settings", "denied"),
    [
        ("email_hash", "Unknown", {}, True),  # in small letters first: its kind ignores case
        ("customer_id", "Unknown", {}, False),  # of a kind that does not
        ("customer_id", "Unknown", {"lower": ["customer_id"]}, True),
        ("customer_id", " 0 ", {}, True),
        ("customer_id", " 0 ", {"trim": False}, False),
        ("customer_id", "  ", {}, True),
        ("customer_id", "  ", {"trim": False}, False),
        ("email_hash", "AB12", {"deny": [" Ab12"]}, True),  # the list is written as people write
        ("email_hash", "AB12", {"deny": [" Ab12"], "trim": False}, False),
        ("customer_id", "AB12", {"deny": ["Ab12"]}, False),
        ("customer_id", "", {"deny": []}, False),
        ("customer_id", "unknown", {"deny": ["test"]}, False),
    ],
)
def test_a_value_is_denied_as_its_kind_compares_it(
    kind: str, value: str, settings: dict[str, Any], denied: bool
) -> None:
    own = {"identities": [{kind: value}] * 2} if kind == "email_hash" else {kind: [value] * 2}
    frame = pl.DataFrame({"event_name": "e", "occurred_at": START, "anonymous_id": ["x", "y"], **own})
    found = customers(frame, PathRules(identities=IdentityRules(**settings)))["customer"]
    assert found.n_unique() == (2 if denied else 1)
    assert found.str.starts_with("anonymous_id:").all() == denied


def test_blanks_and_the_case_of_hashes_do_not_split_a_customer() -> None:
    frame = pl.DataFrame(
        {
            "event_name": "e",
            "occurred_at": START,
            "customer_id": ["ann", " ann ", "Ann", None],
            "identities": [{"email_hash": "AB"}, None, None, {"email_hash": "ab"}],
        }
    )
    assert customers(frame)["customer"].to_list() == [f"customer_id:{who}" for who in ("ann", "ann", "Ann", "ann")]


def test_an_event_without_a_usable_identity_is_a_customer_of_its_own() -> None:
    assert found(story("0 c=0; 1 c=0")) == [("event_id:e0", "anonymous"), ("event_id:e1", "anonymous")]


KIOSK = "0 d=k; 5 d=k c=ann; 10 d=k; 20 d=k c=bob; 25 d=k; 99 d=k; 200 d=k c=cid"


def test_a_kiosk_does_not_join_its_users() -> None:
    events = found(story(KIOSK), max_degree=2)
    assert [key for key, way in events if way == "login"] == ["customer_id:ann", "customer_id:bob", "customer_id:cid"]


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("last_login", ["ann", "ann", "bob", None]),
        ("first_login", ["ann", "ann", "ann", "ann"]),
        ("session", [None, None, None, None]),
        ("never", [None, None, None, None]),
    ],
)
def test_events_of_a_kiosk_go_by_the_policy(policy: str, expected: list[str | None]) -> None:
    events = found(story(KIOSK), max_degree=2, shared=policy)
    wanted = [(f"customer_id:{who}", "session") if who else ("device_id:k", "anonymous") for who in expected]
    assert [events[place] for place in (0, 2, 4, 5)] == wanted


CROWD = "0 d=k c=ann; 0 d=k c=bob; 0 d=k c=cid"


@pytest.mark.parametrize(
    ("policy", "inside", "outside"),
    [("last_login", "ann", None), ("first_login", "ann", "ann"), ("session", None, None), ("never", None, None)],
)
def test_the_session_of_a_shared_device_ends_after_a_gap_longer_than_the_session_gap(
    policy: str, inside: str | None, outside: str | None
) -> None:
    for gap, owner in ((30, inside), (30.1, outside)):
        wanted = (f"customer_id:{owner}", "session") if owner else ("device_id:k", "anonymous")
        assert found(story(f"{CROWD}; {gap} d=k"), max_degree=2, shared=policy)[3] == wanted
        only = found(story(f"{CROWD}; 500 d=k c=dan; {500 + gap} d=k; {500 - gap} d=k"), max_degree=2, shared=policy)
        dan = ("customer_id:dan", "session")
        if policy in ("last_login", "session"):
            assert only[4:] == [dan if gap == 30 else ("device_id:k", "anonymous")] * 2


def test_the_sessions_of_two_shared_devices_are_apart() -> None:
    events = found(story(f"{CROWD}; 1 d=l; 5 d=l c=x; 5 d=l c=y; 5 d=l c=z"), max_degree=2)
    assert events[3] == ("customer_id:x", "session")


def test_a_person_with_many_devices_stays_one_customer() -> None:
    assert {key for key, _ in found(story("0 c=ann a=1; 1 c=ann a=2; 2 c=ann a=3; 3 a=3"), max_degree=2)} == {
        "customer_id:ann"
    }


def test_a_card_that_many_people_use_stops_linking() -> None:
    events = found(story("0 c=ann l=9; 1 c=bob l=9; 2 c=cid l=9; 3 l=9; 99 l=9"), max_degree=2)
    assert events[3:] == [("customer_id:cid", "session"), ("card:9", "anonymous")]


def test_what_arrived_later_does_not_link_as_of_a_time() -> None:
    events = [
        {"id": "e0", "at": 0, "arrived": 0, "identities": [("anonymous_id", "x")]},
        {"id": "e1", "at": 1, "arrived": 90, "identities": [("anonymous_id", "x"), ("customer_id", "ann")]},
    ]
    assert found(events, as_of=START + timedelta(minutes=89))[0] == ("anonymous_id:x", "anonymous")
    assert found(events, as_of=START + timedelta(minutes=90))[0] == ("customer_id:ann", "device")


def test_a_link_that_had_arrived_counts_as_of_a_time_even_if_repeated_later() -> None:
    events = story("0 a=x; 1 a=x c=ann; 2 a=x c=ann; 3 a=x c=ann")
    for event, arrived in zip(events, (0, 90, 10, 95), strict=True):
        event["arrived"] = arrived
    assert found(events, as_of=START + timedelta(minutes=50))[0] == ("customer_id:ann", "device")


def test_a_login_that_arrived_later_takes_no_events_of_a_shared_device_as_of_a_time() -> None:
    events = story(f"{CROWD}; 40 d=k; 45 d=k c=dan")
    events[4]["arrived"] = 90
    for moment, owner in ((89, ("device_id:k", "anonymous")), (90, ("customer_id:dan", "session"))):
        assert found(events, max_degree=2, as_of=START + timedelta(minutes=moment))[3] == owner


def test_a_salt_turns_keys_into_pseudonyms_and_joins_the_same_customers() -> None:
    events = story("0 a=x; 5 a=x c=ann; 9 a=y; 12 c=0")
    plain, salted, other = (
        [key for key, _ in found(events, salt=salt)] for salt in (None, "a secret of the shop", "another secret here")
    )
    assert all(key.startswith("customer:") and len(key) == 41 for key in salted)
    assert [salted.index(key) for key in salted] == [plain.index(key) for key in plain]
    assert not set(salted) & set(other)
    assert "secret" not in repr(IdentityRules(salt="a secret of the shop"))


def test_identities_may_come_as_a_struct() -> None:
    frame = pl.DataFrame(
        {"event_name": "e", "occurred_at": [START, START], "identities": [{"device_id": "d", "card": None}] * 2}
    )
    assert customers(frame)["customer"].to_list() == ["device_id:d"] * 2


def test_no_events_give_no_customers() -> None:
    assert customers(as_frame([])).schema["customer"] == pl.String


@given(st.sets(st.one_of(st.integers(0, 2**64 - 1), st.integers(0, 40), st.just(2**64 - 1)), min_size=1), st.randoms())
def test_hashes_find_their_rows_however_they_are_distributed(known: set[int], dice: Any) -> None:
    ordered = sorted(known)
    asked = dice.choices(ordered, k=50)
    found = _row_lookup(pl.Series(ordered, dtype=pl.UInt64))(pl.Series(asked, dtype=pl.UInt64))
    assert found.to_list() == [ordered.index(one) for one in asked]


def test_only_kinds_that_a_setting_names_link() -> None:
    """A client that swaps key and value makes a kind of every person; `extra` is named nowhere."""
    swapped = [{f"user{n}@x.de": "email", "extra": "1", "card": "2"} for n in range(2)]
    frame = pl.DataFrame({"event_name": "e", "occurred_at": START, "anonymous_id": ["x", "y"]})
    frame = frame.with_columns(pl.Series("identities", swapped, dtype=pl.Map(pl.String, pl.String)))
    assert customers(frame)["customer"].n_unique() == 2
    assert customers(frame, PathRules(identities=IdentityRules(logins=["card"])))["customer"].n_unique() == 1
    found = identify(conform(frame), PathRules())
    assert set(found.other_kinds.rows()) == {("user0@x.de", 1), ("user1@x.de", 1), ("extra", 2), ("card", 2)}
    assert found.nodes["kind"].unique().to_list() == ["anonymous_id"]
