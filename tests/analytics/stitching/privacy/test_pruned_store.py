"""Paths without a forgotten customer equal those of a lake that never had the events, now and after more has landed."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import polars as pl
import pytest
from hypothesis import event as seen_in
from hypothesis import given, settings
from hypothesis import strategies as st

import analytics.stitching.build
import analytics.stitching.privacy.forget
import analytics.stitching.privacy.pruned_store
import analytics.stitching.refresh
import analytics.store.compaction
from analytics.identity.resolution import identify
from analytics.identity.rules import IdentityRules
from analytics.stitching.build import build
from analytics.stitching.privacy.forget import forget
from analytics.stitching.privacy.pruned_state import pruned_state
from analytics.stitching.privacy.selection import SelectedCustomers, select_customers
from analytics.stitching.refresh import refresh, summary_of
from analytics.stitching.refresh_state import MEMORY, load_state
from analytics.stitching.verify import is_current
from analytics.store.manifest import generation_of
from analytics.store.paths import Paths
from analytics.touches.rules import PathRules, StageRule, TouchpointRule
from analytics.touches.watermark import activity
from expectations import contract
from expectations.errors import DefinitionError
from expectations.lake.layout import Lake
from expectations.lake.tables import landed
from tests.analytics.stitching.test_refresh import event, land, rebuilt, stored
from tests.analytics.stitching.test_refresh_batches import History, Row, apply, histories

PEOPLE = [
    "customer_id:ann",
    "customer_id:bob",
    "customer_id:cid",
    "customer_id:Dan",
    "customer_id:eve",
    "customer_id:fay",
]
DEVICES = ["anonymous_id:x", "anonymous_id:p", "anonymous_id:r", "device_id:k", "device_id:p", "email_hash:ab"]


def check_equal(lake: Lake, rules: PathRules, folder: Path) -> None:
    """The paths, their counts and the activity are those of a build."""
    expected, summary = rebuilt(lake, rules, folder / "rebuilt")
    paths = Paths.open(lake)
    assert stored(paths).select(expected.columns).equals(expected)
    assert summary == summary_of(lake) and paths.end_of_data == Paths.open(folder / "rebuilt").end_of_data
    assert is_current(lake, rules)
    state = load_state(lake, generation_of(lake))
    assert state is not None and state.activity.equals(activity(landed(lake)))


def check_nothing_left(lake: Lake, gone: SelectedCustomers, hashes: set[int], combinations: set[int]) -> None:
    """No file of paths or memory has an identity of the customers, the hash of one of their events, or a word that
    only they had; what other events carry as well may stay.
    """
    left = set(landed(lake).select(pl.col(contract.EVENT_ID).hash()).collect().to_series())
    identities = set(gone.identities.select("kind", "value").rows())
    identities -= set(identify(landed(lake), gone.rules).nodes.select("kind", "value").rows())
    touches = Paths.open(lake).touches.collect()
    for name, words in Paths.open(lake).dictionaries.items():
        assert set(words) == set(touches[name].drop_nulls()), name
    keys = {f"{kind}:{value}" for kind, value in identities}
    for file in Path(lake.address).rglob("*.parquet"):
        if file.relative_to(lake.address).parts[0] not in ("paths", MEMORY):
            continue
        frame = pl.read_parquet(file)
        if "_event" in frame.columns:
            assert not set(frame["_event"]) & (hashes - left), file
        if "customer" in frame.columns and file.name.endswith("customers.parquet"):
            assert not set(frame["customer"]) & keys, file
        if file.name == "nodes.parquet":
            assert not set(frame.select("kind", "value").rows()) & identities
        if file.name == "seen.parquet":
            assert not set(frame["_hash"]) & combinations


def events_of(lake: Lake, gone: SelectedCustomers) -> set[int]:
    mine = landed(lake).join(gone.events.lazy(), on=contract.PLACE, how="semi", nulls_equal=True)
    return set(mine.select(pl.col(contract.EVENT_ID).hash()).collect().to_series())


def hashes_of(lake: Lake, gone: SelectedCustomers) -> set[int]:
    """The hashes of the combinations that only the customers have."""
    state = load_state(lake, generation_of(lake))
    assert state is not None and gone.remembered is not None
    return set(state.seen.filter(pl.col("_customer").is_in(gone.remembered.codes.implode()))["_hash"])


@settings(max_examples=5)
@given(
    histories(),
    st.sampled_from([1, 2, 3, 20, 20, 20]),
    st.sampled_from(["last_login", "first_login", "session", "never"]),
    st.booleans(),
    st.sampled_from([4, 1_000_000]),
    st.sampled_from([[], ["customer_id"], ["customer_id"], ["customer_id", "device_id"]]),
    st.lists(st.sampled_from(PEOPLE + PEOPLE + DEVICES), min_size=1, max_size=3, unique=True),
)
def test_paths_without_a_customer_equal_those_of_a_lake_that_never_had_the_events(
    history: History, degree: int, policy: Any, salted: bool, share: int, unique: list[str], asked: list[str]
) -> None:
    rules = PathRules(
        identities=IdentityRules(
            max_degree=degree, shared=policy, salt="a secret of the shop" if salted else None, unique=unique
        ),
        touchpoints=[TouchpointRule(events=["ping"], drop=True)],
        attributes=["region"],
        sequence="properties.n" if degree == 1 else None,
    )
    *batches, (last, changes) = history.batches
    with tempfile.TemporaryDirectory() as folder:
        lake, before = Lake(folder), list[Row]()
        with (
            mock.patch.object(analytics.stitching.refresh, "TOUCHES_PER_PART", share),
            mock.patch.object(analytics.stitching.build, "EVENTS_PER_PART", share),
            mock.patch.object(analytics.store.compaction, "TOUCHES_PER_PART", share),
        ):
            for number, (batch, more) in enumerate(batches):
                land(lake, *batch)
                before += batch
                for place, what in enumerate(more):
                    apply(lake, number, place, what)
                refresh(lake, rules)
            gone = select_customers(lake, asked, rules)
            hashes, combinations = events_of(lake, gone), hashes_of(lake, gone)
            with mock.patch.object(analytics.stitching.privacy.forget, "build", wraps=build) as built:
                try:
                    forget(lake, asked, rules, large=True)
                except DefinitionError:
                    seen_in("nobody")
                    return
            seen_in("built" if built.call_count else "pruned")
            check_equal(lake, rules, Path(folder))
            check_nothing_left(lake, gone, hashes, combinations)
            land(lake, *last)
            for place, what in enumerate(changes):
                apply(lake, len(batches), place, what)
            with mock.patch.object(analytics.stitching.refresh, "build", wraps=build) as built:
                refresh(lake, rules)
            seen_in("then built" if built.call_count else "then refreshed")
            check_equal(lake, rules, Path(folder))


SHOP = PathRules(
    identities=IdentityRules(max_degree=2),
    touchpoints=[TouchpointRule(events=["ping"], drop=True)],
    stages=[StageRule(name="Interest", touchpoints=["home"])],
    attributes=["region"],
    context=["url"],
)
KIOSK = {"device_id": "kiosk"}


def shop(dice: random.Random) -> Iterator[Row]:
    """Ten customers with two devices each over some days; all of them log in at a kiosk, one after the other."""
    number = 0
    for who in range(10):
        for _ in range(dice.randint(3, 8)):
            number += 1
            login = {"customer_id": f"c{who}"} if dice.random() < 0.6 else {}
            names = ["home", "home", "cart", "order_placed", "ping"]
            yield event(
                dice.choice(names),
                f"{dice.choice([0, 5, 300, 3000, 3001, 60_000])}m",
                number,
                anonymous_id=f"x{who}-{dice.randint(0, 1)}",
                url=dice.choice(["/", "/", f"/of/c{who}"]),
                identities=dice.choice([{}, {"device_id": f"d{who}"}, {"card": f"{who}"}, {f"mine{who}": "x"}]),
                **login,
            )
        yield event("home", f"{1000 + 3 * who}m", number := number + 1, customer_id=f"c{who}", identities=KIOSK)
        yield event("cart", f"{1001 + 3 * who}m", number := number + 1, identities=KIOSK)
        for device in range(2):
            number += 1
            yield event("home", "4d", number, customer_id=f"c{who}", anonymous_id=f"x{who}-{device}")
    yield event("home", "60d", number + 1, customer_id="zed", anonymous_id="z", identities={"device_id": "z"})


def shop_rows(dice: random.Random) -> list[Row]:
    """Rows of the shop in any order; some are repeated, some have the id of another event of the same customer."""
    rows = list(shop(dice))
    for number in range(12):
        again = dice.choice(rows) | {"offset": 1000 + number}
        rows.append(again | ({"channel": "app"} if number % 3 == 0 else {}))
    return dice.sample(rows, len(rows))


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (analytics.stitching.refresh, analytics.store.compaction):
        monkeypatch.setattr(module, "TOUCHES_PER_PART", 20)
    monkeypatch.setattr(analytics.stitching.build, "EVENTS_PER_PART", 20)


def rules_of(seed: int) -> PathRules:
    """The rules of the shop with one of the policies for shared values, with and without a salt."""
    policy, salt = ["last_login", "first_login", "session", "never"][seed % 4], [None, "0123456789abcdef"][seed % 2]
    changed = SHOP.identities.model_copy(update={"shared": policy, "salt": salt})
    return SHOP.model_copy(update={"identities": changed})


def forget_three(lake: Lake, rows: list[Row], rules: PathRules, dice: random.Random) -> list[str]:
    """Lands all rows but twenty in three batches, forgets three customers, checks, lands the rest, and checks again."""
    first, *batches, last = [rows[: len(rows) - 40], rows[-40:-30], rows[-30:-20], rows[-20:]]
    land(lake, *first)
    for place, who in enumerate(["c1", "c2", "c7"]):
        apply(lake, 0, place, ("profile", who, f"region of {who}"))
    refresh(lake, rules)
    for batch in batches:
        land(lake, *batch)
        refresh(lake, rules)
    asked = [f"customer_id:c{who}" for who in dice.sample(range(10), 3)]
    gone = select_customers(lake, asked, rules)
    hashes, combinations = events_of(lake, gone), hashes_of(lake, gone)
    assert len(gone.events) > 8
    forget(lake, asked, rules)
    check_equal(lake, rules, Path(f"{lake.address}-built"))
    check_nothing_left(lake, gone, hashes, combinations)
    land(lake, *last)
    refresh(lake, rules)
    check_equal(lake, rules, Path(f"{lake.address}-built"))
    return asked


@pytest.mark.parametrize("seed", range(4))
def test_customers_who_only_share_a_kiosk_go_without_a_build(
    tmp_path: Path, seed: int, small_parts: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    dice, lake, builds = random.Random(seed), Lake(str(tmp_path / "lake")), list[str]()
    for module in (analytics.stitching.privacy.forget, analytics.stitching.refresh):
        monkeypatch.setattr(module, "build", lambda *_, name=module.__name__: builds.append(name) or build(*_))
    forget_three(lake, shop_rows(dice), rules_of(seed), dice)
    assert builds == ["analytics.stitching.refresh"], "the first time"


@pytest.mark.parametrize("seed", range(4))
def test_customers_who_share_devices_go_too(tmp_path: Path, seed: int, small_parts: None) -> None:
    """A few events join a customer's device to another's, so that others may change hands."""
    dice, lake = random.Random(100 + seed), Lake(str(tmp_path / "lake"))
    rows = shop_rows(dice)
    for number in range(2 + seed):
        one, other = dice.sample(range(10), 2)
        ids = {"anonymous_id": f"x{one}-0", "identities": {"device_id": f"d{other}"}}
        rows.insert(dice.randint(0, 50), event("home", f"{number * 100}m", 2000 + number, **ids))
    forget_three(lake, rows, rules_of(seed), dice)


def test_a_run_that_is_interrupted_before_it_publishes_is_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = stitched(tmp_path)

    def die(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(analytics.stitching.privacy.pruned_store.StoreWriter, "finish", die)
        with pytest.raises(KeyboardInterrupt):
            forget(lake, "customer_id:c1", SHOP)
    assert "customer_id:c1" in stored(Paths.open(lake))["customer"]
    assert forget(lake, "customer_id:c1", SHOP)["named"].sum() == 0
    check_equal(lake, SHOP, tmp_path)


def test_a_stitch_that_publishes_meanwhile_does_not_bring_the_customer_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = stitched(tmp_path)
    stale, real, published = Paths.open(lake), pruned_state, list[Paths]()

    def publish(*arguments: Any) -> Any:
        published.append(stale)
        stale.save(lake.paths)
        return real(*arguments)

    monkeypatch.setattr(analytics.stitching.privacy.pruned_store, "pruned_state", publish)
    forget(lake, "customer_id:c1", SHOP)
    assert len(published) == 1
    check_equal(lake, SHOP, tmp_path)


def test_events_that_land_meanwhile_are_in_the_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = stitched(tmp_path)
    real = analytics.stitching.privacy.forget.erase

    def erase(lake: Lake, name: str, conditions: Any) -> Any:
        if name == "events":
            land(lake, event("home", "2h", 900, customer_id="c1"), event("home", "2h", 901, customer_id="c2"))
        done = real(lake, name, conditions)
        if name == "events":
            land(lake, event("home", "3h", 902, customer_id="c3"))
        return done

    monkeypatch.setattr(analytics.stitching.privacy.forget, "erase", erase)
    forget(lake, "customer_id:c1", SHOP)
    refresh(lake, SHOP)
    check_equal(lake, SHOP, tmp_path)
    assert {"home900", "home901", "home902"} <= set(landed(lake).collect()["event_id"])


def stitched(folder: Path) -> Lake:
    """The lake of a shop, stitched."""
    lake = Lake(str(folder / "lake"))
    land(lake, *shop_rows(random.Random(9)))
    refresh(lake, SHOP)
    return lake


OTHERS: dict[str, list[Row]] = {
    "a value is no longer shared": [
        event("home", "0m", 0, customer_id="c1", identities={"device_id": "k"}),
        *(event("home", f"{n}m", n, anonymous_id=f"a{n}", identities={"device_id": "k"}) for n in (1, 2)),
    ],
    "a device is as near to two people": [
        event("home", "0m", 0, customer_id="c1", anonymous_id="k"),
        event("home", "1m", 1, customer_id="ann", anonymous_id="k"),
        event("home", "2m", 2, anonymous_id="k"),
    ],
    "an event of another carries the identity": [
        event("home", "0m", 0, customer_id="c1", identities={"device_id": "k"}),
        event("home", "1m", 1, customer_id="ann", identities={"device_id": "k", "email_hash": "e"}),
        event("home", "2m", 2, customer_id="c1", anonymous_id="a"),
    ],
    "the end of the data moves back": [
        event("home", "0m", 0, customer_id="ann"),
        event("home", "200d", 1, customer_id="c1"),
    ],
    "no touch has a stage any more": [
        event("cart", "0m", 0, customer_id="ann"),
        event("home", "1m", 1, customer_id="c1"),
    ],
}


@pytest.mark.parametrize("case", OTHERS)
def test_where_others_change_too_the_paths_are_built(tmp_path: Path, case: str) -> None:
    lake = Lake(str(tmp_path / "lake"))
    land(
        lake, event("cart", "5m", 90, customer_id="zed", anonymous_id="z", identities={"device_id": "z"}), *OTHERS[case]
    )
    refresh(lake, SHOP)
    with mock.patch.object(analytics.stitching.privacy.forget, "build", wraps=build) as built:
        forget(lake, "customer_id:c1", SHOP)
    assert built.call_count == 1
    check_equal(lake, SHOP, tmp_path)
