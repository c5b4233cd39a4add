"""The simulated shop is reproducible, its counts add up, and its events contain the planted truths."""

import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import orjson
import polars as pl
import pytest
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from expectations import contract
from expectations.errors import DefinitionError, StorageError
from expectations.gate import contract_rules, judge
from ingest.decoding.decode import decode
from ingest.message import Message, Partition
from ingest.samples.shop.catalogue import DAY
from ingest.samples.shop.delivery import TOPICS
from ingest.samples.shop.faults import FAULTS
from ingest.samples.shop.stories import Story, random_stories
from ingest.samples.simulator import START, Simulation, simulate
from ingest.settings.ingest import Limits, Stream

FIELDS = {*contract.EVENTS.names(), "properties"} - {"received_at", "event_date", "kind", *contract.POSITION}


class Polled(NamedTuple):
    """A message in the form of a broker's record."""

    offset: int
    timestamp: int
    value: bytes | None
    key: bytes | None = None
    headers: tuple[tuple[str, bytes], ...] = ()


@pytest.fixture(scope="module")
def shop() -> Simulation:
    return simulate(customers=3_000, days=90, seed=7)


@pytest.fixture(scope="module")
def sound(shop: Simulation) -> list[dict[str, object]]:
    return _sound(shop)


@pytest.fixture(scope="module")
def events(shop: Simulation, sound: list[dict[str, object]]) -> pl.DataFrame:
    """The distinct events as sent, one row each, in order of time."""
    rows = []
    for event in sound:
        properties = event.get("properties", {})
        rows.append(
            (
                event["event_id"],
                event["event_name"],
                _time(event["occurred_at"]),
                event["channel"],
                event.get("device"),
                event.get("session_id"),
                properties.get("page"),
                properties.get("load_seconds"),
                event.get("survey"),
                event.get("score"),
            )
        )
    names = ("event_id", "event", "at", "channel", "device", "session", "page", "load", "survey", "score")
    return (
        pl.DataFrame(rows, schema=list(names), orient="row", infer_schema_length=None)
        .join(shop.owners, on="event_id")
        .sort("at")
    )


def _sound(shop: Simulation) -> list[dict[str, object]]:
    """The valid events, each id once."""
    found: dict[str, dict[str, object]] = {}
    for message in shop.messages():
        try:
            event = orjson.loads(message.value or b"")
        except orjson.JSONDecodeError:
            continue
        if isinstance(event, dict) and event.get("event_id") not in found and _is_whole(event):
            found[event["event_id"]] = event
    return list(found.values())


def _is_whole(event: dict[str, object]) -> bool:
    named = {"event_name", "occurred_at"} <= set(event) and not isinstance(event.get("items"), str)
    somebody = any(name in event for name in ("customer_id", "anonymous_id", "identities"))
    return named and somebody and event["occurred_at"] != "yesterday, around noon" and _is_near(event["occurred_at"])


def _is_near(occurred_at: object) -> bool:
    return START - timedelta(days=1) < _time(occurred_at) < START + timedelta(days=91)


def _time(occurred_at: object) -> datetime:
    if isinstance(occurred_at, int):
        return datetime.fromtimestamp(occurred_at / 1000, UTC)
    return datetime.fromisoformat(str(occurred_at))


def test_same_seed_gives_the_same_bytes_and_another_seed_others():
    one, two, other = (simulate(customers=200, days=30, seed=seed) for seed in (7, 7, 8))
    assert list(one.messages()) == list(two.messages())
    assert one.truths.to_json() == two.truths.to_json()
    assert one.profiles.equals(two.profiles)
    assert list(one.messages()) != list(other.messages())


def test_messages_come_in_order_of_arrival_with_events_out_of_order(shop, sound):
    arrivals = [message.timestamp for message in shop.messages()]
    assert arrivals == sorted(arrivals)
    times = [_time(event["occurred_at"]) for event in sound]
    assert sum(later < earlier for earlier, later in pairwise(times)) > 100


