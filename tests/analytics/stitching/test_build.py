from __future__ import annotations

import random
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest import mock

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import analytics.identity.sources
import analytics.stitching.build
from analytics.identity.rules import KINDS, LOGINS, IdentityRules
from analytics.stitching.build import build, stitch
from analytics.store.paths import Paths
from analytics.touches.rules import PathRules, StageRule, TouchpointRule
from expectations import contract
from expectations.lake.layout import Lake
from expectations.lake.tables import conform
from tests.oracles.identity import customers as slow_customers
from tests.oracles.journeys import journeys_of, touch_rows
from tests.oracles.sessions import sessions as slow_sessions
from tests.written import START, at

RULES = PathRules(
    goal=["Order"],
    context=["device", "properties.page.title"],
    values=["revenue", "score", "properties.load"],
    attributes=["region"],
    touchpoints=[TouchpointRule(events=["order_placed"], name="Order"), TouchpointRule(events=["ping"], drop=True)],
    stages=[StageRule(name="Interest", touchpoints=["home"]), StageRule(name="Action", touchpoints=["Order"])],
)


def event(name: str, time: str, number: int = 0, **columns: Any) -> dict[str, Any]:
    moment = at(time)
    position = {"topic": "t", "partition": 0, "offset": number, "received_at": moment, "event_date": moment.date()}
    own = {"event_id": f"{name}@{time}", "event_name": name, "kind": "clickstream", "channel": "web"}
    return own | {"occurred_at": moment} | position | columns


def frame(*rows: dict[str, Any]) -> pl.DataFrame:
    return conform(pl.DataFrame(list(rows), infer_schema_length=None)).collect()


SHOP = frame(
    event("home", "0m", anonymous_id="x", device="phone", properties='{"page":{"title":"Home"},"load":1.5}'),
    event("ping", "1m", anonymous_id="x"),
    event(
        "order_placed",
        "2m",
        anonymous_id="x",
        customer_id="ann",
        revenue="9.90",
        kind="order",
        channel="app",
        currency="EUR",
    ),
    event("survey", "2h", customer_id="ann", survey="nps", score=9.0, kind="feedback", channel="email"),
    event("home", "3h", anonymous_id="y"),
)


def profile(identity: str, attribute: str, value: str | None, since: str, kind: str = "customer_id") -> dict[str, Any]:
    return {
        "identity_kind": kind,
        "identity": identity,
        "attribute": attribute,
        "value": value,
        "valid_from": at(since),
        "topic": "p",
        "partition": 0,
        "offset": 0,
    }


def test_events_become_touches_with_all_their_columns() -> None:
    touches = stitch(SHOP, RULES)
    assert touches.columns == [
        *("customer", "at", "touchpoint", "stage", "channel", "session", "journey", "outcome"),
        *("after_goal", "direct", "linked"),
        *("event_name", "kind", "device", "title", "region", "revenue", "score", "load", "survey", "currency"),
    ]
    rows_of_touches = touches.select(
        "customer", "touchpoint", "stage", "session", "journey", "outcome", "linked"
    ).rows()
    ann = "customer_id:ann"
    assert rows_of_touches == [
        (ann, "home", "Interest", 1, 1, "converted", "device"),
        (ann, "Order", "Action", 1, 1, "converted", "login"),
        (ann, "survey", None, 2, 1, "converted", "login"),
        ("anonymous_id:y", "home", "Interest", 1, 1, "open", "anonymous"),
    ]
    assert touches.select("title", "load", "revenue", "currency", "survey", "score").rows() == [
        ("Home", 1.5, None, None, None, None),
        (None, None, 9.9, "EUR", None, None),
        (None, None, None, None, "nps", 9.0),
        (None, None, None, None, None, None),
    ]


def test_a_currency_is_kept_with_revenue_alone_and_once() -> None:
    assert "currency" not in stitch(SHOP, RULES.model_copy(update={"values": ["score"]})).columns
    kept = stitch(SHOP, RULES.model_copy(update={"context": ["currency"], "values": ["revenue"]}))
    assert kept["currency"].to_list() == [None, "EUR", None, None]


def test_attributes_hold_as_of_the_event() -> None:
    rows = [
        profile("ann", "region", "north", "1m"),
        profile("x", "region", "south", "90m", kind="anonymous_id"),
        profile("ann", "region", "west", "90m"),
        profile("ann", "age_band", "30-39", "0m"),
        profile("y", "region", "east", "5h", kind="anonymous_id"),
        profile("nobody", "region", "none", "0m"),
    ]
    assert stitch(SHOP, RULES, pl.DataFrame(rows))["region"].to_list() == [None, "north", "west", None]


def test_an_attribute_without_a_value_is_unknown_from_then_on() -> None:
    rows = [profile("ann", "region", "north", "0m"), profile("ann", "region", None, "1h")]
    assert stitch(SHOP, RULES, pl.DataFrame(rows))["region"].to_list() == ["north", "north", None, None]


