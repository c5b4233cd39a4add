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