def test_volumes_account_for_every_message(shop):
    volumes = shop.truths.volumes
    sent = Counter(message.topic for message in shop.messages())
    assert volumes.messages == {topic: sent[topic] for topic in TOPICS}
    parts = (volumes.events, volumes.retries, volumes.conflicts, volumes.malformed)
    assert sum(volumes.messages.values()) == sum(sum(part.values()) for part in parts)
    assert sum(volumes.refused.values()) == sum(volumes.malformed.values())
    assert set(volumes.malformed) == set(FAULTS)


def test_events_retries_and_conflicts_are_as_many_as_stated(shop, sound):
    volumes = shop.truths.volumes
    assert len(sound) == sum(volumes.events.values()) == shop.owners.height
    values = Counter(message.value for message in shop.messages())
    repeated = sum(count - 1 for value, count in values.items() if value != b"42")
    damaged_alike = sum(volumes.malformed.values())
    retries = sum(volumes.retries.values())
    assert retries <= repeated <= retries + damaged_alike
    assert sum(volumes.conflicts.values()) >= 3


def test_the_consumer_refuses_exactly_what_is_malformed_and_for_the_stated_reason():
    simulation = simulate(customers=300, seed=3)
    reasons: Counter[str] = Counter()
    accepted = 0
    for topic, kind in zip(TOPICS, ("clickstream", "order", "feedback"), strict=True):
        sent = [message for message in simulation.messages() if message.topic == topic]
        records = [Polled(offset, message.timestamp, message.value) for offset, message in enumerate(sent)]
        decoded = decode(records, Partition(topic, 0), Stream(topic=topic, kind=kind), Limits())
        verdict = judge(decoded.events, contract_rules())
        reasons.update(refusal.reason for refusal in decoded.refused)
        reasons.update(verdict.refused["reason"])
        accepted += verdict.accepted.height
    volumes = simulation.truths.volumes
    assert reasons == Counter(volumes.refused)
    assert accepted + reasons.total() == sum(volumes.messages.values())


def test_every_event_uses_the_contract_and_fits_on_a_line(shop, sound):
    for event in sound:
        assert set(event) <= FIELDS
    assert not any(b"\n" in (message.value or b"") for message in shop.messages())


def test_all_channels_topics_and_event_names_occur(events):
    assert set(events["channel"]) == {"web", "app", "email", "store", "call_centre", "partner"}
    assert set(events["device"]) == {"mobile", "desktop", "tablet", "kiosk", None}
    assert events["event"].n_unique() == 20


def test_incident_halves_payments_on_phones_for_its_days(shop, events):
    incident = shop.truths.incident
    assert incident.end - incident.start == timedelta(days=8)
    checkouts = events.filter(pl.col("event") == "checkout_started", pl.col("device") == "mobile")
    paid = events.filter(pl.col("event") == "payment_submitted").select("session").unique()
    during = checkouts.filter(pl.col("at").is_between(incident.start, incident.end, closed="left"))
    assert abs(during["session"].n_unique() - incident.checkouts_during) <= 2  # a phone's clock may be wrong
    share = incident.payments_during / incident.checkouts_during
    assert during.join(paid, on="session", how="semi").height / during.height == pytest.approx(share, abs=0.03)
    assert share < 0.65 * incident.payments_otherwise / incident.checkouts_otherwise


def test_slow_page_is_slow_and_ends_more_visits(shop, events):
    slow = shop.truths.slow_page
    loads = events.filter(pl.col("page") == slow.page)["load"]
    assert loads.len() == slow.views
    assert loads.min() > slow.seconds
    others = events.filter(pl.col("event") == "page_viewed", pl.col("page") != slow.page)["load"]
    assert (others > slow.seconds).mean() < 0.02
    assert slow.visits_ended / slow.views > 2 * slow.other_visits_ended / slow.other_views


def test_one_segment_never_orders(shop, events):
    never = shop.truths.never_converts
    attitudes = shop.profiles.filter(pl.col("attribute") == never.attribute, pl.col("value") == never.value)
    customers = attitudes.join(shop.identities, on=["identity_kind", "identity"]).select("customer").unique()
    theirs = events.join(customers, on="customer", how="semi")
    assert customers.height > 100
    assert never.orders == 0
    assert theirs.filter(pl.col("event") == "add_to_cart").height > 50
    assert theirs.filter(pl.col("event") == "order_placed").is_empty()


