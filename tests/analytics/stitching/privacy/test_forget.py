from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from deltalake import DeltaTable

import analytics.stitching.privacy.forget
from analytics.identity.links import split
from analytics.stitching.build import build
from analytics.stitching.privacy.forget import MAX_LOGINS, forget
from analytics.stitching.privacy.journal import write_journal
from analytics.stitching.privacy.quarantine import messages_naming
from analytics.stitching.privacy.selection import select_customers
from analytics.store.manifest import PathsReplacedError, generation_of
from analytics.store.paths import Paths
from analytics.touches.rules import PathRules
from expectations import contract
from expectations.audit import results
from expectations.errors import DefinitionError, StorageError
from expectations.lake import files
from expectations.lake.layout import Lake
from expectations.lake.tables import conform
from ingest.landing.commit import Table
from ingest.landing.offsets import Claim
from tests.written import START, at

RULES = PathRules()


def land(lake: Lake, rows: list[dict[str, Any]]) -> None:
    known = [
        {
            "event_id": f"e{number}",
            "event_name": "home",
            "kind": "clickstream",
            "channel": "web",
            "occurred_at": at(f"{number}m"),
            "received_at": at(f"{number}m"),
            "event_date": START.date(),
            "topic": "it's",
            "partition": 0,
            "offset": number,
        }
        | row
        for number, row in enumerate(rows)
    ]
    schema = {"customer_id": pl.String, "anonymous_id": pl.String}
    pl.DataFrame(known, schema_overrides=schema, infer_schema_length=None).write_delta(
        lake.table("events"), mode="append"
    )


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    lake = Lake(str(tmp_path))
    ann = {"anonymous_id": "secret-x", "customer_id": "secret-ann"}
    land(lake, [ann, {"anonymous_id": "secret-x", "customer_id": None}, {"anonymous_id": None, "customer_id": "bob"}])
    profile = {"attribute": "region", "value": "north", "valid_from": START, "topic": "p", "partition": 0, "offset": 0}
    people = [{"identity_kind": "customer_id", "identity": who} | profile for who in (" secret-ann ", "bob")]
    pl.DataFrame(people).cast(contract.PROFILES).write_delta(lake.table("profiles"))
    refused = {"topic": "t", "partition": 0, "raw": b'{"customer_id": "secret-ann"', "reason": "not_json"}
    other = refused | {"raw": b'{"customer_id": "secret-anna"'}
    rows = [refused | {"offset": 1}, other | {"offset": 2}]
    pl.DataFrame(rows).with_columns(partition=pl.lit(0, pl.Int32)).write_delta(lake.table("quarantine"))
    split(lake, "customer_id: secret-ann", "device_id:d", decided_at=at("1d"))
    build(lake)
    build(lake)
    return lake


def test_a_customer_is_gone_from_every_table_and_file(lake: Lake) -> None:
    done = forget(lake, "anonymous_id:secret-x")
    counts = {table: (before, after) for table, before, after, *_ in done.iter_rows()}
    assert counts == {
        "events": (3, 1),
        "profiles": (2, 1),
        "links": (1, 0),
        "quarantine": (2, 1),
        "checks/results": (0, 0),
        "journeys": (0, 0),
        "paths": (3, 1),
        "memory": (3, 1),
    }
    assert set(Paths.open(lake).touches.collect()["customer"]) == {"customer_id:bob"}
    assert done["named"].to_list() == [0] * len(done)
    assert traces(lake, "secret") == {"quarantine"}, "of another: secret-anna"
    assert not traces(lake, "secret-x") and not traces(lake, '"secret-ann"')
    for table in ("paths", "memory"):
        assert done.filter(table=table)["removed"].item() > 0
    for table in ("events", "profiles", "links", "quarantine"):
        assert done.filter(table=table)["log"].item() > 0


