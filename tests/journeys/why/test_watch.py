"""`journeys watch` tells alerts in a line each; its exit code and its JSON are for schedulers."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

import journeys.why.watch  # noqa: F401 - registers the command
from analytics import Paths
from journeys.app import app
from journeys.why.watch import KEYS
from reports.privacy.watches import shown_alerts
from tests.analytics.monitoring.test_watch import shop


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("watch")
    (folder / "journeys.toml").write_text('[lake]\naddress = "lake"\n')
    paths = shop(2, fall=(64, 69))
    Paths(paths.parts, paths.schema, paths.dictionaries, paths.end_of_data).save(folder / "lake" / "paths")
    return folder / "journeys.toml"


def test_an_open_alert_is_a_line_and_an_exit_code(config: Path) -> None:
    done = CliRunner().invoke(app, ["watch", "--fail", "-c", str(config)])
    assert done.exit_code == 1, done.output
    line = next(line for line in done.output.splitlines() if "OPEN" in line)
    assert line.startswith("2026-03-10  OPEN    quote -> sign: ")
    assert "device phone; 10 Mar to 15 Mar" in line
    assert CliRunner().invoke(app, ["watch", "-c", str(config)]).exit_code == 0


def test_json_has_one_alert_a_line_with_its_keys_in_order(config: Path) -> None:
    done = CliRunner().invoke(app, ["watch", "--json", "--replay", "30d", "-c", str(config)])
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [list(row) for row in rows] == [list(KEYS)] * len(rows)
    assert rows[-1]["group"] == {"device": "phone"}
    assert rows[-1]["since"] == "2026-03-10T00:00:00+00:00"


def test_a_replay_of_no_time_is_refused(config: Path) -> None:
    done = CliRunner().invoke(app, ["watch", "--replay", "0d", "-c", str(config)])
    assert done.exit_code != 0


def test_a_group_under_k_has_no_alert_and_few_that_count_are_not_shown() -> None:
    row = {"rule": "unusual", "measure": "pair", "customers": 9, "customers_counted": 3, "customers_not_counted": 6}
    row |= {"seen": 3, "at_stake": 9.0, "goals_at_stake": 9.0, "goals_at_stake_low": 2.0, "goals_at_stake_high": 16.0}
    assert shown_alerts(pl.DataFrame([row]), 10).is_empty()
    many = shown_alerts(pl.DataFrame([row | {"customers": 40, "customers_not_counted": 37}]), 10)
    assert many["seen", "goals_at_stake"].row(0) == (None, None)
    whole = row | {"customers": 40, "customers_counted": 10, "customers_not_counted": 30}
    assert shown_alerts(pl.DataFrame([whole]), 10)["seen"].to_list() == [3]
