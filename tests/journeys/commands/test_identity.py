"""`journeys identity` shows why two identities are one customer, in full for copying, and splits them."""

from __future__ import annotations

from pathlib import Path

import polars as pl
from typer.testing import CliRunner

import journeys.commands.identity  # noqa: F401 - registers the commands
from expectations.lake.tables import conform
from journeys.app import app
from tests.written import at

LONG = "f" * 64


def test_a_chain_is_shown_in_full_and_a_split_ends_it(tmp_path: Path) -> None:
    rows = [
        {
            "event_id": f"e{n}",
            "event_name": "home",
            "occurred_at": at(f"{n}m"),
            "anonymous_id": who,
            "customer_id": LONG,
        }
        for n, who in enumerate(("x", "y", "y"))
    ]
    conform(pl.DataFrame(rows)).collect().write_delta(tmp_path / "lake" / "events")
    config = tmp_path / "journeys.toml"
    config.write_text('[lake]\naddress = "lake"\n')

    def say(*words: str) -> str:
        return CliRunner().invoke(app, ["identity", *words, "--config", str(config)]).output

    asked = ("why", "anonymous_id:x", "anonymous_id:y")
    chain = say(*asked)
    assert f"1. anonymous_id:x  and  customer_id:{LONG}" in chain
    assert f"2. customer_id:{LONG}  and  anonymous_id:y" in chain
    assert "on 2 events" in chain
    kept = say("split", "anonymous_id:x", "anonymous_id:y")
    assert "They stay one customer" in kept and f"1. anonymous_id:x  and  customer_id:{LONG}" in kept
    assert "has no effect" in say("split", "anonymous_id:nobody", "anonymous_id:y")
    assert "did you mean 'anonymous_id'?" in " ".join(say("split", "anonymus_id:x", "anonymous_id:y").split())
    assert "will be two customers" in say("split", "anonymous_id:y", f"customer_id:{LONG}")
    parted = say(*asked)
    assert "two customers" in parted and parted.count("does not count: removed by `journeys identity split`") == 1
    say("split", "anonymous_id:y", f"customer_id:{LONG}", "--undo")
    assert say(*asked) == chain
    assert "on 1 event, 2024-01-01 00:00; first e0" in chain
    config.write_text('[lake]\naddress = "lake"\n[paths.identities]\nlogins = []\nmax_degree = 1\n')
    assert f"customer_id:{LONG} is shared: it occurs with more than 1 others (max_degree)" in say(*asked)