def test_partner_helps_but_is_never_last_before_an_order(shop, events):
    helps = shop.truths.only_helps
    assert helps.last_before_order == 0
    ordered = helps.customers_ordered / helps.customers
    assert ordered > 1.15 * helps.other_customers_ordered / helps.other_customers
    before = events.sort("customer", "at").with_columns(pl.col("channel").shift(1).over("customer").alias("before"))
    assert before.filter(pl.col("event") == "order_placed", pl.col("before") == "partner").is_empty()
    assert events.filter(pl.col("channel") == "partner")["customer"].n_unique() == helps.customers


def test_feedback_follows_what_happened(events):
    failed = events.filter(pl.col("event").is_in(["payment_failed", "error_shown"])).select("customer").unique()
    answers = events.filter(pl.col("survey") == "csat")
    hurt = answers.join(failed, on="customer", how="semi")["score"]
    rest = answers.join(failed, on="customer", how="anti")["score"]
    assert hurt.mean() < rest.mean() - 0.5
    assert answers["score"].is_between(1, 5).all()
    assert events.filter(pl.col("survey") == "nps")["score"].is_between(0, 10).all()
    assert events.filter(pl.col("survey") == "ces")["score"].is_between(1, 7).all()


def test_identities_link_events_of_one_person_only_and_nearly_all_of_them(shop, sound):
    truth = {(kind, value): who for kind, value, who in shop.identities.iter_rows()}
    assert len(truth) == shop.identities.height
    number = {identity: n for n, identity in enumerate(truth)}
    joined = [_identities(event, number) for event in sound]
    edges = np.array([(group[0], other) for group in joined for other in group[1:]])
    matrix = coo_array((np.ones(len(edges)), (edges[:, 0], edges[:, 1])), shape=(len(number), len(number)))
    component = connected_components(matrix, directed=False)[1]
    found = pl.DataFrame({"component": component, "customer": list(truth.values())})
    both = _pairs(found, "component", "customer")
    assert both == _pairs(found, "component")
    assert both / _pairs(found, "customer") > 0.98


def _identities(event: dict, number: dict[tuple[str, str], int]) -> list[int]:
    columns = {name: event[name] for name in ("customer_id", "anonymous_id") if name in event}
    named = {**columns, **event.get("identities", {})}
    return [number[item] for item in named.items() if item in number]


