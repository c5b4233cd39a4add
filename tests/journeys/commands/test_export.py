"""`journeys export customer` writes JSON lines that only their owner can read."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

import journeys.commands.export
import journeys.commands.pipeline
from expectations.errors import StorageError
from expectations.lake.tables import conform
from journeys.app import app
from journeys.commands.export import write_lines
from tests.journeys.reported.published import publish_a_shop, publish_again
from tests.written import at


def test_a_customer_is_exported_as_json_lines(tmp_path: Path) -> None:
    rows = [
        {"event_id": f"e{n}", "event_name": "home", "occurred_at": at(f"{n}m"), "customer_id": who, "offset": n}
        | {"topic": "t", "partition": 0, "identities": {"device_id": f"d{who}"}}
        for n, who in enumerate(("ann", "bob"))
    ]
    schema = {"identities": pl.Map(pl.String, pl.String)}
    conform(pl.DataFrame(rows, schema_overrides=schema)).collect().write_delta(tmp_path / "lake" / "events")
    config, file = tmp_path / "journeys.toml", tmp_path / "ann.ndjson"
    config.write_text('[lake]\naddress = "lake"\n')
    CliRunner().invoke(app, ["stitch", "--config", str(config)])
    words = ["export", "customer", "device_id:dann", "--to", str(file), "--config", str(config)]
    output = CliRunner().invoke(app, words).output
    assert "2 identities, 1 events, 0 profiles, 0 links, 1 touches, 0 quarantine" in output
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert [line["table"] for line in lines] == ["identities", "identities", "events", "touches"]
    assert lines[2]["identities"] == {"device_id": "dann"} and lines[2]["occurred_at"] == at("0m").isoformat()
    assert lines[3]["customer"] == "customer_id:ann" and "bob" not in file.read_text()
    assert file.stat().st_mode & 0o777 == 0o600
    assert CliRunner().invoke(app, words).exit_code != 0, "an existing file is kept"


def test_bytes_are_written_as_text_or_digits(tmp_path: Path) -> None:
    write_lines({"q": pl.DataFrame({"raw": [b"ann", b"\xff"], "headers": [[{"value": b"a"}], None]})}, tmp_path / "f")
    lines = [json.loads(line) for line in (tmp_path / "f").read_text().splitlines()]
    assert lines == [{"table": "q", "raw": "ann", "headers": [{"value": "a"}]}, {"table": "q", "raw": "hex:ff"}]


def test_answers_are_tables_with_the_rows_of_all_reports(tmp_path: Path) -> None:
    config, to = publish_a_shop(tmp_path), tmp_path / "answers"
    words = ["export", "answers", "--to", str(to), "--config", str(config)]
    assert CliRunner().invoke(app, words, catch_exceptions=False).exit_code == 0
    (first,) = {run for (run,) in pl.read_delta(str(to / "linked")).select("report").rows()}
    publish_again(config)
    CliRunner().invoke(app, words, catch_exceptions=False)
    runs = (
        pl.read_delta(str(to / "linked")).select("report", "report_at").unique().sort("report_at")["report"].to_list()
    )
    assert len(runs) == 2 and runs[0] == first


def exporting(folder: Path) -> Path:
    """A lake of 20 customers, of whom those with an even number bought: 0 without an address, 2 and 4 on one device."""
    addresses = {n: {"email_hash": f"=h{n}"} for n in range(1, 20)}
    rows = [
        {"event_id": f"{name}{n}", "event_name": name, "occurred_at": at(f"{n}m"), "customer_id": f"c{n}", "offset": n}
        | {"topic": "t", "partition": 0, "identities": addresses.get(n, {}) | {"device_id": f"d{n}"}}
        for n in range(20)
        for name in (["buy"] if n % 2 == 0 else ["look"])
    ]
    schema = {"identities": pl.Map(pl.String, pl.String)}
    conform(pl.DataFrame(rows, schema_overrides=schema)).collect().write_delta(folder / "lake" / "events")
    config = folder / "journeys.toml"
    config.write_text(
        '[lake]\naddress = "lake"\n[paths]\nobjected = ["customer_id:c6"]\n'
        '[[segments]]\nname = "Buyers"\nall = [{ did = "buy" }]\n'
        '[[exports]]\nname = "Thanks"\nsegment = "Buyers"\nkeys = "email_hash"\n'
        '[[exports]]\nname = "Cards"\nsegment = "Buyers"\nkeys = "card"\n'
    )
    CliRunner().invoke(app, ["stitch", "--config", str(config)], catch_exceptions=False)
    return config


def test_a_segment_is_exported_for_a_purpose_that_is_written_down(tmp_path: Path) -> None:
    config = exporting(tmp_path)

    def asked(purpose: str, to: str, *more: str) -> tuple[int, str]:
        words = ["export", "segment", purpose, "--to", str(tmp_path / to), "--config", str(config), *more]
        done = CliRunner().invoke(app, words)
        return done.exit_code, done.output + str(done.exception)

    code, said = asked("Thanks", "t.parquet")
    written = pl.read_parquet(tmp_path / "t.parquet")
    assert code == 0 and "9 members, 8 identities (email_hash)" in said
    assert written["email_hash"].to_list() == sorted(f"=h{n}" for n in range(2, 20, 2) if n != 6)
    assert written.filter(pl.col("email_hash") == "=h4")["since"].item() == at("4m")
    assert (tmp_path / "t.parquet").stat().st_mode & 0o777 == 0o600
    assert asked("Thanks", "t.parquet")[0] != 0, "an existing file is kept"
    CliRunner().invoke(app, ["forget", "customer_id:c4", "--yes", "--config", str(config)], catch_exceptions=False)
    assert asked("Thanks", "t.parquet", "--replace")[0] == 0
    assert "=h4" not in pl.read_parquet(tmp_path / "t.parquet")["email_hash"].to_list()
    assert asked("Thanks", "t.csv")[0] == 0
    assert (tmp_path / "t.csv").read_text().splitlines()[:2] == [
        '"email_hash","since"',
        '"=h10","2024-01-01T00:10:00Z"',
    ]
    assert "did you mean 'Thanks'" in asked("Thank", "x.csv")[1]
    assert "expected: .csv or .parquet" in asked("Thanks", "x.txt")[1]
    assert "No event has an identity of kind 'card'" in asked("Cards", "x.csv")[1]
    assert not [*tmp_path.glob("x.*"), *tmp_path.glob(".*part")]


@pytest.mark.parametrize("replace", [False, True])
@pytest.mark.parametrize("failure", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_an_export_that_is_not_completed_leaves_nothing(tmp_path: Path, failure: BaseException, replace: bool) -> None:
    to = tmp_path / "t.csv"
    if replace:
        to.write_text("before")
    with (
        pytest.raises(StorageError if isinstance(failure, OSError) else KeyboardInterrupt),
        journeys.commands.export._new_file(to, replace=replace) as file,
    ):
        file.write(b"half of it")
        raise failure
    assert [each.read_text() for each in tmp_path.iterdir()] == ["before"] * replace


def test_touches_are_written_with_pseudonyms_for_their_owner(tmp_path: Path) -> None:
    config, file = publish_a_shop(tmp_path), tmp_path / "t.parquet"
    words = ["export", "touches", "--to", str(file), "--config", str(config)]
    assert CliRunner().invoke(app, words, catch_exceptions=False).exit_code == 0
    written = pl.read_parquet(file)
    assert len(written) == 120 and written["customer"].n_unique() == 60
    assert written["customer"].str.starts_with("customer:").all() and "linked" not in written.columns
    assert file.stat().st_mode & 0o777 == 0o600
    assert CliRunner().invoke(app, words).exit_code != 0, "an existing file is kept"
    CliRunner().invoke(
        app, [*words[:3], str(tmp_path / "clear.parquet"), "--clear", *words[4:]], catch_exceptions=False
    )
    assert "c0" in {key.rpartition(":")[2] for key in pl.read_parquet(tmp_path / "clear.parquet")["customer"]}
