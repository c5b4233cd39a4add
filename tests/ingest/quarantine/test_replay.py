"""What was refused is read again: it lands once, in its place, and leaves the quarantine; the rest stays."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from expectations import contract
from expectations.gate import Rule
from expectations.lake import layout
from expectations.lake.layout import Lake
from ingest.decoding.decode import Refusal, decode
from ingest.files.load import file_stream
from ingest.landing import commit
from ingest.landing.commit import Table, scan
from ingest.landing.landing import Landing
from ingest.landing.offsets import Claim
from ingest.landing.refusals import quarantine_rows
from ingest.message import Chunk, Partition
from ingest.quarantine import replay as module
from ingest.quarantine.quarantine import examples, message_rows, refusal_counts
from ingest.quarantine.replay import ReplaySummary, replay
from ingest.service.status import table_status
from ingest.settings.ingest import IngestSettings, Limits, MaintenanceSettings
from ingest.upkeep.maintenance import maintain
from ingest.upkeep.repair import repeats
from tests.ingest.streams import BAD, RECEIVED, Sent, event, places

HERE = Partition("clicks", 1)


def settings(**stream: Any) -> IngestSettings:
    return IngestSettings.model_validate(
        {"streams": [{"topic": "clicks", "kind": "clickstream", "channel": "web"} | stream]}
    )


OLD = settings()
NEW = settings(
    fields={
        "event_name": {"path": "what"},
        "occurred_at": {"path": "occurred_at"},
        "anonymous_id": {"path": "anonymous_id"},
    }
)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path / "lake"))


def other(number: int) -> bytes:
    """A message that only a mapping can read: its event name is called `what`."""
    known = json.loads(event(number))
    return json.dumps({"what": known.pop("event_name")} | known).encode()


def land(lake: Lake, records: list[Sent], given: IngestSettings = OLD, place: Partition = HERE) -> None:
    landing = Landing(Table(lake, layout.EVENTS), Table(lake, layout.QUARANTINE), given, module.contract_rules())
    landing.begin(place, place.topic, 0, accept_gap=False)
    landing.take(Chunk(place, records, records[-1].offset + 1), 0.0)
    landing.flush()


def mixed() -> list[Sent]:
    """Every third is an event, every third one of another shape, every third no event at all."""
    return [Sent(offset, [event(offset), other(offset), BAD][offset % 3], key=b"k") for offset in range(30)]


def test_what_can_be_read_now_lands_in_its_place_and_leaves(lake: Lake) -> None:
    land(lake, mixed())
    assert len(places(lake)) == 10 and len(places(lake, layout.QUARANTINE)) == 20
    done = replay(NEW, lake)
    assert (done.read, done.landed, done.left, dict(done.stay)) == (20, 10, 10, {"not_json": 10})
    assert [offset for _, _, offset in places(lake)] == [offset for offset in range(30) if offset % 3 < 2]
    assert [offset for _, _, offset in places(lake, layout.QUARANTINE)] == list(range(2, 30, 3))
    received = scan(lake, layout.EVENTS).select(pl.col("received_at").n_unique()).collect().item()
    assert received == 1  # the time of the first arrival, not of the replay


def test_a_second_replay_finds_nothing_to_do(lake: Lake) -> None:
    land(lake, mixed())
    replay(NEW, lake)
    again = replay(NEW, lake)
    assert (again.read, again.landed, again.left) == (10, 0, 0)
    assert len(places(lake)) == 20


def test_a_parser_that_has_learnt_nothing_changes_nothing(lake: Lake) -> None:
    land(lake, mixed())
    done = replay(OLD, lake)
    assert (done.landed, done.left, done.stay.total()) == (0, 0, 20)
    assert len(places(lake, layout.QUARANTINE)) == 20


def test_a_replay_that_dies_between_landing_and_leaving_lands_nothing_twice(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(Exception):
        pass

    def dies(*_: object) -> None:
        raise Killed

    land(lake, mixed())
    with monkeypatch.context() as patched:
        patched.setattr(Table, "remove", dies)
        with pytest.raises(Killed):
            replay(NEW, lake)
    assert len(places(lake)) == 20 and len(places(lake, layout.QUARANTINE)) == 20
    done = replay(NEW, lake)
    assert (done.landed, done.left) == (0, 10)
    assert len(places(lake)) == len(set(places(lake))) == 20


def test_two_replays_at_once_land_everything_once(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    land(lake, mixed())
    real, seconds = Table.append, []

    def overtaken(self: Table, *given: Any) -> bool:
        if not seconds:
            seconds.append(ReplaySummary())
            seconds[0] = replay(NEW, lake)
        return real(self, *given)

    monkeypatch.setattr(Table, "append", overtaken)
    first = replay(NEW, lake)
    assert (seconds[0].landed, first.landed) == (10, 0)
    assert len(places(lake)) == len(set(places(lake))) == 20


def test_blocks_cover_every_message_once(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_AT_ONCE", 3)
    land(lake, mixed())
    assert replay(NEW, lake).landed == 10
    assert len(places(lake)) == len(set(places(lake))) == 20


def test_only_the_parts_that_were_refused_land(lake: Lake) -> None:
    segment = {"format": "segment"}
    batch = {
        "batch": [
            {"type": "track", "messageId": f"m{n}", "event": "Search", "anonymousId": "a", "timestamp": when}
            for n, when in enumerate(["2026-01-01T00:00:00Z", "no time", "2026-01-01T00:00:00Z"])
        ]
    }
    land(lake, [Sent(0, json.dumps(batch).encode())], settings(**segment))
    landed, held = len(places(lake)), scan(lake, layout.QUARANTINE).collect()
    if held["part"].null_count() == 0:
        assert (landed, held["part"].to_list()) == (2, [1])
    assert replay(settings(**segment), lake).landed == 0
    assert len(places(lake)) == landed


def test_reasons_and_topics_narrow_a_replay(lake: Lake) -> None:
    land(lake, mixed())
    assert replay(NEW, lake, reasons=["not_json"]).landed == 0
    nothing = replay(IngestSettings(), lake)
    assert nothing.read == 0 and dict(nothing.unknown) == {"clicks": 20}


def test_rows_of_a_file_are_read_when_their_kind_is_said(lake: Lake) -> None:
    file = Partition("file:0123", 0)
    land(lake, [Sent(0, BAD)], settings(topic=file.topic), file)
    assert replay(OLD, lake).unknown == {file.topic: 1}
    assert dict(replay(OLD, lake, files=file_stream(OLD, kind="clickstream")).stay) == {"not_json": 1}


def test_rows_of_a_file_may_be_as_old_when_they_are_read_again(lake: Lake) -> None:
    file, old = Partition("file:0123", 0), json.loads(other(0)) | {"occurred_at": "1999-01-01T00:00:00Z"}
    land(lake, [Sent(0, json.dumps(old).encode())], settings(topic=file.topic), file)
    assert refusal_counts(lake)["reason"].to_list() == ["missing_field"]
    assert replay(NEW, lake, files=NEW.streams[0]).landed == 1


def test_what_stays_is_told_by_the_reason_of_now(lake: Lake) -> None:
    stale = json.loads(other(0)) | {"occurred_at": "1999-01-01T00:00:00Z"}
    land(lake, [Sent(0, json.dumps(stale).encode())])
    assert dict(replay(OLD, lake).stay) == {"missing_field": 1}
    assert dict(replay(NEW, lake).stay) == {"time_out_of_range": 1}


def test_an_empty_lake_has_nothing_to_replay(lake: Lake) -> None:
    assert replay(OLD, lake) == ReplaySummary()
    assert refusal_counts(lake).is_empty() and examples(lake).is_empty() and message_rows(lake, HERE, 0).is_empty()


def test_examples_are_few_and_masked(lake: Lake) -> None:
    land(lake, [Sent(offset, b'{"customer_id": "Ann Smith 17", "mail@x": 5}') for offset in range(9)])
    some = examples(lake, each=2)
    assert some.height == 2
    assert some["shape"][0] == '{"customer_id":"xxx xxxxx 99","xxxx@x":9}'


def test_one_message_is_shown_by_its_place(lake: Lake) -> None:
    land(lake, mixed())
    found = message_rows(lake, HERE, 2)
    assert found["reason"].to_list() == ["not_json"] and found["raw"].to_list() == [BAD]
    assert message_rows(lake, HERE, 0).is_empty()


def test_refused_messages_are_told_the_most_frequent_reason_first(lake: Lake) -> None:
    land(lake, [Sent(0, other(0)), Sent(1, BAD), Sent(2, BAD, timestamp=-1), Sent(3, b"\xff"), Sent(4, b"\xff")])
    told = refusal_counts(lake)
    assert told.select("reason", "messages").rows() == [("not_json", 2), ("not_utf8", 2), ("missing_field", 1)]
    assert told["first_at"][0] == datetime(1970, 1, 1, tzinfo=UTC), "a record without a time came first of all"


@pytest.mark.parametrize("time", [RECEIVED * 1000, RECEIVED * 1_000_000, 2**63 - 1])
def test_a_refused_record_whose_time_is_no_time_of_a_record_is_listed(lake: Lake, time: int) -> None:
    land(lake, [Sent(0, BAD, timestamp=time)])
    assert refusal_counts(lake)["last_at"].to_list() == [datetime(1970, 1, 1, tzinfo=UTC)]
    assert table_status(lake)["rows"].to_list()[:2] == [0, 1]


@pytest.mark.parametrize("milliseconds", [253_402_300_800_000, RECEIVED * 1000])
def test_a_quarantine_with_record_times_beyond_the_calendar_works_in_every_command(
    lake: Lake, milliseconds: int
) -> None:
    land(lake, [Sent(0, BAD), Sent(1, other(1))])  # as earlier versions stored them:
    received = pl.lit(milliseconds * 1000).cast(contract.TIME)
    kept = scan(lake, layout.QUARANTINE).collect()
    kept = kept.with_columns(received.alias("received_at"), received.dt.date().alias("received_date"))
    Table(lake, layout.QUARANTINE).remove(["true"])
    assert Table(lake, layout.QUARANTINE).append(kept, [])
    assert table_status(lake)["rows"].to_list()[:2] == [0, 2]
    assert refusal_counts(lake)["messages"].to_list() == [1, 1] and examples(lake).height == 2
    assert message_rows(lake, HERE, 0)["received_at"].to_list() == [datetime(1970, 1, 1, tzinfo=UTC)]
    assert maintain(lake, MaintenanceSettings(most_files=1)).left == set() and repeats(lake).is_empty()
    assert replay(NEW, lake).landed == 1
    landed = scan(lake, layout.EVENTS).collect()
    assert landed["received_at"].to_list() == landed["occurred_at"].to_list()


def test_the_newest_examples_are_shown(lake: Lake) -> None:
    land(lake, [Sent(offset, BAD, timestamp=RECEIVED + offset % 5 * 1000) for offset in range(10)])
    assert examples(lake, each=3)["offset"].to_list() == [4, 8, 9]


def batch(*names: str) -> bytes:
    """A message of calls with these names of events; one that is called `late` has no time."""
    own = [{"type": "track", "userId": "u", "event": name, "messageId": f"m{n}"} for n, name in enumerate(names)]
    told = [one | {"timestamp": "soon" if one["event"] == "late" else "2026-01-01T00:00:00Z"} for one in own]
    return json.dumps({"batch": told}).encode()


def test_parts_of_a_message_are_shown_in_order_and_leave_one_by_one(lake: Lake) -> None:
    given = settings(format="segment")
    strict = Rule("early names", "event_name", "odd", pl.col("event_name") > "f", "a later name")
    landing = Landing(Table(lake, layout.EVENTS), Table(lake, layout.QUARANTINE), given, [strict])
    landing.begin(HERE, "id", 0, accept_gap=False)
    values = [batch("e", "z", "late", "d"), batch("z", "a"), batch("y")]
    landing.take(Chunk(HERE, [Sent(offset, value) for offset, value in enumerate(values)], 3), 0.0)
    landing.flush()
    assert message_rows(lake, HERE, 0)["part"].to_list() == [0, 2, 3]
    done = replay(given, lake)
    assert (done.read, done.landed, done.left) == (4, 3, 3)
    assert message_rows(lake, HERE, 0)["part"].to_list() == [2] and message_rows(lake, HERE, 1).is_empty()
    found = scan(lake, layout.EVENTS).select("offset", "part").collect().sort("offset", "part").rows()
    assert found == [(0, 0), (0, 1), (0, 3), (1, 0), (1, 1), (2, 0)]


def test_a_message_of_which_one_part_is_still_refused_stays_whole(lake: Lake) -> None:
    tight = settings(format="segment").model_copy(update={"limits": Limits(largest_message=10)})
    land(lake, [Sent(0, batch("a", "late", "b")), Sent(1, batch("a", "b"))], tight)
    assert refusal_counts(lake).select("reason", "messages").rows() == [("too_large", 2)]
    done = replay(settings(format="segment"), lake)
    assert (done.landed, done.left, dict(done.stay)) == (4, 1, {"bad_timestamp": 1})
    assert places(lake, layout.QUARANTINE) == [("clicks", 1, 0)]
    assert replay(settings(format="segment"), lake).landed == 0
    assert len(places(lake)) == 4


def test_only_what_was_read_leaves_whatever_the_topic_is_called(lake: Lake) -> None:
    odd, fields = Partition("it's", 0), NEW.streams[0].model_dump(include={"fields"})
    land(lake, [Sent(0, other(0)), Sent(1, BAD)], settings(topic=odd.topic), odd)
    land(lake, [Sent(0, other(0))])
    done = replay(settings(topic=odd.topic, **fields), lake)
    assert (done.landed, done.left) == (1, 1)
    assert places(lake, layout.QUARANTINE) == [("clicks", 1, 0), ("it's", 0, 1)]


def test_an_offset_of_another_partition_is_another_message(lake: Lake) -> None:
    land(lake, [Sent(0, event(0))], place=Partition("clicks", 0))
    land(lake, [Sent(0, other(0))])
    done = replay(NEW, lake)
    assert (done.landed, done.left) == (1, 1)
    assert places(lake) == [("clicks", 0, 0), ("clicks", 1, 0)]


def test_an_event_that_an_earlier_version_landed_without_a_part_lands_once(lake: Lake) -> None:
    land(lake, [Sent(0, other(0))])
    events = Table(lake, layout.EVENTS)
    found = decode([Sent(0, other(0))], HERE, NEW.streams[0], Limits()).events
    assert events.append(found.with_columns(part=pl.lit(None, pl.Int32)), [Claim("earlier", None, 1)])
    done = replay(NEW, lake)
    assert (done.landed, done.left) == (0, 1) and len(places(lake)) == 1


def test_parts_are_told_in_order_whenever_they_were_refused(lake: Lake) -> None:
    refusals = [Refusal(0, "odd", None, "", part) for part in (3, None, 1)]
    sent, table = [Sent(0, BAD)], Table(lake, layout.QUARANTINE)
    together = quarantine_rows(HERE, sent, [*refusals, Refusal(0, "odd", None, "", 2)])
    assert together["part"].to_list() == [None, 1, 2, 3]
    for number, refusal in enumerate(refusals):
        assert table.append(quarantine_rows(HERE, sent, [refusal]), [Claim("a", number or None, number + 1)])
    assert message_rows(lake, HERE, 0)["part"].to_list() == [None, 1, 3]


def cloud(specversion: bytes, offset: int) -> Sent:
    attributes = {
        "id": b"%d" % offset,
        "source": b"/tills",
        "type": b"com.shop.search",
        "time": b"2026-01-01T00:00:00Z",
    }
    headers = (("ce_specversion", specversion), *((f"ce_{name}", held) for name, held in attributes.items()))
    return Sent(offset, b'{"anonymous_id": "a1"}', headers=headers)


def test_cloudevents_in_binary_mode_are_replayed_with_their_headers(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = settings(format="cloudevents")
    with monkeypatch.context() as patched:
        patched.setattr(
            "ingest.decoding.formats.cloudevents._REQUIRED", ("specversion", "id", "source", "type", "subject")
        )
        land(lake, [cloud(b"1.0", 0), cloud(b"1.0", 1), Sent(2, BAD)], given)
    assert len(places(lake, layout.QUARANTINE)) == 3
    done = replay(given, lake)
    assert (done.landed, done.left, dict(done.stay)) == (2, 2, {"not_json": 1})
    events = scan(lake, layout.EVENTS).sort("offset").collect()
    assert events["event_id"].to_list() == ["/tills 0", "/tills 1"]
    assert set(events["event_name"]) == {"com_shop_search"}


def test_a_quarantine_of_an_earlier_version_has_no_headers_and_is_replayed(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusals = [Refusal(1, "missing_field", "event_name", "event_name is needed")]
    rows = quarantine_rows(HERE, [Sent(1, other(1))], refusals).drop("headers")
    with monkeypatch.context() as patched:
        patched.setitem(commit.SCHEMAS, layout.QUARANTINE, rows.schema)
        assert Table(lake, layout.QUARANTINE).append(rows, [Claim("ingest/journeys/id/1", None, 2)])
    assert "headers" not in scan(lake, layout.QUARANTINE).collect_schema()
    assert replay(NEW, lake).landed == 1
