"""`journeys predict`: the outlook, the test on held-back time, the chances of customers, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import journeys.commands  # noqa: F401 - registers the commands
from analytics import Paths, build_paths, forecast, outlook
from expectations.errors import DefinitionError, JourneysError
from journeys.app import app
from journeys.settings import Settings
from journeys.terminal import plain
from journeys.why.ahead.predict import with_forecast
from reports.questions.people.asked import PeopleSettings
from tests.analytics.goals.ahead.test_forecast import landed, shop

TOML = """[lake]
address = "lake"
[paths]
goal = ["buy"]
[prediction]
horizons = ["1d", "2d"]
lookback = "10d"
cutoffs = 2
"""


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("predicted")
    landed(folder / "lake", shop(60))
    (folder / "journeys.toml").write_text(TOML)
    return folder / "journeys.toml"


def asked(config: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["predict", *arguments, "--config", str(config)], catch_exceptions=False)


def test_the_rows_are_those_of_the_function(config: Path) -> None:
    settings = Settings(config)
    found = forecast(settings.lake, settings.prediction(), settings.paths)
    for arguments, table in (
        ([], found.outlook),
        (["--backtest"], found.quality),
        (["--customers"], found.scores),
        (["--horizon", "1d"], found.outlook.filter(horizon=settings.prediction().lengths[0])),
    ):
        done = asked(config, "--json", *arguments)
        assert done.exit_code == 0 and json.loads(done.stdout) == json.loads(plain(table).write_json())


def test_tables_say_which_model_is_used_and_why(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("journeys.terminal.out.width", 160)
    for arguments in ([], ["--backtest"]):
        out = asked(config, *arguments).stdout
        assert "the base rate" in out and "a model takes 200 and 50" in out
    assert "customer_id:c0" in asked(config, "--customers").stdout
    assert asked(config, "--strict").exit_code == 1 and asked(config).exit_code == 0


def test_the_outlook_of_groups_is_that_of_the_function(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("journeys.terminal.out.width", 160)
    settings = Settings(config)
    build_paths(settings.lake, settings.paths)
    paths = Paths.open(settings.lake)
    table = outlook(paths, forecast(settings.lake, settings.prediction(), settings.paths), by="channel")
    done = asked(config, "--by", "channel", "--json")
    assert len(table) > 2 and json.loads(done.stdout) == json.loads(plain(table).write_json())
    shown = asked(config, "--by", "channel", "--horizon", "2d").stdout
    assert "all" in shown and "not in each group" in shown and "1 d" not in shown


@pytest.mark.parametrize(("arguments", "match"), [
    (["--horizon", "3d"], "not predicted"),
    (["--backtest", "--customers"], "One thing"),
    (["--by", "channel", "--customers"], "One thing"),
    (["sell"], "no goal 'sell'"),
])  # fmt: skip
def test_what_cannot_be_meant_is_refused(config: Path, arguments: list[str], match: str) -> None:
    with pytest.raises(DefinitionError, match=match):
        asked(config, *arguments)


def test_a_wrong_key_names_its_line(tmp_path: Path) -> None:
    (tmp_path / "journeys.toml").write_text('[prediction]\nhorizons = ["7d", "1d"]\n')
    with pytest.raises(JourneysError, match="Horizons rise"):
        Settings(tmp_path / "journeys.toml").prediction()


def test_the_report_has_the_forecast_where_it_is_asked_for_and_something_can_be_predicted(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = with_forecast(Settings(config), PeopleSettings()).ahead
    assert found is not None and found.definition == Settings(config).prediction()
    assert found.forecast.model == "base rate"
    other = tmp_path / "journeys.toml"
    other.write_text(TOML.partition("[prediction]")[0], encoding="utf-8")
    assert with_forecast(Settings(other), PeopleSettings()) == PeopleSettings()
    other.write_text(TOML, encoding="utf-8")
    landed(tmp_path / "lake", shop(8, 5))
    assert with_forecast(Settings(other), PeopleSettings()) == PeopleSettings()
    assert "without an outlook: The data are too short" in " ".join(capsys.readouterr().err.split())