def test_a_customer_of_any_size_can_go(lake: Lake) -> None:
    """A single condition for so many rows would end the process."""
    robot = {"customer_id": "robot", "anonymous_id": None}
    land(lake, [robot | {"event_id": f"r{number}", "offset": 100 + number} for number in range(25_000)])
    refused = [
        {"topic": "t", "partition": 0, "offset": 100 + number, "raw": b'{"customer_id": "robot"', "reason": "not_json"}
        for number in range(25_000)
    ]
    columns = {"partition": pl.Int32}
    pl.DataFrame(refused, schema_overrides=columns).write_delta(lake.table("quarantine"), mode="append")
    for number in range(2):
        split(lake, "customer_id:robot", f"device_id:{number}", decided_at=at("1d"))
    done = forget(lake, "customer_id:robot", large=True)
    gone = {table: before - after for table, before, after, *_ in done.iter_rows()}
    assert gone == {
        "events": 25_000,
        "quarantine": 25_000,
        "links": 2,
        "paths": 0,
        "profiles": 0,
        "checks/results": 0,
        "journeys": 0,
        "memory": 0,
    }
    assert done["named"].to_list() == [0] * len(done)


@pytest.mark.parametrize("step", ["profiles", "links", "quarantine", "events", "build"])
def test_an_interrupted_forget_can_be_repeated(lake: Lake, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    """Killed after rows of a table were deleted, before its files were removed; or before the paths are built."""
    real = analytics.stitching.privacy.forget.erase

    def die(*_: Any) -> None:
        raise KeyboardInterrupt

    def erase(lake: Lake, name: str, conditions: Iterable[str]) -> Any:
        if name != step:
            return real(lake, name, conditions)
        for condition in conditions:
            DeltaTable(lake.table(name)).delete(condition)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        if step == "build":
            patched.setattr(analytics.stitching.privacy.forget, "build", die)
        else:
            patched.setattr(analytics.stitching.privacy.forget, "erase", erase)
        with pytest.raises(KeyboardInterrupt):
            forget(lake, "customer_id:secret-ann")
    assert forget(lake, "customer_id:secret-ann")["named"].sum() == 0
    assert traces(lake, "secret") == {"quarantine"} and not traces(lake, '"secret-ann"')
    with pytest.raises(DefinitionError, match="No event carries"):
        forget(lake, "customer_id:secret-ann")


def test_a_customer_with_profiles_and_no_events_is_forgotten_too(lake: Lake) -> None:
    profile = {"attribute": "region", "value": "n", "valid_from": START, "topic": "p", "partition": 0, "offset": 7}
    row = [{"identity_kind": "email_hash", "identity": "CAFE-00", **profile}]
    pl.DataFrame(row).cast(contract.PROFILES).write_delta(lake.table("profiles"), mode="append")
    done = forget(lake, "email_hash:cafe-00")
    assert done.filter(table="profiles").select("before", "after", "named").row(0) == (3, 2, 0)
    assert done.filter(table="events").select("before", "after").row(0) == (3, 3)
    assert not traces(lake, "CAFE-00")


def test_a_running_consumer_keeps_landing(lake: Lake) -> None:
    """Its snapshot is of a version whose log is gone: it reads the log again, and what it lands is there, once."""
    events = Table(Lake(f"{lake.address}/busy"), "events")
    first = rows(0, "secret-ann", "bob")
    assert events.append(first, [Claim("ingest/t/0", None, 2)])
    forget(Lake(f"{lake.address}/busy"), "customer_id:secret-ann")
    assert events.append(rows(2, "carl"), [Claim("ingest/t/0", 2, 3)])
    landed = pl.read_delta(f"{lake.address}/busy/events")
    assert sorted(landed["customer_id"]) == ["bob", "carl"]
    assert Table(Lake(f"{lake.address}/busy"), "events").decided("ingest/t/0") == 3


def test_a_denied_value_cannot_be_forgotten(lake: Lake) -> None:
    land(lake, [{"event_id": "d", "anonymous_id": "unknown", "customer_id": "bob", "offset": 9}])
    with pytest.raises(DefinitionError, match="belong to no customer"):
        forget(lake, "anonymous_id:unknown")


def traces(lake: Lake, text: str) -> set[str]:
    """The tables that have a file, of data or of the log, with this text: in its bytes, or in its decoded rows."""
    files = [file for file in Path(lake.address).rglob("*") if file.is_file()]
    assert any(file.suffix == ".json" and "_delta_log" in file.parts for file in files)
    contents = {file: file.read_bytes() for file in files}
    for file in filter(is_parquet, files):
        contents[file] += repr(pl.read_parquet(file).to_dicts()).encode()
    return {file.relative_to(lake.address).parts[0] for file in files if text.encode() in contents[file]}


def is_parquet(file: Path) -> bool:
    return file.suffix == ".parquet"


def rows(start: int, *customers: str) -> pl.DataFrame:
    """Events as a consumer lands them."""
    place = {"event_date": START.date(), "topic": "t", "partition": 0, "part": 0, "kind": "clickstream"}
    known = [
        {"event_id": f"r{n}", "customer_id": who, "occurred_at": at(f"{n}m"), "offset": n, "event_name": "home"} | place
        for n, who in enumerate(customers, start)
    ]
    return conform(pl.DataFrame(known)).collect()


def test_an_identity_that_lands_again_is_a_new_customer(lake: Lake) -> None:
    forget(lake, "customer_id:secret-ann")
    land(lake, [{"event_id": "new", "anonymous_id": "secret-x", "customer_id": None, "offset": 9}])
    build(lake)
    assert sorted(Paths.open(lake).touches.collect()["customer"]) == ["anonymous_id:secret-x", "customer_id:bob"]


def test_an_unknown_identity_cannot_be_forgotten(lake: Lake) -> None:
    with pytest.raises(DefinitionError, match="No event carries this customer_id"):
        forget(lake, "customer_id:nobody")
    assert not DeltaTable(lake.table("events")).version(), "nothing was touched"


def test_hundreds_of_kinds_do_not_stop_a_forget(lake: Lake) -> None:
    kinds = {f"user{number}@x.de": "email" for number in range(300)}
    schema = {"identities": pl.Map(pl.String, pl.String)}
    rows = [{"event_id": "k", "anonymous_id": "secret-x", "identities": kinds, "offset": 9}]
    place = {"event_name": "home", "occurred_at": START, "event_date": START.date(), "topic": "it's", "partition": 0}
    frame = conform(pl.DataFrame([row | place for row in rows], schema_overrides=schema)).collect()
    frame.write_delta(lake.table("events"), mode="append", delta_write_options={"schema_mode": "merge"})
    forget(lake, "customer_id:secret-ann")
    assert not traces(lake, "user7@x.de")
    with pytest.raises(DefinitionError, match=r"add 'card' to kinds under \[paths.identities\]"):
        forget(lake, "card:7")


def test_many_customers_are_forgotten_in_one_pass(lake: Lake) -> None:
    land(lake, [{"event_id": "c", "anonymous_id": "secret-y", "customer_id": "secret-cid", "offset": 9}])
    done = forget(lake, ["customer_id:secret-ann", "anonymous_id:secret-y", "customer_id:nobody"])
    assert done.filter(table="events").select("before", "after", "named").row(0) == (4, 1, 0)
    assert traces(lake, "secret") == {"quarantine"}, "of another: secret-anna"
    assert (Path(lake.table("events")) / "_delta_log").exists() and not Path(lake.table("forgetting")).exists()


def test_the_selection_shows_what_would_go(lake: Lake) -> None:
    selection = select_customers(lake, ["anonymous_id:secret-x", "customer_id:secret-ann", "customer_id:nobody"], RULES)
    assert selection.summary.rows() == [
        ("customer_id:secret-ann", 2, 1, 2, at("0m"), at("1m")),
        ("customer_id:nobody", 1, 1, 0, None, None),
    ]
    assert selection.unknown == ("customer_id:nobody",)
    assert len(pl.read_delta(lake.table("events"))) == 3, "nothing is removed"


@pytest.mark.parametrize(
    ("settings", "logins"),
    [({"warn_identities": 1}, 1), ({"warn_events": 1}, 1), ({"unique": []}, MAX_LOGINS + 1)],
)
def test_a_customer_too_large_to_be_one_person_is_forgotten_only_when_asked(
    lake: Lake, settings: dict[str, Any], logins: int
) -> None:
    more = [{"event_id": f"l{n}", "anonymous_id": "secret-x", "customer_id": f"secret-{n}"} for n in range(1, logins)]
    if more:
        land(lake, [row | {"offset": 10 + n} for n, row in enumerate(more)])
    rules = PathRules.model_validate({"identities": settings})
    with pytest.raises(DefinitionError, match="1 of 1 customers are too large to be one person") as error:
        forget(lake, "customer_id:secret-ann", rules)
    assert f"{logins} logins" in str(error.value)
    assert len(pl.read_delta(lake.table("events"))) == 3 + len(more)
    forget(lake, "customer_id:secret-ann", rules, large=True)
    assert len(pl.read_delta(lake.table("events"))) == 1


def test_an_interrupted_forget_removes_no_more_than_it_was_about_to(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The removed link between ann and bob's phone goes first; without it they would be one customer."""
    land(lake, [{"event_id": "b", "anonymous_id": "phone", "customer_id": None, "offset": 8}])
    land(lake, [{"event_id": "p", "anonymous_id": "phone", "customer_id": "secret-ann", "offset": 9}])
    split(lake, "customer_id:secret-ann", "anonymous_id:phone", decided_at=at("1d"))
    real = analytics.stitching.privacy.forget.erase

    def erase(lake: Lake, name: str, conditions: Iterable[str]) -> Any:
        if name == "events":
            raise KeyboardInterrupt
        return real(lake, name, conditions)

    with monkeypatch.context() as patched:
        patched.setattr(analytics.stitching.privacy.forget, "erase", erase)
        with pytest.raises(KeyboardInterrupt):
            forget(lake, "customer_id:secret-ann")
    forget(lake, "customer_id:secret-ann")
    assert sorted(pl.read_delta(lake.table("events"))["event_id"]) == ["b", "e2"]


def test_an_event_name_that_only_one_customer_had_is_gone_from_the_checks(lake: Lake) -> None:
    """Their counts by day and name, and their results about the most frequent names."""
    land(
        lake,
        [
            {
                "event_id": "s",
                "anonymous_id": "secret-x",
                "customer_id": None,
                "event_name": "secret-name's",
                "offset": 9,
            }
        ],
    )
    counted = [(START.date(), "name", "home", 3), (START.date(), "name", "secret-name's", 1), (None, "rows", "", 4)]
    results.keep(lake, results.SEEN.to_frame(), pl.DataFrame(counted, schema=results.MEASURES, orient="row"))
    found = dict.fromkeys(results.RESULTS.names()) | {"suite": "drift", "checked_at": START}
    rows = [
        found | {"columns": [f"{name}.{number}"], "belief": f"{name}: its share"}
        for name in ("home", "secret-name's")
        for number in ("share", "weekly")
    ]
    results.add_results(lake, pl.DataFrame(rows, schema=results.RESULTS))
    done = forget(lake, "customer_id:secret-ann").filter(table="checks/results")
    assert done.select("before", "after").row(0) == (4, 2)
    assert results.measures(lake).filter(measure="name").rows() == [(START.date(), "name", "home", 1)]
    assert not traces(lake, "secret-name")


def test_a_quarantined_message_that_names_the_customer_in_a_header_is_removed(lake: Lake) -> None:
    """CloudEvents in binary mode have their subject in a header, and nothing of the customer in the message."""

    def refused(offset: int, name: str, value: bytes) -> dict[str, object]:
        headers = [{"name": "ce_type", "value": b"order.placed"}, {"name": name, "value": value}]
        return {"topic": "t", "partition": 0, "offset": offset, "raw": b"{", "headers": headers}

    rows = [
        refused(100, "ce_subject", b"secret-ann"),
        refused(101, "ce_customer", b'{"id": "secret-x"}'),
        refused(102, "ce_subject", b"secret-anna"),
        {"topic": "t", "partition": 0, "offset": 103, "raw": b"{", "headers": None},
        refused(104, "ce_subject", b"/customers/secret-ann/orders"),
        refused(105, "cookie", b"lang=en; uid=secret-x; theme=dark"),
    ]
    schema = {name: contract.QUARANTINE[name] for name in ("topic", "partition", "offset", "raw", "headers")}
    pl.DataFrame(rows, schema=schema).write_delta(
        lake.table("quarantine"), mode="append", delta_write_options={"schema_mode": "merge"}
    )
    forget(lake, "customer_id:secret-ann")
    left = set(pl.read_delta(lake.table("quarantine"))["offset"])
    assert left & set(range(100, 106)) == {102, 103}


@pytest.mark.parametrize(
    ("identity", "raw", "names"),
    [
        ("customer_id:secret-ann", b"2024\tweb\tsecret-ann\t\t", True),  # Snowplow's rows
        ("customer_id:secret-ann", b"2024\tweb\tsecret-anna\t", False),
        ("customer_id:secret-ann", b"uid=secret-ann&e=pv", True),
        ("customer_id:secret-ann", b"\x00\x00\x00\x00\x07\x14secret-annbuy", True),  # Avro: no letter ends a text
        ("customer_id:secret-ann", b"SECRET-ANN", False),  # another one: case counts for its kind
        ("email_hash:cafecafe", b'{"email_hash":"CAFEcafe"', True),
        ("email_hash:cafecafe", b"\xff\xfe\tCaFecafe\t", True),  # no UTF-8
        ("customer_id:ann@x.de", b"/home?user=ann%40x.de", True),
        ("customer_id:j\u00f6rg7", b'{"customer_id": "j\\u00f6rg7"', True),
        ("customer_id:j\u00f6rg7", '{"customer_id": "j\u00f6rg7"'.encode(), True),
        ("customer_id:42", b'{"customer_id": "42"', True),
        ("customer_id:42", b"7\t42\tweb", True),
        ("customer_id:42", b"42", True),
        ("customer_id:42", b'{"price": 42}', False),  # a short one could be any number
        ("customer_id:42", b"\x00\x0042", False),
    ],
)
def test_a_quarantined_message_is_searched_for_every_spelling_of_the_identity(
    tmp_path: Path, identity: str, raw: bytes, names: bool
) -> None:
    lake = Lake(str(tmp_path))
    rules = PathRules()
    kind, _, value = identity.partition(":")
    refused = {"topic": "t", "partition": 0, "offset": 5, "raw": raw, "reason": "not_json"}
    pl.DataFrame([refused], schema_overrides={"partition": pl.Int32}).write_delta(lake.table("quarantine"))
    found = messages_naming(lake, {value: kind in rules.identities.lower})
    assert found["offset"].to_list() == ([5] if names else [])


@pytest.fixture
def thirty(tmp_path: Path) -> Lake:
    """A stitched lake of thirty customers."""
    lake = Lake(str(tmp_path / "thirty"))
    land(lake, [{"customer_id": f"c{number}", "anonymous_id": f"a{number}"} for number in range(30)])
    build(lake)
    return lake


def customers(lake: Lake) -> set[str]:
    return set(Paths.open(lake).touches.collect()["customer"])


def test_a_stitch_that_began_before_a_customer_was_forgotten_publishes_nothing(thirty: Lake) -> None:
    forgotten = list[str]()

    def forgets(*_: object) -> None:
        if not forgotten:
            forgotten.append("customer_id:c4")
            forget(thirty, forgotten[0])

    with pytest.raises(PathsReplacedError, match="replaced by another process"):
        build(thirty, on_progress=forgets)
    assert len(customers(thirty)) == 29 and "customer_id:c4" not in customers(thirty)
    assert files.names(thirty.table("memory")) == [generation_of(thirty)]


def test_a_stitch_that_publishes_while_a_customer_is_forgotten_does_not_bring_the_customer_back(
    thirty: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    stale, real, published = Paths.open(thirty), build, list[Paths]()

    def build_beside(lake: Lake, rules: PathRules) -> None:
        def publish(*_: object) -> None:
            if not published:
                published.append(stale)
                stale.save(lake.paths)

        real(lake, rules, on_progress=publish)

    monkeypatch.setattr(analytics.stitching.privacy.forget, "publish_without", lambda *_: False)
    monkeypatch.setattr(analytics.stitching.privacy.forget, "build", build_beside)
    forget(thirty, "customer_id:c4")
    assert published and len(customers(thirty)) == 29 and "customer_id:c4" not in customers(thirty)


def test_files_that_cannot_hold_the_customer_are_not_read(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    for day, who in enumerate(["secret-ann", "bob", "secret-ann", "cleo"]):
        there = at(f"{day}d")
        row = {"customer_id": who, "anonymous_id": f"{who}-x", "occurred_at": there, "received_at": there}
        land(lake, [row | {"event_id": f"d{day}", "event_date": there.date(), "offset": day}])
    build(lake)
    table = DeltaTable(lake.table("events"))
    adds = pl.DataFrame(table.get_add_actions(flatten=True))
    others = adds.filter(pl.col("min.customer_id").is_in(["bob", "cleo"]))["path"]
    content = {Path(lake.table("events"), file): Path(lake.table("events"), file).read_bytes() for file in others}
    for path, rows in content.items():
        path.write_bytes(b"x" * len(rows))
    done = forget(lake, "customer_id:secret-ann")
    assert done.filter(table="events").select("before", "after", "named").row(0) == (4, 2, 0)
    assert set(Paths.open(lake).touches.collect()["customer"]) == {"customer_id:bob", "customer_id:cleo"}
    for path, rows in content.items():
        path.write_bytes(rows)
    assert not traces(lake, "secret")


def test_the_keys_of_customers_whose_identities_lie_in_pieces(lake: Lake) -> None:
    """As they do in a lake of millions of identities: some pieces hold none of these customers."""
    selection = select_customers(lake, ["customer_id:secret-ann"], RULES)
    known = selection.identities
    pieces = pl.concat([known] * 3, rechunk=False).filter(pl.arange(3 * len(known), eager=True) // len(known) != 1)
    assert [len(each) for each in pieces["kind"].get_chunks()] == [len(known), 0, len(known)]
    assert replace(selection, identities=pieces).all_keys == selection.all_keys


def test_two_processes_remove_customers_one_after_the_other(lake: Lake) -> None:
    """The journal of one that still runs is neither finished nor replaced; that of a killed one is finished."""
    selection = select_customers(lake, ["customer_id:secret-ann"], RULES)
    write_journal(lake, selection)
    with pytest.raises(StorageError, match="Another process removes customers"):
        write_journal(lake, selection)
    journal = Path(lake.table("forgetting"), "journal.json")
    facts = json.loads(journal.read_text())
    host, _, run = facts["process"]
    journal.write_text(json.dumps(facts | {"process": [host, os.getppid(), "another"]}))
    with pytest.raises(StorageError, match="Another process removes customers"):
        forget(lake, "customer_id:bob")
    assert traces(lake, "secret-ann") and "bob" in str(Paths.open(lake).touches.collect()["customer"].to_list())
    journal.write_text(json.dumps(facts | {"process": [host, 2**22 + 1, run]}))
    forget(lake, "customer_id:bob")
    assert not journal.exists() and not traces(lake, '"secret-ann"')
