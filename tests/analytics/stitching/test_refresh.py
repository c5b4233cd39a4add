"""A refreshed store equals a rebuilt store, whatever landed, in whatever order, and however it was cut into batches."""

from __future__ import annotations

import pkgutil
import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from deltalake import DeltaTable

import analytics.stitching.refresh
from analytics.identity.links import split
from analytics.identity.rules import IdentityRules
from analytics.stitching.build import StitchSummary, build
from analytics.stitching.refresh import refresh, summary_of
from analytics.store.manifest import STORE_FORMAT
from analytics.store.paths import Paths
from analytics.touches.rules import PathRules, StageRule, TouchpointRule
from expectations import contract
from expectations.errors import StorageError
from expectations.lake.layout import Lake
from expectations.lake.tables import conform
from tests.written import START, at


def event(name: str, time: str, number: int, **columns: Any) -> dict[str, Any]:
    moment = at(time)
    place = {"topic": "t", "partition": 0, "offset": number, "received_at": moment, "event_date": moment.date()}
    own = {"event_id": f"{name}{number}", "event_name": name, "kind": "clickstream", "channel": "web"}
    return own | {"occurred_at": moment} | place | columns


def land(lake: Lake, *rows: dict[str, Any]) -> None:
    frame = conform(pl.DataFrame(list(rows), infer_schema_length=None)).collect()
    frame.write_delta(lake.table("events"), mode="append", delta_write_options={"partition_by": ["event_date"]})


def stored(paths: Paths) -> pl.DataFrame:
    return paths.touches.collect().sort("customer", maintain_order=True)


def rebuilt(lake: Lake, rules: PathRules, folder: Path) -> tuple[pl.DataFrame, StitchSummary]:
    shutil.rmtree(folder, ignore_errors=True)
    summary = build(lake, rules, into=folder)
    return stored(Paths.open(folder)), summary


