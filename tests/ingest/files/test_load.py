"""Files of every format land through the decoder and gate of the stream, once per content."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import zstandard

from expectations.errors import InputError
from expectations.gate import Rule
from expectations.lake import layout
from expectations.lake.layout import Lake
from ingest.files import load
from ingest.files.load import file_stream, load_events, load_profiles
from ingest.files.places import list_files
from ingest.landing.commit import Table, scan
from ingest.landing.landing import Landing
from ingest.settings.ingest import IngestSettings, Stream
from tests.ingest.decoding.formats.test_snowplow import VIEW_LINE
from tests.ingest.streams import places

SETTINGS = IngestSettings(streams=[Stream(topic="orders", kind="order", channel="store")])
ORDERS = file_stream(SETTINGS, kind="order")
EVENT: dict[str, Any] = {
    "event_id": "e1",
    "event_name": "order_placed",
    "occurred_at": "2026-01-01T12:00:00Z",
    "customer_id": "c1",
    "identities": {"loyalty_id": "l1"},
    "revenue": "12.50",
    "score": 7.0,
    "items": [{"sku": "s1", "quantity": 2, "price": "6.25"}],
    "properties": {"till": 4},
}


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path / "lake"))


def ndjson(*events: dict[str, Any] | bytes) -> bytes:
    return b"".join((e if isinstance(e, bytes) else json.dumps(e).encode()) + b"\n" for e in events)


def as_csv(path: Path) -> None:
    row = {
        name: json.dumps(value) if isinstance(value, dict | list) else str(value)
        for name, value in EVENT.items()
        if name != "identities"
    }
    pl.DataFrame([row | {"identities.loyalty_id": "l1", "url": ""}]).write_csv(path)


def as_parquet(path: Path) -> None:
    occurred_at = datetime(2026, 1, 1, 12, tzinfo=UTC).replace(tzinfo=None)
    row = EVENT | {"occurred_at": occurred_at, "revenue": Decimal("12.50")}
    pl.DataFrame([row | {"properties": json.dumps(EVENT["properties"])}]).with_columns(
        pl.col("properties").str.json_decode(pl.Struct({"till": pl.Int64}))
    ).write_parquet(path)


WRITERS = {
    "events.ndjson": lambda path: path.write_bytes(ndjson(EVENT)),
    "events.jsonl.gz": lambda path: path.write_bytes(gzip.compress(ndjson(EVENT))),
    "events.ndjson.zst": lambda path: path.write_bytes(zstandard.compress(ndjson(EVENT))),
    "events.csv": as_csv,
    "events.parquet": as_parquet,
}


@pytest.mark.parametrize("name", WRITERS)
def test_every_file_format_gives_the_same_event(name: str, tmp_path: Path, lake: Lake) -> None:
    WRITERS[name](tmp_path / name)
    done = load_events(tmp_path / name, ORDERS, SETTINGS, lake)
    assert (done.known, done.landed, done.quarantined) == (False, 1, {})
    row = scan(lake, layout.EVENTS).collect().row(0, named=True)
    assert row["occurred_at"] == datetime(2026, 1, 1, 12, tzinfo=UTC)
    assert (row["event_id"], row["kind"], row["channel"], row["customer_id"]) == ("e1", "order", "store", "c1")
    assert dict(row["identities"]) == {"loyalty_id": "l1"}
    assert (row["revenue"], row["score"], row["properties"]) == (Decimal("12.50"), 7.0, '{"till":4}')
    assert row["items"] == [{"sku": "s1", "quantity": 2, "price": Decimal("6.25")}]


def test_a_file_lands_once_by_content_under_any_name(tmp_path: Path, lake: Lake) -> None:
    for name, known in (("a.ndjson", False), ("a.ndjson", True), ("b.jsonl", True)):
        (tmp_path / name).write_bytes(ndjson(EVENT, b"nonsense"))
        done = load_events(tmp_path / name, ORDERS, SETTINGS, lake)
        assert done.known is known
    assert len(places(lake)) == len(places(lake, layout.QUARANTINE)) == 1


def test_bad_rows_go_to_quarantine_with_their_row_number(tmp_path: Path, lake: Lake) -> None:
    bad = [
        b"",
        b"\xff",
        EVENT | {"score": "seven"},
        {"event_name": "x"},
        EVENT | {"occurred_at": "1970-01-01T00:00:00Z"},
    ]
    (tmp_path / "e.ndjson").write_bytes(ndjson(EVENT, *bad, EVENT))
    done = load_events(tmp_path / "e.ndjson", ORDERS, SETTINGS, lake)
    assert done.landed == 2
    assert done.quarantined == {"not_utf8": 1, "wrong_type": 1, "missing_field": 1, "time_out_of_range": 1}
    assert [offset for _, _, offset in places(lake)] == [0, 6]
    assert [offset for _, _, offset in places(lake, layout.QUARANTINE)] == [2, 3, 4, 5]


@pytest.mark.parametrize("kind", ["ndjson", "parquet"])
def test_loading_after_a_crash_resumes_after_the_last_commit(
    kind: str, tmp_path: Path, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / f"e.{kind}"
    getattr(pl.DataFrame([EVENT | {"event_id": f"e{n}"} for n in range(100)]), f"write_{kind}")(file)
    monkeypatch.setattr(load, "ROWS_AT_ONCE", 10)
    few = SETTINGS.model_copy(update={"flush_rows": 20})
    real, flushes = Landing.flush, 0

    def dies(self: Landing) -> Any:
        nonlocal flushes
        flushes += 1
        if flushes == 3:
            raise KeyboardInterrupt
        return real(self)

    monkeypatch.setattr(Landing, "flush", dies)
    with pytest.raises(KeyboardInterrupt):
        load_events(file, ORDERS, few, lake)
    assert len(places(lake)) == 40
    monkeypatch.setattr(Landing, "flush", real)
    assert load_events(file, ORDERS, few, lake).landed == 60
    assert [offset for _, _, offset in places(lake)] == list(range(100))
    assert scan(lake, layout.EVENTS).collect()["event_id"].n_unique() == 100


def test_an_empty_file_does_not_count_as_landed_before(tmp_path: Path, lake: Lake) -> None:
    (tmp_path / "e.ndjson").write_bytes(b"")
    done = load_events(tmp_path / "e.ndjson", ORDERS, SETTINGS, lake)
    assert (done.known, done.landed, done.quarantined) == (False, 0, {})


def test_refused_rows_are_counted_over_all_flushes(tmp_path: Path, lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "e.ndjson").write_bytes(ndjson(*[b"nonsense", EVENT, b"\xff"] * 10))
    monkeypatch.setattr(load, "ROWS_AT_ONCE", 6)
    done = load_events(tmp_path / "e.ndjson", ORDERS, SETTINGS.model_copy(update={"flush_rows": 6}), lake)
    assert (done.landed, done.quarantined) == (10, {"not_json": 10, "not_utf8": 10})
    assert Table(lake, layout.EVENTS).version == 5, "a flush is due at six rows"


def test_profiles_refused_before_a_crash_are_not_refused_twice(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    given, real = pl.concat([profiles(), profiles(identity=[""])]), Table.append

    def dies(self: Table, *what: Any) -> bool:
        if self.name == layout.PROFILES:
            raise KeyboardInterrupt
        return real(self, *what)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(Table, "append", dies)
        load_profiles(given, lake)
    assert load_profiles(given, lake).landed == 1
    assert len(places(lake, layout.QUARANTINE)) == len(places(lake, layout.PROFILES)) == 1


def test_progress_is_reported(tmp_path: Path, lake: Lake) -> None:
    reports: list[tuple[int, int | None]] = []
    (tmp_path / "e.ndjson").write_bytes(ndjson(EVENT, EVENT))
    load_events(tmp_path / "e.ndjson", ORDERS, SETTINGS, lake, on_progress=lambda *report: reports.append(report))
    assert reports[-1] == (2, 2)


@pytest.mark.parametrize("name", ["none.ndjson", "e.xlsx", "broken.parquet", "broken.ndjson.gz", "broken.ndjson.zst"])
def test_a_file_that_cannot_be_read_is_one_clear_error(name: str, tmp_path: Path, lake: Lake) -> None:
    if not name.startswith("none"):
        (tmp_path / name).write_bytes(b"this is not what the name says")
    with pytest.raises(InputError, match="cannot be read") as failed:
        load_events(tmp_path / name, ORDERS, SETTINGS, lake)
    assert name in failed.value.where


def profiles(**columns: list[Any]) -> pl.DataFrame:
    base = {"identity_kind": ["customer_id"], "identity": ["c1"], "attribute": ["region"], "value": ["north"]}
    return pl.DataFrame(base | {"valid_from": ["2026-01-01"]} | columns)


def test_profiles_land_once_by_content(lake: Lake, tmp_path: Path) -> None:
    given = profiles()
    given.write_csv(tmp_path / "p.csv")
    assert load_profiles(given, lake).landed == 1
    assert load_profiles(given, lake).known
    assert load_profiles(tmp_path / "p.csv", lake).known
    row = scan(lake, layout.PROFILES).collect().row(0, named=True)
    assert (row["identity_kind"], row["value"]) == ("customer_id", "north")
    assert row["valid_from"] == datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("kind", ["csv", "parquet", "ndjson"])
def test_profiles_are_read_from_every_file_format(kind: str, lake: Lake, tmp_path: Path) -> None:
    file = tmp_path / f"p.{kind}"
    getattr(profiles(valid_from=["2026-01-01T00:00:00Z"]), f"write_{kind}")(file)
    assert load_profiles(file, lake).landed == 1


NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("times", [[NEW_YEAR], [NEW_YEAR.replace(tzinfo=None)], [NEW_YEAR.date()]])
def test_times_of_profiles_may_be_dates_and_datetimes(times: list[Any], lake: Lake) -> None:
    assert load_profiles(profiles(valid_from=times), lake).landed == 1
    assert scan(lake, layout.PROFILES).collect()["valid_from"][0] == datetime(2026, 1, 1, tzinfo=UTC)


def test_incomplete_profiles_go_to_quarantine(lake: Lake) -> None:
    given = pl.concat(
        [
            profiles(),
            profiles(identity=[""]),
            profiles(valid_from=["soon"]),
            profiles(value=pl.Series([None], dtype=pl.String)),
        ]
    )
    done = load_profiles(given, lake)
    assert done.landed == 2 and done.quarantined == {"missing_field": 1, "bad_timestamp": 1}
    bad = scan(lake, layout.QUARANTINE).collect().sort("offset")
    assert bad["offset"].to_list() == [1, 2] and json.loads(bad["raw"][1])["valid_from"] == "soon"


def test_profiles_without_a_column_are_one_clear_error(lake: Lake) -> None:
    with pytest.raises(InputError, match="lack a column") as failed:
        load_profiles(profiles().drop("attribute"), lake)
    assert "attribute" in failed.value.do


def test_an_empty_frame_of_profiles_is_not_an_error(lake: Lake) -> None:
    assert load_profiles(profiles().clear(), lake).landed == 0
    assert Table(lake, layout.PROFILES).version >= 0


def test_files_are_read_in_the_format_of_their_stream(tmp_path: Path, lake: Lake) -> None:
    streams = [
        Stream(topic="calls", kind="clickstream", channel="web", format="segment"),
        Stream.model_validate(
            {
                "topic": "tills",
                "kind": "order",
                "channel": "store",
                "fields": {"event_name": "what", "customer_id": "who", "occurred_at": "occurred_at"},
            }
            | {"rest": "drop"}
        ),
    ]
    given = IngestSettings(streams=streams)
    call = {"type": "track", "event": "Cart Viewed", "userId": "u1", "timestamp": "2026-01-01T00:00:00Z"}
    (tmp_path / "a.jsonl").write_bytes(ndjson({"batch": [call, call | {"messageId": "m2"}]}))
    assert load_events(tmp_path / "a.jsonl", file_stream(given, topic="calls"), given, lake).landed == 2
    (tmp_path / "b.tsv.gz").write_bytes(gzip.compress(VIEW_LINE + b"\n" + VIEW_LINE[:200]))
    done = load_events(tmp_path / "b.tsv.gz", file_stream(given, form="snowplow"), given, lake)
    assert (done.landed, done.quarantined) == (1, {"not_tsv": 1})
    pl.DataFrame({"what": ["sale"], "who": [7], "occurred_at": ["2026-01-01T00:00:00Z"]}).write_parquet(
        tmp_path / "c.parquet"
    )
    assert load_events(tmp_path / "c.parquet", file_stream(given, topic="tills"), given, lake).landed == 1
    rows = scan(lake, layout.EVENTS).collect()
    assert rows.filter(event_name="cart_viewed").select("channel", "part").rows() == [("web", 0), ("web", 1)]
    assert rows.filter(customer_id="7").select("event_name", "kind", "channel").rows() == [("sale", "order", "store")]


def test_an_unknown_stream_is_an_error_that_lists_the_streams(lake: Lake) -> None:
    with pytest.raises(InputError, match="No stream") as refused:
        file_stream(SETTINGS, topic="nowhere")
    assert refused.value.expected == "orders"


def test_a_folder_is_expanded_to_its_loadable_files(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    for name in ("b.ndjson", "a.csv", "deep/c.jsonl.gz", "readme.txt", "_SUCCESS", "d.csv.gz"):
        (tmp_path / name).touch()
    found = list_files([str(tmp_path), str(tmp_path / "readme.txt")])
    assert [str(Path(name).relative_to(tmp_path)) for name in found] == [
        "a.csv",
        "b.ndjson",
        "d.csv.gz",
        "deep/c.jsonl.gz",
        "readme.txt",
    ]
    with pytest.raises(InputError, match="nothing to load"):
        list_files([str(tmp_path / "deep" / ".."), str(empty(tmp_path))])


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*.csv", ["a [1].csv", "b.csv"]),
        ("?.csv", ["b.csv"]),
        ("**/*.csv", ["a [1].csv", "b.csv", "deep/er/d.csv"]),
        ("deep/**", ["deep/c.jsonl", "deep/er/d.csv"]),
        ("d*/*/d.*", ["deep/er/d.csv"]),
        ("*.parquet", []),
    ],
)
def test_the_files_that_fit_a_pattern_are_loadable(
    pattern: str, expected: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "deep" / "er").mkdir(parents=True)
    for name in ("b.csv", "a [1].csv", "deep/c.jsonl", "deep/er/d.csv", "deep/er/notes.txt"):
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    for address in (pattern, f"{tmp_path}/{pattern}"):
        if not expected:
            with pytest.raises(InputError, match="nothing to load"):
                list_files([address])
            continue
        assert [str(Path(name).absolute().relative_to(tmp_path)) for name in list_files([address])] == expected


@pytest.mark.parametrize("pattern", ["**", "table/**", "."])
def test_a_table_of_delta_is_not_read_as_its_files(
    pattern: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for mode in ("append", "overwrite"):
        pl.DataFrame({"a": [1]}).write_delta("table", mode=mode)
    with pytest.raises(InputError, match="belong to a table of Delta Lake"):
        list_files([pattern])
    assert list_files(["table/"]) == ["table"]


def test_a_file_whose_name_looks_like_a_pattern_is_itself(tmp_path: Path) -> None:
    (tmp_path / "what*.csv").touch()
    assert list_files([str(tmp_path / "what*.csv")]) == [str(tmp_path / "what*.csv")]


def empty(folder: Path) -> Path:
    (folder / "none").mkdir()
    return folder / "none"


def test_rows_of_files_are_judged_by_the_rules_of_the_stream(lake: Lake, tmp_path: Path) -> None:
    path = tmp_path / "orders.ndjson"
    path.write_bytes(ndjson(EVENT, EVENT | {"event_id": "e2", "event_name": "odd"}))
    rule = Rule("odd names are refused", "event_name", "not_allowed", pl.col("event_name") != "odd", "another name")
    done = load_events(path, ORDERS, SETTINGS, lake, rules=[rule])
    assert (done.landed, done.quarantined) == (1, {"not_allowed": 1})


def test_a_known_file_reports_its_rows_in_quarantine(lake: Lake, tmp_path: Path) -> None:
    path = tmp_path / "orders.ndjson"
    path.write_bytes(ndjson(EVENT, b"no json"))
    load_events(path, ORDERS, SETTINGS, lake)
    again = load_events(path, ORDERS, SETTINGS, lake)
    assert (again.known, again.landed, again.quarantined) == (True, 0, {"not_json": 1})
