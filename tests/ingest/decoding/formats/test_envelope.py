"""Each part of a message lands once: valid parts in `events`, invalid ones in quarantine with their number."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from analytics.touches.deduplication import deduplicate
from expectations import contract
from expectations.gate import contract_rules
from expectations.lake import layout
from expectations.lake.layout import Lake
from ingest.decoding.decode import decode
from ingest.landing import commit
from ingest.landing.commit import Table, scan
from ingest.landing.landing import Landing
from ingest.landing.offsets import Claim
from ingest.message import Chunk, Partition
from ingest.settings.ingest import IngestSettings, Limits, Stream
from tests.ingest.reading import sent

PARTITION = Partition("calls", 0)
STREAM = Stream(topic="calls", kind="clickstream", format="segment")
SETTINGS = IngestSettings(streams=[STREAM])


def call(number: int, **fields: Any) -> dict[str, Any]:
    base = {"type": "track", "event": "Seen", "messageId": f"m{number}", "userId": f"u{number % 5}"}
    return base | {"timestamp": "2026-01-01T00:00:00Z"} | fields


BATCHES = [
    [call(0), call(1, type="dream"), call(2)],
    [call(3), call(4, userId=None), call(5, timestamp="soon"), call(6)],  # 4: nobody, for the gate
    [],
    [call(7, timestamp="1999-01-01T00:00:00Z"), call(8)],  # 7: out of range, for the gate
]
RECORDS = [sent({"batch": calls}, offset) for offset, calls in enumerate(BATCHES)] + [sent(b"{", 4)]


def landing(lake: Lake) -> Landing:
    tables = Table(lake, layout.EVENTS), Table(lake, layout.QUARANTINE)
    return Landing(*tables, SETTINGS, contract_rules())


def places(lake: Lake, table: str) -> list[tuple[int, int | None]]:
    return scan(lake, table).select("offset", "part").collect().sort("offset", "part").rows()


def test_every_part_lands_in_exactly_one_table(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    held = landing(lake)
    held.begin(PARTITION, "id", 0, accept_gap=False)
    held.take(Chunk(PARTITION, RECORDS, 5), 0.0)
    held.flush()
    assert places(lake, layout.EVENTS) == [(0, 0), (0, 2), (1, 0), (1, 3), (3, 1)]
    assert places(lake, layout.QUARANTINE) == [(0, 1), (1, 1), (1, 2), (3, 0), (4, None)]
    refused = scan(lake, layout.QUARANTINE).sort("offset", "part").collect()
    assert refused["reason"].to_list() == [
        "not_allowed",
        "no_identity",
        "bad_timestamp",
        "time_out_of_range",
        "not_json",
    ]
    assert refused["field"].to_list()[:3] == ["type", "customer_id", "occurred_at"]
    assert refused["raw"].to_list()[0] == RECORDS[0].value


def test_a_batch_that_is_read_again_lands_once(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    for upto in (2, 5, 5):
        held = landing(lake)
        start = held.begin(PARTITION, "id", 0, accept_gap=False)
        held.take(Chunk(PARTITION, RECORDS[start:upto], upto), 0.0)
        held.flush()
    assert places(lake, layout.EVENTS) == [(0, 0), (0, 2), (1, 0), (1, 3), (3, 1)]
    assert places(lake, layout.QUARANTINE) == [(0, 1), (1, 1), (1, 2), (3, 0), (4, None)]


def test_a_call_sent_twice_in_different_parts_is_one_event_to_analytics() -> None:
    records = [sent({"batch": [call(1), call(2)]}), sent({"batch": [call(2), call(1)]}, 1)]
    landed = decode(records, PARTITION, STREAM, Limits()).events
    assert landed.select(contract.PLACE).is_unique().all()
    assert deduplicate(landed.lazy()).collect()["event_id"].sort().to_list() == ["m1", "m2"]


def test_parts_without_an_id_get_one_from_their_position() -> None:
    calls = [call(number, messageId=None) for number in range(3)]
    found = decode([sent({"batch": calls}, 7), sent({"batch": calls[:1]}, 8)], PARTITION, STREAM, Limits()).events
    ids = [f"k:calls:0:{place}" for place in ("7", "7:1", "7:2", "8")]
    assert found.sort("offset", "part")["event_id"].to_list() == ids and found["id_generated"].all()


def test_events_of_plain_messages_have_part_0() -> None:
    record = sent({"event_name": "x", "occurred_at": "2026-01-01T00:00:00Z", "anonymous_id": "a", "part": 7})
    found = decode([record], PARTITION, Stream(topic="calls", kind="clickstream"), Limits())
    row = found.events.row(0, named=True)
    assert (row["part"], json.loads(row["properties"])) == (0, {"part": 7})


def test_decoding_in_other_batches_gives_the_same_rows() -> None:
    records = [sent({"batch": [call(n), call(n, event=5), call(n, type="page")][: n % 4]}, n) for n in range(100)]
    whole = decode(records, PARTITION, STREAM, Limits())
    parts = [decode(records[at : at + 7], PARTITION, STREAM, Limits()) for at in range(0, 100, 7)]
    joined = pl.concat([part.events for part in parts]).sort("offset", "part")
    assert joined.equals(whole.events.sort("offset", "part"))
    assert [refusal for part in parts for refusal in part.refused] == whole.refused


def test_a_lake_of_an_earlier_version_gets_the_new_column(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = Lake(str(tmp_path))
    older = pl.Schema({name: dtype for name, dtype in contract.EVENTS.items() if name != contract.PART})
    row = decode([sent({"batch": [call(1)]})], PARTITION, STREAM, Limits()).events
    with monkeypatch.context() as earlier:
        earlier.setitem(commit.SCHEMAS, layout.EVENTS, older)
        assert Table(lake, layout.EVENTS).append(row.drop("part"), [Claim("a", None, 1)])
    table = Table(lake, layout.EVENTS)
    assert table.decided("a") == 1
    assert table.append(row, [Claim("a", 1, 2)])
    assert scan(lake, layout.EVENTS).collect()["part"].sort().to_list() == [None, 0]


@pytest.mark.parametrize("invalid", [{"type": "dream"}, {"timestamp": "soon"}, {"userId": None}])
def test_more_than_20_refused_parts_of_a_message_are_one_row_and_the_others_land(
    tmp_path: Path, invalid: dict[str, Any]
) -> None:
    lake = Lake(str(tmp_path))
    held = landing(lake)
    held.begin(PARTITION, "id", 0, accept_gap=False)
    batches = [[call(n, **(invalid if n else {})) for n in range(count)] for count in (21, 22, 3_000)]
    held.take(Chunk(PARTITION, [sent({"batch": calls}, offset) for offset, calls in enumerate(batches)], 3), 0.0)
    assert held.flush().landed == {"calls": 3}
    assert places(lake, layout.QUARANTINE) == [*((0, part) for part in range(1, 21)), (1, None), (2, None)]
    last = scan(lake, layout.QUARANTINE).sort("offset", "part").collect().row(-1, named=True)
    assert last["message"].startswith("2999 events of the message are refused; the first: ")
    assert len(json.loads(last["raw"])["batch"]) == 3_000 and last["reason"] in {
        "not_allowed",
        "bad_timestamp",
        "no_identity",
    }


def test_a_message_has_a_limited_number_of_events() -> None:
    records = [sent({"batch": [call(n) for n in range(count)]}, count) for count in (4, 5)]
    found = decode(records, PARTITION, STREAM, Limits(most_parts=4))
    assert found.events["offset"].to_list() == [4] * 4
    assert [(each.offset, each.reason, each.part) for each in found.refused] == [(5, "too_large", None)]


def test_a_message_of_endless_invalid_events_is_refused_in_little_memory() -> None:
    message = b'{"batch":[' + b",".join([b"{}"] * 300_000) + b"]}"
    records = [sent(message, offset) for offset in range(16)]
    assert [each.reason for each in decode(records, PARTITION, STREAM, Limits()).refused] == ["too_large"] * 16
