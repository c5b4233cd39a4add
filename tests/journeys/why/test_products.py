"""`[[journeys]]` in journeys.toml and `journeys products`: rows, tables, exit codes, history, and what is refused."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner, Result

import journeys.commands  # noqa: F401 - registers the commands
from analytics import Goal, JourneyProduct, PathRules, Paths, Target, moved, product_cohorts, products
from expectations.errors import ConfigurationError, DefinitionError
from expectations.lake.layout import Lake
from journeys.app import EXIT_TARGET, app
from journeys.products import check_product_versions, made_by, products_in
from journeys.settings import Settings
from journeys.terminal import plain

STAGES = [{"name": "Ad", "touchpoints": ["ad"]}, {"name": "Look", "touchpoints": ["look"]}]
TOML = """
[lake]
address = "lake"
[paths]
goal = ["buy"]
[[paths.stages]]
name = "Ad"
touchpoints = ["ad"]
[[paths.stages]]
name = "Look"
touchpoints = ["look"]
[report]
timezone = "Europe/Berlin"
window = "7d"
segments = ["device"]
[[goals]]
name = "Ordered"
steps = ["buy"]
[[segments]]
name = "Handheld"
owner = "Ben"
reviewed = 2026-11-02
says = "Begins on a phone"
all = [{ first = "device", is = ["phone"] }]
[[journeys]]
name = "First order"
owner = "Mara, it's hers"
begins = { stage = "Ad" }
goal = "Ordered"
designed = ["stage:Ad", "stage:Look"]
[[journeys.targets]]
measure = "goal_rate"
at_least = 0.6
by = 2024-12-31
period = "week"
[[journeys.changes]]
on = 2024-01-22
what = "New form"
[[journeys]]
name = "On phones"
owner = "Ben"
for = "Handheld"
goal = "Ordered"
by = ["segment:Handheld"]
[[journeys.targets]]
measure = "median_time"
at_most = "4d"
by = 2024-01-02
"""


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("journeys.terminal.out.width", 160)
    (tmp_path / "journeys.toml").write_text(TOML)
    rules = PathRules(goal=["buy"], stages=STAGES)
    people = {
        f"{device}{n}": f"ad@{n % 28}d[device={device}]"
        + (f" buy@{n % 28 + 2}d" if n % 4 and (n % 28 < 21 or device == "desk") else "")
        for device in ("phone", "desk")
        for n in range(700)
    }
    Paths.from_text(people, end="39d", rules=rules).save(tmp_path / "lake" / "paths")
    return tmp_path / "journeys.toml"


def asked(config: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["products", *arguments, "--config", str(config)], catch_exceptions=False)


def first(config: Path) -> JourneyProduct:
    return products_in(Settings(config), ["First order"])[0]


def test_the_rows_are_those_of_the_functions(config: Path) -> None:
    paths, zone = Paths.open(config.parent / "lake" / "paths"), "Europe/Berlin"
    asked_for = products_in(Settings(config))
    rules = made_by(Settings(config))
    for arguments, table in (
        ([], products(paths, asked_for, timezone=zone, made_by=rules)),
        (["--cohorts"], product_cohorts(paths, asked_for, timezone=zone, made_by=rules)),
        (["--moved", "First order"], moved(paths, asked_for[0], by=["device"], timezone=zone)),
    ):
        done = asked(config, "--json", *arguments)
        assert done.exit_code == 0 and json.loads(done.stdout) == json.loads(plain(table).write_json())
    assert first(config).goal == Goal(name="Ordered", steps=["buy"], horizon="7d")
    assert first(config).targets == (Target("goal_rate", at_least=0.6, by=date(2024, 12, 31), period="week"),)
    assert asked_for[1].members is not None and asked_for[1].members.says == "Begins on a phone"
    rows = json.loads(asked(config, "On phones", "--moved", "--json").stdout)
    assert {row["Handheld"] for row in rows} <= {None, "in"}


def test_a_table_says_what_is_missed_and_what_moved(config: Path) -> None:
    text = asked(config, "First order").stdout
    for words in ("Mara, it's hers", "at least 60.0 %", "missed", "22 Jan to 28 Jan 2024", "New form", "what moved"):
        assert words in text
    assert "device phone: a rate of 0.0 % instead of" in text and "The rate of 'Ordered' went from" in text
    everything = asked(config).stdout
    assert "On phones" in everything and "2.0 d" in everything and "what moved" not in everything


def test_it_ends_with_its_own_exit_code_on_what_is_asked_for(config: Path) -> None:
    assert asked(config).exit_code == 0
    assert asked(config, "--fail-on", "missed", "--json").exit_code == EXIT_TARGET == 11
    assert asked(config, "On phones", "--fail-on", "missed,off-course,overdue").exit_code == 0
    config.write_text(TOML.replace('at_most = "4d"', 'at_most = "1d"'))
    done = asked(config, "On phones", "--fail-on", "overdue")
    assert done.exit_code == 11 and "the date of the target, 2024-01-02, is past" in done.stdout
    with pytest.raises(DefinitionError, match="did you mean 'missed'"):
        asked(config, "--fail-on", "mised")
    with pytest.raises(DefinitionError, match="One table at a time"):
        asked(config, "--cohorts", "--moved")


def test_recording_adds_each_cohort_once(config: Path) -> None:
    before = json.loads(asked(config, "--history", "--json").stdout)
    rows = json.loads(asked(config, "--record", "--history", "--json").stdout)
    again = json.loads(asked(config, "--record", "--history", "--json").stdout)
    assert before == [] and rows == again and {row["journey"] for row in rows} == {"First order", "On phones"}
    only = json.loads(asked(config, "On phones", "--history", "--json").stdout)
    assert {row["journey"] for row in only} == {"On phones"}
    table = pl.read_delta(Lake(str(config.parent / "lake")).table("journeys")).sort("at", "cohort")
    week = pl.col("period") == "week"
    table.with_columns(pl.when(week).then(pl.col("value") / 2).otherwise("value").alias("value")).write_delta(
        str(config.parent / "lake" / "journeys"), mode="overwrite"
    )
    assert "was restated from" in asked(config, "First order").stdout


def test_a_version_has_one_meaning(config: Path) -> None:
    check_product_versions(Settings(config))
    config.write_text(
        TOML.replace('owner = "Mara, it\'s hers"', 'owner = "Ann"').replace("at_least = 0.6", "at_least = 0.5")
    )
    check_product_versions(Settings(config))
    changed = TOML.replace('begins = { stage = "Ad" }', 'begins = { touchpoint = "ad" }')
    config.write_text(changed)
    with pytest.raises(ConfigurationError, match="Journey 'First order' is defined otherwise than its version 1 was"):
        check_product_versions(Settings(config))
    config.write_text(changed.replace('name = "First order"', 'name = "First order"\nversion = 2'))
    check_product_versions(Settings(config))


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('owner = "Ben"\nfor', "for", "owner: Field required"),
        ('owner = "Ben"\nfor', 'owner = ""\nfor', "owner"),
        ("at_least = 0.6", "", "A target has one direction"),
        ("at_least = 0.6", "at_least = 0.6\nat_most = 0.7", "A target has one direction"),
        ("at_least = 0.6", "at_least = 60", "between 0 and 1"),
        ('measure = "goal_rate"', 'measure = "goalrate"', "did you mean 'goal_rate'"),
        ('goal = "Ordered"\ndesigned', 'goal = "Order"\ndesigned', "line 29[^$]*did you mean 'Ordered'"),
        ('for = "Handheld"', 'for = "Handhelds"', "did you mean 'Handheld'"),
        ('begins = { stage = "Ad" }', "begins = { }", "a stage or a touchpoint"),
        ('begins = { stage = "Ad" }', 'stages = ["Adv"]', "did you mean 'Ad'"),
        ('begins = { stage = "Ad" }', 'begin = "Ad"', "did you mean 'begins'"),
        ('"stage:Look"]', '"look"]', "of touchpoints or of stages"),
        ('name = "On phones"', 'name = "First order"', "Two of \\[\\[journeys\\]\\]"),
        ('what = "New form"', "", "what"),
    ],
)
def test_a_wrong_key_or_value_is_named(config: Path, old: str, new: str, words: str) -> None:
    assert old in TOML
    config.write_text(TOML.replace(old, new, 1))
    with pytest.raises(ConfigurationError, match=words):
        products_in(Settings(config))


def test_words_that_no_touch_has_and_unknown_names_are_refused(config: Path) -> None:
    with pytest.raises(DefinitionError, match="did you mean 'First order'"):
        asked(config, "First ordr")
    config.write_text(TOML.replace('begins = { stage = "Ad" }', 'begins = { touchpoint = "adv" }'))
    with pytest.raises(DefinitionError, match="such as ad"):
        asked(config)
    config.write_text(TOML.partition("[[journeys]]")[0])
    with pytest.raises(DefinitionError, match="There are no journeys"):
        asked(config)
    with pytest.raises(DefinitionError, match="which has none"):
        asked(config, "First order")
