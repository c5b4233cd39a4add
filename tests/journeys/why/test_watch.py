"""`journeys watch` tells alerts in a line each; its exit code and its JSON are for schedulers."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

import journeys.commands  # noqa: F401 - registers the commands
from analytics import Paths
from expectations.errors import ConfigurationError
from journeys.app import app
from journeys.settings import Settings
from journeys.why.watch import KEYS, watches_on
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
    assert line.startswith("2026-03-10  OPEN    “quote” → “sign”, device “phone”: ")
    assert " instead of " in line and ", since 10 Mar" in line
    assert CliRunner().invoke(app, ["watch", "-c", str(config)]).exit_code == 0


def test_json_has_one_alert_a_line_with_its_keys_in_order(config: Path) -> None:
    done = CliRunner().invoke(app, ["watch", "--json", "--replay", "30d", "-c", str(config)])
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [list(row) for row in rows] == [list(KEYS)] * len(rows)
    assert rows[-1]["group"] == {"device": "phone"}
    assert rows[-1]["since"] == "2026-03-10T00:00:00+00:00"


def test_new_alerts_are_sent_once(config: Path) -> None:
    with pytest.raises(ConfigurationError, match="Nobody is told"):
        CliRunner().invoke(app, ["watch", "--send", "-c", str(config)], catch_exceptions=False)
    also = config.with_name("told.toml")
    also.write_text(config.read_text() + '[watch]\nfiles = "alerts"\n')
    done = CliRunner().invoke(app, ["watch", "--send", "-c", str(also)], catch_exceptions=False)
    assert "Told 1 alert." in done.output
    assert len([*(config.parent / "alerts").glob("2026-03-10-*-open.eml")]) == 1


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


BASE = """[lake]
address = "lake"

[[funnels]]
name = "sale"
steps = ["apply", "quote", "sign"]
window = "1d"

[[watches]]
name = "Sale"
"""


@pytest.fixture(scope="module")
def asked_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("watches")
    paths = shop(2, fall=(64, 69))
    Paths(paths.parts, paths.schema, paths.dictionaries, paths.end_of_data).save(found / "lake" / "paths")
    return found


def test_an_alert_is_told_with_its_watch_and_owner(asked_folder: Path) -> None:
    config = asked_folder / "journeys.toml"
    config.write_text(BASE + 'funnel = "sale"\nby = ["device"]\nowner = "Mara"\ndirection = "down"\n')
    done = CliRunner().invoke(app, ["watch", "-c", str(config)])
    assert done.exit_code == 0, done.output
    assert "(watch “Sale”, owner “Mara”)" in done.output
    rows = [
        json.loads(line) for line in CliRunner().invoke(app, ["watch", "--json", "-c", str(config)]).stdout.splitlines()
    ]
    told = next(row for row in rows if row["watch"] == "Sale")
    assert (told["owner"], told["group"]) == ("Mara", {"device": "phone"})


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ('funnel = "sael"', "line 11\n.*\n.*did you mean 'sale'"),
        ('goal = "Ordr"', "line 11"),
        ('pair = ["quote", "sing"]\nwithin = "1d"', "line 10, watch 'Sale'\n.*sign"),
        ('pair = ["quote", "sign"]', "line 9.*pair has the time"),
        ('touchpoint = "sign"\nfunnel = "sale"', "funnel and touchpoint"),
        ('funnle = "sale"', "did you mean 'funnel'"),
        ('funnel = "sale"\nby = ["devise"]', "line 10, watch 'Sale'\n.*did you mean 'device'"),
        ('funnel = "sale"\nby = ["segment:Gold"]', "line 12\n.*a segment in journeys.toml"),
        ('funnel = "sale"\nsegment = "Gold"', "line 12"),
        ('funnel = "sale"\nrule = "targett"', "line 12.*did you mean 'target'"),
        ('funnel = "sale"\nrule = "target"\ntarget = 1.5', "line 13"),
        ('funnel = "sale"\nonly = {device = "fone"}', "line 10, watch 'Sale'\n.*phone"),
        ('touchpoint = "sign"\nrule = "target"\ntarget = 0.5', "line 9.*A target is a share"),
        (
            'funnel = "like"\n[[funnels]]\nname = "like"\nsteps = ["quote", "sign"]\nprofile = "posthog"',
            "line 11, watch 'Sale'\n.*without segment, start, end and profile",
        ),
        ('share = "error"', "line 11.*did you mean 'errors'"),
    ],
)
def test_a_mistake_is_named_with_its_line(asked_folder: Path, lines: str, said: str) -> None:
    config = asked_folder / "wrong.toml"
    config.write_text(BASE + lines + "\n")
    settings = Settings(config)
    with pytest.raises(ConfigurationError, match=said):
        watches_on(settings, Paths.open(settings.lake))