def _pairs(frame: pl.DataFrame, *by: str) -> int:
    sizes = frame.group_by(by).len()["len"].cast(pl.Int64)
    return int((sizes * (sizes - 1) // 2).sum())


@pytest.mark.parametrize("customers", [200, 3_000])
def test_kiosk_is_used_by_more_people_than_any_device_of_a_person(customers):
    simulation = simulate(customers=customers, seed=7)
    kind, value = simulation.truths.shared_identities[0]
    assert simulation.identities.filter(pl.col("identity") == value).is_empty()
    users = {
        event["identities"]["loyalty_id"]
        for event in _sound(simulation)
        if event.get("identities", {}).get(kind) == value and "loyalty_id" in event["identities"]
    }
    assert len(users) >= 38


def test_households_chains_and_swapped_keys_are_planted(shop, sound):
    kinds = {value: kind for kind, value in shop.truths.shared_identities}
    users: dict[str, set[str]] = {value: set() for value in kinds}
    for event in sound:
        for value in (event.get("anonymous_id"), *event.get("identities", {}).values()):
            if value in users and "customer_id" in event:
                users[value].add(event["customer_id"])
    sizes = {kind: {len(users[value]) for value in kinds if kinds[value] == kind} for kind in set(kinds.values())}
    assert sizes["anonymous_id"] <= {0, 1, 2} and 2 in sizes["anonymous_id"]
    assert sizes["loyalty_id"] == {2}
    swapped = [event for event in sound if "email_hash" in event.get("identities", {}).values()]
    assert swapped and all(event["event_name"] == "product_viewed" for event in swapped)


def test_profiles_have_four_families_of_attributes_and_change(shop):
    profiles = shop.profiles
    assert profiles.schema == {n: t for n, t in contract.PROFILES.items() if n not in contract.POSITION}
    assert set(profiles["attribute"]) == {"age_band", "region", "loyalty_tier", "attitude"}
    changes = profiles.group_by("identity", "attribute").len().filter(pl.col("len") > 1)
    assert set(changes["attribute"]) == {"region", "loyalty_tier", "age_band"}
    assert (profiles["valid_from"] < shop.truths.end).all()


def test_written_files_hold_every_raw_message(tmp_path: Path, shop):
    folder = tmp_path / "new" / "folder"
    shop.write(folder)
    for topic in TOPICS:
        lines = (folder / f"{topic}.ndjson").read_bytes().split(b"\n")[:-1]
        assert lines == [message.value for message in shop.messages() if message.topic == topic]
    truths = json.loads((folder / "truths.json").read_text())
    assert truths["incident"]["device"] == "mobile"
    assert truths["volumes"]["messages"] == shop.truths.volumes.messages
    assert pl.read_parquet(folder / "profiles.parquet").equals(shop.profiles)
    assert pl.read_parquet(folder / "identities.parquet").equals(shop.identities)


def test_one_customer_and_one_day_work():
    simulation = simulate(customers=1, days=1)
    assert all(isinstance(message, Message) for message in simulation.messages())


def test_impossible_arguments_and_folders_are_named(tmp_path: Path):
    with pytest.raises(DefinitionError, match="at least 1"):
        simulate(customers=0)
    with pytest.raises(DefinitionError, match="time zone"):
        simulate(customers=1, start=datetime(2026, 1, 1))  # noqa: DTZ001
    with pytest.raises(DefinitionError, match="without this channel"):
        simulate(customers=1, without="web")
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError, match="cannot be written"):
        simulate(customers=1, days=1).write(tmp_path / "file")


def _by_person(simulation: Simulation) -> dict[str, set[tuple[str, bytes, bytes, int]]]:
    """Every message of every person as sent, with its time of arrival."""
    owner = dict(simulation.owners.iter_rows())
    found: dict[str, set[tuple[str, bytes, bytes, int]]] = {}
    for sent in simulation.sent:
        try:
            event = orjson.loads(sent.value)
        except orjson.JSONDecodeError:
            continue
        if isinstance(event, dict) and event.get("event_id") in owner:
            found.setdefault(owner[event["event_id"]], set()).add((sent.topic, sent.key, sent.value, sent.arrived))
    return found


@pytest.fixture(scope="module")
def small() -> Simulation:
    return simulate(customers=400, days=60)


@pytest.mark.parametrize("absent", [0, 1, 137, 399])
def test_without_one_person_all_others_send_the_same_bytes(small: Simulation, absent: int):
    """Also the first, who shares a tablet, and the last, who passes a voucher on."""
    world, other = _by_person(small), _by_person(simulate(customers=400, days=60, absent=[absent]))
    gone = f"person-{absent:06d}"
    assert world.pop(gone) and gone not in other
    few = {kind for kind, count in small.truths.volumes.malformed.items() if count <= 2}
    assert world.keys() == other.keys()
    changed = {person for person in world if world[person] != other[person]}
    # a shop so small has damaged copies of its own choice: two of each kind, of whomever they fall on
    assert len(few) == len(FAULTS) and len(changed) <= 6
    ids = [{orjson.loads(value)["event_id"] for _, _, value, _ in world[person]} for person in changed]
    assert ids == [{orjson.loads(value)["event_id"] for _, _, value, _ in other[person]} for person in changed]


def test_more_people_change_nobody_who_was_there(small: Simulation):
    more = simulate(customers=401, days=60)
    first = more.identities.filter(pl.col("customer") != "person-000400")
    assert set(first["identity"]) >= set(small.identities["identity"])


STORIES = (
    Story(1, "outage", "pay", 1_770_000_000_000, 1_771_500_000_000, 0.9, "device", "mobile"),
    Story(2, "weakness", "cart", 0, None, 0.4, "region", "South"),
    Story(3, "slow page", "arrive", 0, None, 0.5, "age_band", "25-34", page="landing"),
)


@pytest.mark.parametrize("gone", [0, 1, 2])
def test_the_twin_without_a_story_differs_only_where_the_story_touches(gone: int):
    world = simulate(customers=600, days=60, stories=STORIES)
    twin = simulate(customers=600, days=60, stories=STORIES[:gone] + STORIES[gone + 1 :])
    assert world.stories is not None
    story, truth = STORIES[gone], world.stories[gone]
    ours, theirs = _events(world), _events(twin)
    changed = {person for person in ours if ours[person] != theirs.get(person)}
    reach = truth.journeys_met if story.page else truth.journeys_touched  # a slow page shows in the events as well
    assert reach >= len(changed) > 0
    for person in changed:  # a login at the end of a screen's last visit depends on which visit is the last
        first = min(at for at, event in ours[person] ^ theirs[person] if b'"login"' not in event)
        assert story.since - 480_000 <= first  # all before the first touch is the same; phones' clocks may be wrong
    assert truth.goals_lost > 0
    placed = [simulation.truths.volumes.events["orders"] for simulation in (world, twin)]
    assert placed[1] > placed[0]
    orders = [sum(b'"order_placed"' in event for each in of.values() for _, event in each) for of in (ours, theirs)]
    assert orders[1] - orders[0] == truth.goals_lost


@pytest.mark.parametrize("channel", ["partner", "store"])
def test_the_twin_without_a_channel_differs_for_those_alone_who_came_by_it(channel: str):
    ours, theirs = _events(simulate(customers=300, days=60)), _events(simulate(customers=300, days=60, without=channel))
    changed = {person for person in ours if ours[person] != theirs.get(person)}
    entries = {"partner": b'"partner_referral"', "store": b'"store_visited"'}
    came = {person for person, events in ours.items() if any(entries[channel] in event for _, event in events)}
    assert came <= changed and len(changed - came) <= 2  # whose visit would have been after the end
    assert not any(entries[channel] in event for events in theirs.values() for _, event in events)


def _events(simulation: Simulation) -> dict[str, set[tuple[int, bytes]]]:
    """The distinct events of every person, with their times: no copies."""
    owner = dict(simulation.owners.iter_rows())
    found: dict[str, set[tuple[int, bytes]]] = {}
    for event in _sound(simulation):
        at = int(_time(event["occurred_at"]).timestamp() * 1000)
        found.setdefault(owner[event["event_id"]], set()).add((at, orjson.dumps(event)))
    return found


def test_random_stories_depend_on_the_seed_alone_and_may_be_none():
    drawn = [random_stories(seed, 0, 90) for seed in range(60)]
    assert drawn == [random_stories(seed, 0, 90) for seed in range(60)]
    assert {len(stories) for stories in drawn} == {0, 1, 2, 3}
    kinds = {story.kind for stories in drawn for story in stories}
    assert kinds == {"outage", "slow page", "lasting fall", "channel stops helping", "release", "weakness"}
    for story in (story for stories in drawn for story in stories):
        assert 0 < story.strength < 1 and 0 <= story.since < (story.until or 90 * DAY) <= 90 * DAY


def test_stories_are_written_with_what_they_cost(tmp_path: Path):
    seed = next(seed for seed in range(60) if len(random_stories(seed, 0, 60)) == 2)
    simulate(customers=500, days=60, seed=seed, stories="random").write(tmp_path)
    first, second = json.loads((tmp_path / "stories.json").read_text())
    named = {"kind", "step", "stage", "dimension", "value", "since", "until", "journeys_touched", "goals_lost"}
    assert named <= set(first)
    assert first["dimension"] != second["dimension"]
    simulate(customers=50, days=60, stories="none").write(tmp_path)
    assert json.loads((tmp_path / "stories.json").read_text()) == []


def test_trouble_makes_the_wished_answer_rarer(sound: list[dict[str, object]]) -> None:
    told = [event for event in sound if event["event_name"] == "feedback_submitted"]
    answers = [(event["score"], event["properties"]["answers"]["trust"]) for event in told if event.get("properties")]  # type: ignore[index]
    assert 0.4 < len(answers) / len(told) < 0.6
    assert {answer for _, answer in answers} == {"yes", "unsure", "no"}
    low, high = ([answer == "yes" for score, answer in answers if (score <= 3) is is_low] for is_low in (True, False))  # type: ignore[operator]
    assert sum(low) / len(low) < sum(high) / len(high)
