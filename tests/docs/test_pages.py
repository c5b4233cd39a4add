"""The pages for who deploys name nothing that is not there: settings and their defaults, metrics, alerts, exit codes,
commands, files."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

import journeys.commands.funnel
import journeys.commands.lake  # noqa: F401 - the verbs are added on import
from expectations import errors
from expectations.suites.settings import ExpectationSettings
from ingest.service import signals, watchdog
from ingest.service.counters import Counters
from ingest.service.metrics import CountersCollector
from ingest.settings.ingest import IngestSettings
from journeys.app import app

ROOT = Path(__file__).parents[2]
NAMES = ("landing", "production", "when_things_go_wrong", "formats", "expectations")
PAGES = {name: (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8") for name in NAMES}
ALL = "\n".join(PAGES.values())
OWN = {"JOURNEYS_SCHEDULES", "JOURNEYS_KAFKA_HOME"}
"""Variables of the tests, not settings."""


def table(page: str, heading: str) -> Iterator[list[str]]:
    """The cells of the rows of the table whose first heading is this one."""
    below = PAGES[page].split(f"\n| {heading} |", 1)[1].splitlines()[2:]
    for line in below:
        if not line.startswith("|"):
            return
        yield [cell.strip() for cell in line.strip("|").split(" | ")]


def field(path: str) -> Any:
    """A key of `[ingest]`, such as `maintenance.every`: its description by the settings."""
    model: Any = IngestSettings
    *tables, key = path.split(".")
    for each in tables:
        model = model.model_fields[each].annotation
    return model.model_fields[key]


def words(value: object) -> str:
    """A default as the pages write it."""
    if isinstance(value, timedelta):
        seconds = value.total_seconds()
        for unit, length in (("days", 86_400), ("h", 3_600), ("min", 60)):
            if seconds >= length and seconds % length == 0:
                return f"{seconds / length:g} {unit}"
        return f"{seconds:g} s"
    if isinstance(value, int):
        return f"{value >> 20} MiB" if value >= 1 << 20 else f"{value:,}".replace(",", " ")
    return "none" if value is None else str(value)


def test_every_key_and_default_of_the_table_of_settings_is_the_settings_own() -> None:
    rows = list(table("production", "key of `[ingest]`"))
    documented = {
        key: default
        for keys, defaults, _ in rows
        for key, default in zip(re.findall(r"`([\w.]+)`", keys), defaults.replace("`", "").split(", "), strict=True)
    }
    assert len(documented) > 10
    assert {key: words(field(key).default) for key in documented} == documented


def test_every_key_of_security_and_maintenance_exists() -> None:
    keys = [key for row in table("production", "key") for key in re.findall(r"`(\w+)`", row[0])]
    assert len(keys) > 6 and [key for key in keys if not field(f"security.{key}")] == []
    named = re.findall(r"`(\w+)` \(([^)]+)\)", PAGES["landing"].split("## Maintenance")[1])
    assert {key: words(field(f"maintenance.{key}").default) for key, _ in named} == {
        key: default.split(",")[0] for key, default in named
    }


def test_every_variable_of_the_environment_is_a_setting() -> None:
    named = set(re.findall(r"JOURNEYS_\w+", ALL)) - OWN
    assert named
    for variable in named:
        section, *keys = variable.removeprefix("JOURNEYS_").lower().split("__")
        assert section == "ingest" and field(".".join(keys))


def test_every_metric_that_is_named_is_exported() -> None:
    endings = {"counter": "_total", "gauge": "", "histogram": ""}
    exported = {family.name + endings[family.type] for family in CountersCollector(Counters()).collect()}
    named = set(re.findall(r"\b(journeys_[a-z_]+)\b", ALL))
    assert named and named <= exported


def test_the_table_of_alerts_has_every_alert() -> None:
    groups = yaml.safe_load((ROOT / "deploy" / "alerts.yaml").read_text())["groups"]
    assert [row[0].strip("`") for row in table("production", "alert")] == [
        rule["alert"] for group in groups for rule in group["rules"]
    ]


def test_the_exit_codes_of_a_consumer_are_documented() -> None:
    documented = {int(row[0]) for row in table("production", "exit code")}
    landing = (errors.ConfigurationError, errors.BrokerError, errors.LandingError, errors.StorageError)
    ends = {error.exit_code for error in (*landing, errors.RegistryError)} | {watchdog.EXIT_STUCK, signals.EXIT_AT_ONCE}
    assert documented == ends


@pytest.mark.parametrize(
    "line", sorted({*re.findall(r"^\$ (journeys .+)$", ALL, re.M), *re.findall(r"`(journeys [^`]+)`", ALL)})
)
def test_a_command_that_is_shown_exists_with_its_options(line: str) -> None:
    command: Any = get_command(app)
    given = line.split()[1:]
    while given and hasattr(command, "commands"):
        command = command.commands[given.pop(0)]
    options = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    assert {word for word in given if word.startswith("--")} <= options


@pytest.mark.parametrize("line", re.findall(r"^\$ (?:\w+=\S+ )?python (\S+.*)$", ALL, re.M))
def test_a_script_that_is_shown_takes_its_options(line: str) -> None:
    script, *options = line.split()
    text = (ROOT / script).read_text()
    assert [word for word in options if word.startswith("--") and f'"{word}"' not in text] == []


def test_every_file_that_is_named_is_there() -> None:
    links = {(name, link) for name, page in PAGES.items() for link in re.findall(r"\]\(([^)#:]+)", page)}
    assert links and [link for _, link in links if not (ROOT / "docs" / link).exists()] == []
    paths = re.findall(r"`((?:deploy|benchmarks|expectations|ingest|tests)/[\w./-]+)`", ALL)
    assert paths and [path for path in paths if not (ROOT / path).exists()] == []
    modules = set(re.findall(r"`(test_\w+)`", PAGES["landing"]))
    there = {file.stem for file in (ROOT / "tests" / "ingest").rglob("test_*.py")}
    assert modules and modules - there == set()


@pytest.mark.parametrize("anchor", re.findall(r"\]\((\w*\.?m?d?#[\w-]+)\)", ALL))
def test_every_heading_that_is_linked_is_there(anchor: str) -> None:
    page, _, heading = anchor.partition("#")
    text = (ROOT / "docs" / page).read_text() if page else PAGES["production"]
    headings = {
        re.sub(r"[^\w\s-]", "", each.lower()).strip().replace(" ", "-") for each in re.findall(r"^#+ (.+)$", text, re.M)
    }
    assert heading in headings


def test_the_examples_of_expectations_are_taken() -> None:
    for example in re.findall(r"```toml\n(.*?)```", PAGES["expectations"], re.S):
        assert ExpectationSettings.model_validate(tomllib.loads(example)["expectations"]).plan is not None
    suites = [json.loads(text) for text in re.findall(r"```json\n(.*?)```", PAGES["expectations"], re.S)]
    assert suites and all("expectations" in suite for suite in suites)