def test_ties_follow_the_sequence_number_then_the_event_id() -> None:
    rows = [
        event("b", "0m", customer_id="ann", event_id="1", properties='{"n":3}'),
        event("c", "0m", customer_id="ann", event_id="2", properties='{"n":20}'),
        event("a", "0m", customer_id="ann", event_id="3", properties='{"n":1}'),
    ]
    assert stitch(frame(*rows), PathRules(sequence="properties.n"))["touchpoint"].to_list() == ["a", "b", "c"]
    assert stitch(frame(*rows), PathRules())["touchpoint"].to_list() == ["b", "c", "a"]


def test_no_events_give_no_touches() -> None:
    touches = stitch(pl.DataFrame(schema=contract.EVENTS), RULES)
    assert touches.is_empty()
    assert touches.schema == stitch(SHOP, RULES).schema


events = st.lists(
    st.fixed_dictionaries(
        {
            "event_id": st.sampled_from([f"e{n}" for n in range(30)]),
            "event_name": st.sampled_from(["home", "order_placed", "ping"]),
            "minute": st.sampled_from([0, 0, 10, 40, 41, 100_000]),
            "customer_id": st.sampled_from([None, None, None, "ann", "bob", "cid", "dan", "eve", "fay"]),
            "anonymous_id": st.sampled_from([None, "x", "y", "z", "unknown"]),
            "identities": st.sampled_from([{}, {}, {"device_id": "k"}]),
            "channel": st.sampled_from(["web", "app"]),
        }
    ),
    min_size=1,
    max_size=25,
)


def landed(rows: list[dict[str, Any]]) -> pl.DataFrame:
    out = []
    for number, row in enumerate(rows):
        columns = {name: value for name, value in row.items() if name not in ("minute", "event_name")}
        out.append(event(row["event_name"], f"{row['minute']}m", number, **columns))
    return frame(*out)


@settings(max_examples=60)
@given(events, st.integers(0, 99))
def test_order_and_repetition_of_events_change_nothing(rows: list[dict[str, Any]], seed: int) -> None:
    rules = PathRules(identities=IdentityRules(max_degree=1))
    dice = random.Random(seed)
    again = dice.sample(rows + rows[:5], len(rows) + len(rows[:5]))
    assert stitch(landed(rows), rules).equals(stitch(landed(again), rules))


def put(lake: Lake, table: str, rows: pl.DataFrame) -> None:
    rows.write_delta(lake.table(table), mode="append")


def stored(lake: Lake) -> pl.DataFrame:
    return Paths.open(lake).touches.collect()


