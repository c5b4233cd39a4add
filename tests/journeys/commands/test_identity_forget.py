"""`journeys forget` asks for confirmation, removes the customer, and prints what remains."""

from __future__ import annotations

from pathlib import Path

import polars as pl
from typer.testing import CliRunner

import journeys.commands.identity  # noqa: F401 - registers the commands
from expectations.lake.tables import conform
from journeys.app import app
from tests.written import at


def test_forget_asks_for_confirmation_and_prints_the_proof(tmp_path: Path) -> None:
    kept = {"event_name": "home", "topic": "t", "partition": 0}
    rows = [
        {"event_id": f"e{n}", "occurred_at": at(f"{n}m"), "customer_id": who, "offset": n} | kept
        for n, who in enumerate(("ann", "bob", "ann"))
    ]
    conform(pl.DataFrame(rows)).collect().write_delta(tmp_path / "lake" / "events")
    config = tmp_path / "journeys.toml"
    config.write_text('[lake]\naddress = "lake"\n')

    def say(*words: str, answer: str = "") -> str:
        return CliRunner().invoke(app, ["forget", *words, "--config", str(config)], input=answer).output

    assert "cannot be undone" in say("customer_id:ann", answer="n\n")
    assert len(pl.read_delta(str(tmp_path / "lake" / "events"))) == 3
    proof = say("customer_id:ann", "--yes")
    assert any(line.split()[:4] == ["events", "3", "1", "0"] for line in proof.splitlines())
    assert "none remain" in proof
    again = CliRunner().invoke(app, ["forget", "customer_id:ann", "--yes", "--config", str(config)])
    assert again.exit_code != 0 and "No event carries" in str(again.exception or again.output)


def test_forget_previews_takes_a_file_and_refuses_what_is_too_large(tmp_path: Path) -> None:
    kept = {"event_name": "home", "topic": "t", "partition": 0}
    rows = [
        {"event_id": f"e{n}", "occurred_at": at(f"{n}m"), "customer_id": who, "offset": n} | kept
        for n, who in enumerate(("ann", "bob", "ann", "cid"))
    ]
    conform(pl.DataFrame(rows)).collect().write_delta(tmp_path / "lake" / "events")
    config, file = tmp_path / "journeys.toml", tmp_path / "who.txt"
    config.write_text('[lake]\naddress = "lake"\n[paths.identities]\nwarn_events = 1\n')
    file.write_text("# asked for today\ncustomer_id:ann\n\ncustomer_id:bob\ncustomer_id:no\x1bbody\n")

    def say(*words: str, answer: str = "") -> str:
        result = CliRunner().invoke(app, ["forget", *words, "--config", str(config)], input=answer)
        return f"{result.output}{result.exception or ''}"

    preview = say("--from-file", str(file), "--preview")
    assert "all: 3 customers, 3 identities, 3 logins, 3 events" in preview
    assert "no event carries 1 of the identities: customer_id:no�body" in preview
    assert "too large to be one person" in say("--from-file", str(file), "--yes")
    assert len(pl.read_delta(str(tmp_path / "lake" / "events"))) == 4
    assert "Remove all data of 3 customers?" in say("--from-file", str(file), "--large", answer="y\n")
    assert pl.read_delta(str(tmp_path / "lake" / "events"))["customer_id"].to_list() == ["cid"]
    assert "No customer is named" in say("--yes")
