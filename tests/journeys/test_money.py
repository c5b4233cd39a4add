"""Money in one currency: the command, the notebook and the page have the same digits."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from typer.testing import CliRunner

import journeys.commands.funnel
import journeys.commands.report  # noqa: F401 - registers the command
from analytics import Money, Paths, stage_funnel
from expectations.errors import ConfigurationError, DefinitionError, InputError, JourneysError
from journeys.app import app
from journeys.settings import Settings
from reports.questions.definitions import definition_hashes, definitions_hash

CONFIG = """
[lake]
address = "lake"
[paths]
goal = ["Order"]
after = ["Returned"]
[[paths.stages]]
name = "Awareness"
touchpoints = ["Ad"]
[[paths.stages]]
name = "Action"
touchpoints = ["Order"]
[report]
window = "7d"
timezone = "Europe/Berlin"
value = "revenue"
currency = "EUR"
rates = "rates.csv"
pages = ["summary"]
"""
RATES = "date,currency,rate\n2026-06-01,USD,0.5\n2026-06-20,USD,0.25\n"
START = datetime(2026, 6, 1, tzinfo=UTC)
CURRENCIES = ("EUR", "USD", "GBP", None)


def _touches(customers: int = 400, most: float = 8.0) -> pl.DataFrame:
    """Every customer orders for 8; every fifth one returns for 3; the currencies take turns."""
    rows: list[dict[str, Any]] = []
    for number in range(customers):
        begin, paid = START + timedelta(hours=2 * number), most if number == 0 else 8.0
        money = {"currency": CURRENCIES[number % 4], "kind": "order"}
        rows.append({"customer": str(number), "at": begin, "touchpoint": "Ad", "kind": "clickstream"})
        rows.append({"customer": str(number), "at": begin + timedelta(hours=1), "touchpoint": "Order"} | money)
        rows[-1]["revenue"] = paid
        if number % 5 == 0:
            rows.append({"customer": str(number), "at": begin + timedelta(days=2), "touchpoint": "Returned"} | money)
            rows[-1]["revenue"] = -3.0
    schema = {"at": pl.Datetime("us", "UTC"), "currency": pl.String, "revenue": pl.Float64, "kind": pl.String}
    return pl.DataFrame(rows, schema_overrides=schema, infer_schema_length=None).with_columns(linked=pl.lit("login"))


def _shop(folder: Path, touches: pl.DataFrame, text: str = CONFIG) -> Path:
    config = folder / "journeys.toml"
    config.write_text(text)
    (folder / "rates.csv").write_text(RATES)
    made = Paths.from_frame(touches, end_of_data=START + timedelta(days=90), rules=Settings(config).paths)
    made.save(folder / "lake" / "paths")
    return config


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return _shop(tmp_path, _touches())


def asked(config: Path, *arguments: str) -> str:
    done = CliRunner().invoke(app, [*arguments, "--config", str(config)], catch_exceptions=False)
    assert done.exit_code == 0
    return done.stdout


def failed(config: Path, *arguments: str) -> JourneysError:
    done = CliRunner().invoke(app, [*arguments, "--config", str(config)])
    assert isinstance(done.exception, JourneysError), done.output
    return done.exception


def published(config: Path) -> dict[str, Any]:
    asked(config, "report", "--site", str(config.parent / "site"))
    index: dict[str, Any] = json.loads((config.parent / "site" / "site.json").read_text())
    return index


def test_the_command_the_notebook_and_the_page_show_the_same_sums(config: Path) -> None:
    paths = Paths.open(config.parent / "lake")
    money = Money("revenue", "EUR", pl.read_csv(config.parent / "rates.csv"), timezone="Europe/Berlin")
    found = stage_funnel(paths, value=money, window="7d", timezone="Europe/Berlin").row(-1, named=True)
    # 100 orders of each currency; those of dollars are paid from 1 June 04:00 on, from 20 June at half the rate
    dollars = [START + timedelta(hours=2 * number + 1) for number in range(1, 400, 4)]
    early = sum(at < datetime(2026, 6, 19, 22, tzinfo=UTC) for at in dollars)
    expected = 8 * 100 + 8 * (0.5 * early + 0.25 * (100 - early))
    assert (found["value"], found["value_left_out"], found["returns"]) == (expected, 200, 80)
    printed = json.loads(asked(config, "funnel", "--value", "revenue", "--json"))[-1]
    for name in ("value", "net_value", "value_left_out", "returns", "returns_left_out"):
        assert printed[name] == found[name]
    index = published(config)
    frame = next(part["frame"] for part in index["pages"][0]["parts"] if part["id"] == "funnel")
    assert frame["value"][-1] == found["value"] and frame["net_value"][-1] == found["net_value"]
    card = next(value for value in index["values"] if value["label"].startswith("Value of"))
    assert card["value"] == f"{expected:,.0f} EUR"
    assert f"{found['net_value']:,.0f} EUR after 80 returns; 200 amounts cannot be converted" in card["detail"]
    table = " ".join(asked(config, "funnel", "--value", "revenue").split())
    assert f"Value of the goals: {expected:,.2f}, less 80 returns, 40 of them without a known amount" in table
    assert "200 amounts cannot be converted and are left out" in table and "GBP" in table and "no currency" in table


def test_steps_add_up_money_of_the_report_too(config: Path) -> None:
    rows = json.loads(asked(config, "funnel", "Ad", "Order", "--window", "7d", "--value", "revenue", "--json"))
    stages = json.loads(asked(config, "funnel", "--value", "revenue", "--json"))
    assert (rows[-1]["value"], rows[-1]["value_left_out"]) == (stages[-1]["value"], 200)
    text = " ".join(asked(config, "funnel", "Ad", "Order", "--value", "revenue").split())
    assert "200 amounts cannot be converted" in text


def test_a_sum_of_which_one_customer_brings_more_than_half_is_withheld(tmp_path: Path) -> None:
    index = published(_shop(tmp_path, _touches(most=5_000.0)))
    frame = next(part["frame"] for part in index["pages"][0]["parts"] if part["id"] == "funnel")
    assert (frame["value"][-1], frame["net_value"][-1]) == (None, None)
    card = next(value for value in index["values"] if value["label"].startswith("Value of"))
    assert (card["value"], card["detail"]) == ("–", "one customer brings more than half of it: withheld")
    for file in (tmp_path / "site").rglob("*"):
        assert file.is_dir() or b"dominated" not in file.read_bytes()


def test_without_a_value_a_report_shows_no_money(tmp_path: Path) -> None:
    index = published(_shop(tmp_path, _touches(), CONFIG.replace('value = "revenue"', "")))
    assert not any(value["label"].startswith("Value of") for value in index["values"])


def test_several_currencies_without_one_of_the_report_are_refused(tmp_path: Path) -> None:
    lines = [line for line in CONFIG.splitlines() if not line.startswith(("currency", "rates"))]
    config = _shop(tmp_path, _touches(), "\n".join(lines))
    for arguments in (["report", "--site", str(tmp_path / "site")], ["funnel", "--value", "revenue"]):
        error = failed(config, *arguments)
        assert isinstance(error, DefinitionError) and "in 3 currencies" in error.message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "cannot be read"),
        ("", "cannot be read"),
        ("day,currency,rate\n", "no column 'date'"),
        ("date,currency,rate\n2026-06-01,USD,0.5\n2026-06-31,USD,0.5\n", "row 2 below its header"),
        ("date,currency,rate\n2026-06-01,USD,half\n", "a number above 0"),
        ("date,currency,rate\n2026-06-01,USD\n", "a number above 0"),
        ("date,currency,rate\n2026-06-01,USD,1,2,3\n", "cannot be read"),
    ],
)
def test_a_broken_file_of_rates_is_named(config: Path, text: str | None, message: str) -> None:
    file = config.parent / "rates.csv"
    file.unlink()
    if text is not None:
        file.write_text(text)
    error = failed(config, "funnel", "--value", "revenue")
    assert isinstance(error, InputError) and message in error.message and "rates.csv" in error.message


def test_rates_that_are_no_text_are_named(config: Path) -> None:
    (config.parent / "rates.csv").write_bytes(b"\xff\xfe\x00\x01date,currency,rate\n")
    assert isinstance(failed(config, "report", "--site", str(config.parent / "site")), InputError)


@pytest.mark.parametrize(
    ("line", "message"),
    [('currency = "EURO"', "currency"), ('currency = "eur"', "currency"), ("", "a currency beside rates")],
)
def test_a_wrong_currency_is_named_with_its_line(config: Path, line: str, message: str) -> None:
    config.write_text(CONFIG.replace('currency = "EUR"', line))
    with pytest.raises(ConfigurationError, match=message):
        _ = Settings(config).report


def test_other_rates_are_another_definition_wherever_their_file_lies(config: Path, tmp_path: Path) -> None:
    settings = Settings(config)
    moved = settings.report.model_copy(update={"rates": str(tmp_path / "moved.csv")})
    (tmp_path / "moved.csv").write_text(RATES)
    first = definitions_hash(definition_hashes(settings.report, settings.paths))
    assert definitions_hash(definition_hashes(moved, settings.paths)) == first
    (tmp_path / "moved.csv").write_text(RATES.replace("0.25", "0.26"))
    assert definitions_hash(definition_hashes(moved, settings.paths)) != first