def test_a_lake_is_built_into_the_paths_of_its_events(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    put(lake, "events", SHOP)
    put(lake, "events", SHOP.head(2).with_columns(offset=99))
    put(lake, "profiles", pl.DataFrame([profile("ann", "region", "north", "0m")]).cast(contract.PROFILES))
    steps: list[tuple[int, int]] = []
    summary = build(lake, RULES, on_progress=lambda done, of: steps.append((done, of)))
    expected = stitch(SHOP, RULES, pl.DataFrame([profile("ann", "region", "north", "0m")]))
    order = stored(lake).columns
    assert stored(lake).equals(expected.select(order))
    assert (summary.events, summary.duplicates, summary.id_conflicts, summary.touches) == (7, 2, 0, 4)
    assert (summary.customers, summary.sessions) == (2, 3)
    assert summary.journeys == {"converted": 1, "abandoned": 0, "open": 1}
    assert summary.linked == {"login": 2, "device": 2, "session": 0, "anonymous": 1}
    assert summary.coverage["login"] == 0.4
    assert summary.end_of_data == at("3h") == Paths.open(lake).end_of_data
    assert steps == [(4, 4)]


def test_buckets_hold_whole_customers_and_the_same_touches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = Lake(str(tmp_path))
    rows = [event("home", f"{n}m", n, customer_id=f"c{n % 17}") for n in range(200)]
    put(lake, "events", frame(*rows))
    build(lake)
    whole = stored(lake)
    monkeypatch.setattr(analytics.stitching.build, "EVENTS_PER_PART", 40)
    build(lake)
    assert len(Paths.open(lake).parts) == 5
    assert stored(lake).sort("customer", "at").equals(whole.sort("customer", "at"))


def test_shares_in_which_events_are_read_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lake, dice = Lake(str(tmp_path)), random.Random(3)
    names, devices = [None, None, "ann", "bob", "cid", "dan"], [None, "x", "y", "z", "k", "k"]
    rows = [
        event("home", f"{n}m", n, customer_id=dice.choice(names), anonymous_id=dice.choice(devices)) for n in range(60)
    ]
    put(lake, "events", frame(*rows[:40], *rows[:5]))  # five even come from one place
    put(lake, "events", frame(*rows[40:], *(row | {"offset": 90 + n} for n, row in enumerate(rows[:9]))))
    rules = PathRules(identities=IdentityRules(max_degree=2))
    summary = build(lake, rules)
    whole = stored(lake)
    monkeypatch.setattr(analytics.stitching.build, "EVENTS_PER_SHARE", 7)
    monkeypatch.setattr(analytics.identity.sources, "EVENTS_AT_ONCE", 11)
    assert build(lake, rules) == summary
    assert (summary.touches, summary.duplicates) == (60, 14)
    assert stored(lake).equals(whole)


visit = st.fixed_dictionaries(
    {
        "event_name": st.sampled_from(["home", "search", "order_placed", "ping"]),
        "minute": st.sampled_from([0, 0, 10, 30, 40, 40, 71, 43_240, 43_271, 100_000]),
        "customer_id": st.sampled_from([None, None, None, *"abcdef"]),
        "anonymous_id": st.sampled_from([None, *"uvwxyz", "unknown"]),
        "identities": st.sampled_from([{}, {}, {"device_id": "k"}, {"device_id": "l"}]),
    }
)
END = 100_030
JOURNEY = ("journey", "outcome", "after_goal", "direct")
NAMES = {"home": "home", "search": "search", "order_placed": "Order"}
"""What the rules call an event; those of other names they drop."""


def slowly(rows: list[dict[str, Any]], degree: int) -> list[tuple[Any, ...]]:
    """Customer, minute, touchpoint, session, journey, outcome and link of every touch, as oracles find them."""
    own = ("customer_id", "anonymous_id")
    rows_of_touches = [
        {
            "id": f"e{number:02}",
            "at": row["minute"],
            "identities": [(kind, row[kind]) for kind in own if row[kind]] + list(row["identities"].items()),
        }
        for number, row in enumerate(rows)
    ]
    assigned = slow_customers(
        rows_of_touches, list(KINDS), list(LOGINS), ["unknown"], degree, 30, unique=("customer_id",)
    )
    found = [
        (key, row["minute"], event["id"], NAMES[row["event_name"]], linked)
        for row, event, (key, linked) in zip(rows, rows_of_touches, assigned, strict=True)
        if row["event_name"] in NAMES
    ]
    found.sort()
    visits = slow_sessions([(key, minute) for key, minute, *_ in found], 30)
    touches = [(key, minute, name) for key, minute, _, name, _ in found]
    stages = {"home": "Interest", "Order": "Action"}
    ended = touch_rows(touches, journeys_of(touches, stages, ["Interest", "Action"], {"Order"}, 30 * 24 * 60, END))
    return [
        (key, minute, name, session, *journey, linked)
        for (key, minute, _, name, linked), session, journey in zip(found, visits, ended, strict=True)
    ]


@settings(max_examples=15)
@given(st.lists(visit, min_size=6, max_size=30), st.sampled_from([1, 2, 3, 20, 20]))
def test_a_store_of_several_parts_holds_what_the_oracles_find(rows: list[dict[str, Any]], degree: int) -> None:
    rules = RULES.model_copy(update={"identities": IdentityRules(max_degree=degree)})
    numbered = [
        event(row["event_name"], f"{row['minute']}m", number, event_id=f"e{number:02}")
        | {name: row[name] for name in ("customer_id", "anonymous_id", "identities")}
        for number, row in enumerate(rows)
    ]
    with TemporaryDirectory() as folder, mock.patch.object(analytics.stitching.build, "EVENTS_PER_PART", 5):
        lake = Lake(folder)
        put(lake, "events", frame(*numbered))
        summary = build(lake, rules, end_of_data=at(f"{END}m"))
        touches, parts = stored(lake).sort("customer", maintain_order=True), Paths.open(lake).parts
    minute = ((pl.col("at") - START).dt.total_minutes()).alias("minute")
    rows_of_touches = touches.select("customer", minute, "touchpoint", "session", *JOURNEY, "linked").rows()
    assert rows_of_touches == slowly(rows, degree)
    assert len(parts) == round(len(rows) / 5)
    assert summary.customers == len({row[0] for row in rows_of_touches}) == sum(part.customers for part in parts)


def test_an_empty_lake_gives_an_empty_store(tmp_path: Path) -> None:
    summary = build(Lake(str(tmp_path)), RULES)
    assert (summary.events, summary.customers, summary.end_of_data) == (0, 0, None)
    assert summary.coverage["login"] == 0
    assert len(Paths.open(str(tmp_path))) == 0


def test_the_end_of_the_data_can_be_set(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    put(lake, "events", SHOP)
    build(lake, RULES, end_of_data=START + timedelta(days=100))
    assert stored(lake)["outcome"].to_list() == ["converted", "converted", "converted", "abandoned"]
    assert Paths.open(lake).end_of_data == START + timedelta(days=100)


def test_a_crash_half_way_leaves_the_old_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = Lake(str(tmp_path))
    put(lake, "events", SHOP)
    build(lake, RULES)
    before = stored(lake)
    put(lake, "events", SHOP.with_columns(event_id=pl.col("event_id") + "2", offset=pl.col("offset") + 100))

    def crash(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(analytics.stitching.build, "add_counts", crash)
    with pytest.raises(KeyboardInterrupt):
        build(lake, RULES)
    assert stored(lake).equals(before)