@pytest.fixture
def no_build(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise AssertionError("the paths were rebuilt")

    monkeypatch.setattr(analytics.stitching.refresh, "build", fail)


def check(lake: Lake, rules: PathRules, tmp_path: Path) -> StitchSummary:
    """Refresh, and compare with a build."""
    found = refresh(lake, rules)
    expected, summary = rebuilt(lake, rules, tmp_path / "rebuilt")
    assert stored(Paths.open(lake)).select(expected.columns).equals(expected)
    assert summary == summary_of(lake) == (found or summary)
    return summary


def test_paths_are_refreshed_only_when_something_changed(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    land(lake, event("home", "0m", 0, customer_id="ann"), event("cart", "1m", 1, customer_id="bob"))
    assert refresh(lake) is not None
    assert refresh(lake) is None
    land(lake, event("order_placed", "2m", 2, customer_id="ann"))
    summary = refresh(lake)
    assert summary is not None
    assert summary.touches == len(Paths.open(lake)) == 3
    assert refresh(lake, PathRules(goal=["cart"])) is not None
    assert refresh(lake, PathRules(goal=["cart"]), end_of_data=at("90d")) is not None


DEVICE = {"device_id": "p"}
CASES: dict[str, tuple[list[dict[str, Any]], list[dict[str, Any]]]] = {
    "a customer goes on": (
        [event("home", "0m", 0, customer_id="ann"), event("home", "0m", 1, customer_id="bob")],
        [event("cart", "9m", 2, customer_id="ann")],
    ),
    "a late event splits a session": (
        [event("home", "0m", 0, customer_id="ann"), event("cart", "40m", 1, customer_id="ann")],
        [event("search", "5m", 2, customer_id="ann")],
    ),
    "two customers merge": (
        [event("home", "0m", 0, anonymous_id="x"), event("cart", "0m", 1, customer_id="bob")],
        [event("cart", "0m", 2, anonymous_id="x", customer_id="bob")],
    ),
    "a value comes to be shared and parts who it joined": (
        [event("home", f"{n}m", n, anonymous_id="k", customer_id=who) for n, who in enumerate(["ann", "bob"])]
        + [event("home", "3m", 5, anonymous_id="k"), event("ping", "4m", 6, anonymous_id="k")],
        [event("home", "9m", 7, anonymous_id="k", customer_id="cid")],
    ),
    "a login on a shared value takes events over": (
        [event("home", f"{n}m", n, anonymous_id="k", customer_id=who) for n, who in enumerate(["ann", "bob", "cid"])]
        + [event("home", "50m", 5, anonymous_id="k")],
        [event("home", "45m", 7, anonymous_id="k", customer_id="ann")],
    ),
    "a second person logs in on a device": (
        [
            event("home", "0m", 0, customer_id="ann", anonymous_id="x"),
            event("home", "3m", 1, anonymous_id="x"),
            event("home", "400m", 2, anonymous_id="x"),
            event("ping", "401m", 3, anonymous_id="x"),
        ],
        [event("home", "9m", 4, customer_id="bob", anonymous_id="x"), event("home", "14m", 5, anonymous_id="x")],
    ),
    "a shorter way to another person moves a device": (
        [
            event("home", "0m", 0, customer_id="ann", anonymous_id="x"),
            event("home", "3m", 1, customer_id="bob"),
            event("home", "4m", 2, anonymous_id="x", identities=DEVICE),
            event("home", "99m", 3, identities=DEVICE),
        ],
        [event("home", "9m", 4, customer_id="bob", identities=DEVICE)],
    ),
    "a link far away ties what was one person's": (
        [
            event("home", "0m", 0, customer_id="ann", anonymous_id="x"),
            event("home", "3m", 1, customer_id="bob"),
            event("home", "4m", 2, anonymous_id="x", identities=DEVICE),
            event("home", "99m", 3, identities=DEVICE),
            event("home", "3m", 4, anonymous_id="y"),
        ],
        [
            event("home", "9m", 5, customer_id="bob", anonymous_id="y"),
            event("home", "10m", 6, anonymous_id="y", identities=DEVICE),
        ],
    ),
    "a journey lapses": (
        [event("home", "0m", 0, customer_id="ann"), event("home", "1m", 1), event("order_placed", "0m", 2)],
        [event("cart", "40d", 3, customer_id="bob")],
    ),
    "a duplicate changes nothing": (
        [event("home", "0m", 0, customer_id="ann")],
        [event("home", "0m", 0, customer_id="ann") | {"offset": 9}],
    ),
    "an id is given to another event": (
        [event("home", "0m", 0, customer_id="ann")],
        [
            event("home", "0m", 0, customer_id="ann", url="/") | {"offset": 8},
            event("home", "0m", 0, customer_id="ann", channel="app") | {"offset": 9},
        ],
    ),
    "events of nobody": (
        [event("home", "0m", 0)],
        [event("home", "0m", 1), event("cart", "1m", 2, customer_id="unknown")],
    ),
    "a word never met": (
        [event("home", "0m", 0, customer_id="ann")],
        [event(f"page {n}", "1m", n, customer_id=f"c{n % 3}") for n in range(1, 300)],
    ),
}
SMALL = PathRules(
    identities=IdentityRules(max_degree=2),
    touchpoints=[TouchpointRule(events=["ping"], drop=True)],
    context=["url"],
    stages=[],
)
STAGED = SMALL.model_copy(update={"stages": [StageRule(name="Interest", touchpoints=["home"])]})


@pytest.mark.parametrize("rules", [SMALL, STAGED], ids=["no stage", "stages"])
@pytest.mark.parametrize("case", CASES)
def test_a_refresh_equals_a_build(tmp_path: Path, case: str, rules: PathRules, request: pytest.FixtureRequest) -> None:
    lake = Lake(str(tmp_path))
    first, then = CASES[case]
    land(lake, event("home", "0m", 900, customer_id="zed"), *first)
    refresh(lake, rules)
    request.getfixturevalue("no_build")
    land(lake, *then)
    check(lake, rules, tmp_path)


def test_the_first_touch_with_a_stage_builds_anew_since_others_begin_no_journey_any_more(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    land(lake, event("search", "0m", 0, customer_id="ann"), event("search", "1m", 1, customer_id="bob"))
    assert check(lake, STAGED, tmp_path).journeys["open"] == 2
    land(lake, event("home", "2m", 2, customer_id="ann"))
    assert check(lake, STAGED, tmp_path).journeys["open"] == 1


AFTER_THE_GOAL = [event(name, f"{day}d", day, customer_id="ann") for day, name in enumerate(["home", "order_placed"])]


@pytest.mark.parametrize("batches", [[[("return", 20)], [("return", 31)], [("return", 32)], [("home", 33)]],
                                     [[("return", 20), ("return", 32)], [("home", 40), ("order_placed", 41)]],
                                     [[("return", 80)], [("return", 90)], [("home", 91)]]])  # fmt: skip
def test_touches_of_no_journey_are_refreshed_like_any(
    tmp_path: Path, batches: list[list[tuple[str, int]]], request: pytest.FixtureRequest
) -> None:
    lake = Lake(str(tmp_path))
    land(lake, *AFTER_THE_GOAL, *(event("login", "0d", 100 + n, customer_id=f"c{n}") for n in range(3)))
    refresh(lake, STAGED)
    request.getfixturevalue("no_build")
    for batch in batches:
        land(lake, *(event(name, f"{day}d", day, customer_id="ann") for name, day in batch))
        land(lake, *(event("home", f"{day}d", 200 + day, customer_id="c1") for _, day in batch))
        check(lake, STAGED, tmp_path)


def test_empty_paths_can_be_refreshed(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    lake = Lake(str(tmp_path))
    land(lake, event("ping", "0m", 0, customer_id="ann"))
    refresh(lake, SMALL)
    request.getfixturevalue("no_build")
    for number, name in enumerate(["ping", "ping", "home", "ping", "home"], 1):
        land(lake, event(name, f"{number}m", number, customer_id="ann"))
        check(lake, SMALL, tmp_path)
    assert len(Paths.open(lake)) == 2 and all(part.touches for part in Paths.open(lake).parts)


def test_tombstones_split_customers_and_join_them_again(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    lake = Lake(str(tmp_path))
    land(lake, *(event("home", f"{n}m", n, customer_id="ann", anonymous_id=f"x{n}") for n in range(4)))
    refresh(lake)
    request.getfixturevalue("no_build")
    split(lake, "customer_id:ann", "anonymous_id:x1", decided_at=START)
    assert check(lake, PathRules(), tmp_path).customers == 1
    land(lake, event("home", "9m", 9, anonymous_id="x1"))
    assert check(lake, PathRules(), tmp_path).customers == 2
    split(lake, "customer_id:ann", "anonymous_id:x1", decided_at=at("1d"), removed=False)
    assert check(lake, PathRules(), tmp_path).customers == 1


def test_a_profile_leaves_with_an_identity_that_became_shared(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    lake, rules = Lake(str(tmp_path)), PathRules(identities=IdentityRules(max_degree=1), attributes=["region"])
    land(
        lake,
        event("home", "9m", 0, customer_id="dan", anonymous_id="x"),
        event("cart", "10m", 1, identities={"device_id": "p"}),
    )
    profile = ["anonymous_id", "x", "region", "north", START, "p", 0, 0]
    pl.DataFrame([profile], schema=contract.PROFILES, orient="row").write_delta(lake.table("profiles"))
    refresh(lake, rules)
    assert stored(Paths.open(lake)).filter(customer="customer_id:dan")["region"].to_list() == ["north"]
    request.getfixturevalue("no_build")
    land(lake, event("home", "20m", 2, anonymous_id="x", identities={"device_id": "p"}))
    check(lake, rules, tmp_path)
    assert stored(Paths.open(lake)).filter(customer="customer_id:dan")["region"].to_list() == [None]


def test_kinds_that_no_setting_names_never_stop_a_refresh(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """260 of them, and more with each refresh: none asks for a build, and the most frequent ones are counted."""
    lake = Lake(str(tmp_path))

    def swapped(number: int) -> dict[str, Any]:
        kinds = {f"user{number}@x.de": "email", "card": "1"}
        return event("home", f"{number}m", number, anonymous_id=f"u{number}", identities=kinds)

    land(lake, *map(swapped, range(260)))
    refresh(lake)
    request.getfixturevalue("no_build")
    land(lake, *map(swapped, range(260, 264)))
    summary = check(lake, PathRules(), tmp_path)
    assert (summary.customers, summary.other_kinds) == (264, 265)
    assert list(summary.other_kinds_most.items())[:2] == [("card", 264), ("user0@x.de", 1)]
    assert len(summary.other_kinds_most) == 10


def test_rewritten_files_bring_no_events(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    lake = Lake(str(tmp_path))
    land(lake, event("search", "0m", 0, customer_id="ann"))
    land(lake, event("search", "1m", 1, customer_id="ann"))
    refresh(lake)
    request.getfixturevalue("no_build")
    land(lake, event("cart", "2m", 2, customer_id="ann"))
    DeltaTable(lake.table("events")).optimize.compact()
    land(lake, event("cart", "2m", 2, customer_id="ann") | {"offset": 9}, event("cart", "3m", 3, customer_id="ann"))
    assert check(lake, PathRules(), tmp_path).duplicates == 1
    DeltaTable(lake.table("events")).vacuum(0, dry_run=False, enforce_retention_duration=False)
    land(lake, event("cart", "3m", 3, customer_id="ann") | {"offset": 10})
    assert check(lake, PathRules(), tmp_path).duplicates == 2


def test_deleted_events_are_gone_from_the_paths(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    land(lake, *(event("home", f"{n}m", n, customer_id="ann") for n in range(3)))
    refresh(lake)
    DeltaTable(lake.table("events")).delete('"offset" = 1')
    assert check(lake, PathRules(), tmp_path).touches == 2


def test_of_a_customer_with_only_later_events_the_last_journey_is_rewritten(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    lake = Lake(str(tmp_path))
    bought = [event(name, f"{n}m", n, customer_id="ann") for n, name in enumerate(["home", "order_placed", "cart"])]
    others = [event("home", "0m", 10 + n, customer_id=f"c{n}") for n in range(40)]
    land(lake, *bought, *others)
    refresh(lake)
    request.getfixturevalue("no_build")
    land(lake, event("order_placed", "9m", 3, customer_id="ann"))
    check(lake, PathRules(), tmp_path)
    (part,) = Paths.open(lake).parts
    touches, later = (pl.read_parquet(f"{part.address}.{kind}.parquet") for kind in ("touches", "later"))
    assert (len(touches), len(later), part.touches) == (43, 2, 44)
    land(lake, event("home", "20m", 4, customer_id="ann"), event("home", "5m", 5, customer_id="c7"))
    check(lake, PathRules(), tmp_path)
    assert len(pl.read_parquet(f"{Paths.open(lake).parts[0].address}.later.parquet")) == 5


def test_paths_of_another_format_are_rebuilt(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    land(lake, event("home", "0m", 0, customer_id="ann"))
    refresh(lake)
    manifest = Path(lake.paths) / "manifest.json"
    manifest.write_text(manifest.read_text().replace(f'"format": {STORE_FORMAT}', '"format": 1'))
    with pytest.raises(StorageError, match="another format"):
        Paths.open(lake)
    check(lake, PathRules(), tmp_path)
    manifest.write_text("{")
    check(lake, PathRules(), tmp_path)


def test_recent_parts_are_merged(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    lake = Lake(str(tmp_path))
    land(lake, *(event("cart", f"{n}m", n, customer_id=f"c{n}") for n in range(40)))
    refresh(lake)
    request.getfixturevalue("no_build")
    for n in range(12):
        land(lake, event("cart", f"{50 + n}m", 50 + n, customer_id=f"c{n}"))
        refresh(lake)
        assert len(Paths.open(lake).parts) <= 9
    check(lake, PathRules(), tmp_path)


class Killed(BaseException):
    """Simulates a process that is killed."""


STEPS = [
    "analytics.stitching.refresh.find_new_events",
    "analytics.stitching.refresh.update_identities",
    "analytics.stitching.refresh.restitch_events",
    "analytics.stitching.refresh.touches_of",
    "analytics.store.parts.Part.copied",
    "analytics.store.parts.Part.with_changes",
    "analytics.store.parts.Part.save",
    "analytics.stitching.refresh.write_part",
    "analytics.stitching.refresh.compact",
    "analytics.stitching.refresh_state.RefreshState.save",
    "analytics.store.writer.StoreWriter.finish",
    "analytics.store.writer.entry_of",
    "analytics.stitching.refresh.remove_other_states",
]


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("after", [False, True])
def test_a_killed_refresh_leaves_paths_that_can_be_read_and_refreshed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, *, after: bool
) -> None:
    lake = Lake(str(tmp_path))
    first, then = CASES["two customers merge"]
    land(lake, *first, event("home", "0m", 99, customer_id="zoe"))
    refresh(lake)
    before = stored(Paths.open(lake))
    land(lake, *then)
    place, _, name = step.rpartition(".")
    owner = pkgutil.resolve_name(place)
    real = getattr(owner, name)

    def die(*args: Any, **keywords: Any) -> None:
        if after:
            real(*args, **keywords)
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(owner, name, die)
        patched.setattr("expectations.lake.files.remove", lambda _: 0)
        with pytest.raises(Killed):
            refresh(lake)
    now = stored(Paths.open(lake))
    expected, _ = rebuilt(lake, PathRules(), tmp_path / "rebuilt")
    assert now.equals(before) or now.select(expected.columns).equals(expected)
    check(lake, PathRules(), tmp_path)
