"""`journeys funnel`: stages of journeys, configured funnels by name, options, a drawing, errors for an unknown step."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from typer.testing import CliRunner

import journeys.commands.funnel  # noqa: F401 - registers the command
from analytics import (
    Funnel,
    Goal,
    Paths,
    compare,
    compare_periods,
    explain_difference,
    members,
    stage_funnel,
    survival,
    time_to_convert,
)
from expectations.errors import ConfigurationError, DefinitionError, StorageError
from journeys import terminal
from journeys.app import app
from journeys.settings import Settings
from journeys.terminal import plain
from tests.written import START, at, paths

END = "2024-01-01T00:01:00"
CONFIG = """
[lake]
address = "lake"
[[funnels]]
name = "purchase"
steps = ["visit", "pay | renew"]
window = "1d"
by = ["device"]
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    journeys = {"ann": "visit@0m[device=phone] pay@1m[device=phone]", "bo": "visit@0m renew@2m", "cy": "visit@1m"}
    paths(journeys, end="10d").save(tmp_path / "lake" / "paths")
    (tmp_path / "journeys.toml").write_text(CONFIG)
    return tmp_path / "journeys.toml"


def asked(config: Path, *arguments: str) -> str:
    done = CliRunner().invoke(app, ["funnel", *arguments, "--config", str(config)], catch_exceptions=False)
    assert done.exit_code == 0
    return done.stdout


def test_a_configured_funnel_is_run_by_name(config: Path) -> None:
    rows = json.loads(asked(config, "purchase", "--json"))
    assert [row["reached"] for row in rows if row["is_total"]] == [3, 2]
    assert {row["device"] for row in rows} == {None, "phone"}


def test_options_change_the_question(config: Path) -> None:
    rows = json.loads(asked(config, "visit", "pay", "--window", "1d", "--order", "strict", "--end", END, "--json"))
    assert [row["reached"] for row in rows] == [2, 1]
    assert "estimates" in asked(config, "visit", "pay", "--maturity", "survival")


def test_exclusions_counts_and_values_are_options_too(config: Path) -> None:
    journeys = {
        "ann": "visit@0m[session=1,order=x,worth=1] look@1m[session=1,order=x] pay@2m[session=1,order=y,worth=7]",
        "bo": "visit@0m[session=1,order=x,worth=2] visit@1d[session=2,order=x] pay@1d[session=2,order=x,worth=5]",
    }
    paths(journeys, end="90d").save(config.parent / "lake" / "paths")
    rows = {
        (): [2, 2],
        ("--exclude", "look"): [2, 1],
        ("--same", "order"): [2, 1],
        ("--count", "sessions"): [3, 2],
        ("--count", "entries"): [3, 2],
        ("--ties", "sequence"): [2, 2],
    }
    for options, reached in rows.items():
        found = json.loads(asked(config, "visit", "pay", "--window", "1h", *options, "--json"))
        assert [row["reached"] for row in found] == reached, options
    shown = asked(config, "visit", "pay", "--window", "1h", "--count", "sessions", "--value", "worth")
    assert "sessions" in shown and "worth" in shown and " 12" in shown
    with pytest.raises(DefinitionError, match="cannot be added up"):
        asked(config, "visit", "pay", "--value", "order")


@pytest.mark.parametrize(("width", "missing"), [(200, ""), (80, ""), (66, "█"), (56, " 95 "), (44, "wait")])
def test_numbers_are_never_cut_on_a_narrow_terminal(
    config: Path, monkeypatch: pytest.MonkeyPatch, width: int, missing: str
) -> None:
    shop = {f"c{who}": "visit@0m pay@1m" if who % 3 else "visit@0m" for who in range(1500)}
    paths(shop, end="90d").save(config.parent / "lake" / "paths")
    monkeypatch.setattr(terminal.out, "width", width)
    table, reading = asked(config, "visit", "pay").split("\n\n")
    assert "1,500" in table and "1,000" in table and "66.7 %" in table and "…" not in table
    assert max(map(len, table.splitlines())) <= width
    assert not missing or missing not in table
    assert "wait: the median" in " ".join(reading.split())


def test_control_characters_in_names_do_not_reach_the_terminal(config: Path) -> None:
    names = ["[/]", "[bold]pay", "red\x1b[31m", "two\nlines"]
    frame = pl.DataFrame({"customer": "ann", "at": [START] * 4, "touchpoint": names, "device": "[red]x"})
    Paths.from_frame(frame, end_of_data=at("90d")).save(config.parent / "lake" / "paths")
    shown = asked(config, *names, "--by", "device")
    for name in ("[/]", "[bold]pay", "red�[31m", "two lines", "device [red]x"):
        assert name in shown
    assert [row["name"] for row in json.loads(asked(config, *names, "--json"))] == names


def test_json_and_csv_have_the_same_numbers(config: Path) -> None:
    rows = json.loads(asked(config, "purchase", "--json"))
    table = pl.read_csv(asked(config, "purchase", "--csv").encode())
    assert table.columns == list(rows[0])
    assert table.cast(pl.String).rows() == pl.DataFrame(rows, infer_schema_length=None).cast(pl.String).rows()


def test_a_drawing_is_written(config: Path, tmp_path: Path) -> None:
    asked(config, "visit", "pay", "--svg", str(tmp_path / "funnel.svg"))
    assert "visit" in (tmp_path / "funnel.svg").read_text()
    assert "estimates" not in (tmp_path / "funnel.svg").read_text()


def test_a_drawing_that_cannot_be_written_is_an_error(config: Path) -> None:
    with pytest.raises(StorageError, match="cannot be written"):
        asked(config, "purchase", "--svg", str(config.parent / "nowhere" / "funnel.svg"))


def test_a_drawing_says_that_its_shares_are_estimates(config: Path, tmp_path: Path) -> None:
    asked(config, "visit", "pay", "--maturity", "survival", "--svg", str(tmp_path / "funnel.svg"))
    assert "estimates" in (tmp_path / "funnel.svg").read_text()


def test_an_unknown_step_is_reported_with_the_nearest_name(config: Path) -> None:
    with pytest.raises(DefinitionError, match="'vist'") as refused:
        asked(config, "vist", "pay")
    assert "visit" in str(refused.value.expected)


def test_an_unknown_key_of_a_funnel_is_reported(config: Path) -> None:
    config.write_text(CONFIG.replace("window", "windw"))
    with pytest.raises(ConfigurationError, match="did you mean 'window'"):
        asked(config, "purchase")


STAGES = """
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
window = "7d"
"""
VISITS = {
    "ann": "ad@0d[device=phone] look@1d buy@2d[worth=5]",
    "bo": "ad@0d[device=desk] look@1d look@2d",
    "cy": "look@0d[device=phone] buy@9d[worth=7]",
    "di": "ad@3d[device=phone] buy@4d[worth=2]",
    "eve": "ad@39d[device=desk]",
}


@pytest.fixture
def stages(tmp_path: Path) -> Path:
    (tmp_path / "journeys.toml").write_text(STAGES)
    rules = Settings(tmp_path / "journeys.toml").paths
    Paths.from_text(VISITS, end="40d", rules=rules).save(tmp_path / "lake" / "paths")
    return tmp_path / "journeys.toml"


def test_without_steps_journeys_are_counted_by_stage_within_the_window_of_the_report(stages: Path) -> None:
    rows = json.loads(asked(stages, "--json"))
    assert [(row["name"], row["entered"], row["reached"], row["open"]) for row in rows] == [
        ("Ad", 4, 4, 1),
        ("Look", 4, 4, 0),
        ("buy", 4, 2, 0),
    ]
    assert (rows[-1]["late"], rows[-1]["all_stages"]) == (1, 1)
    shown = " ".join(asked(stages).split())
    assert "buy" in shown and "50.0 % reach the goal by any route, 25.0 % through all stages in order" in shown
    assert "0 direct journeys" in shown and "1 that reached it later" in shown


@pytest.mark.parametrize(
    ("options", "rules"),
    [
        (["--by", "device"], {"by": ["device"]}),
        (["--window", "10d"], {"window": "10d"}),
        (["--begin", "Look"], {"begin": "Look"}),
        (["--value", "worth"], {"value": "worth"}),
        (["--start", "2024-01-03", "--end", "2024-01-05"], {"start": at("2d"), "end": at("4d")}),
    ],
)
def test_the_funnel_of_stages_has_the_rows_of_its_function(
    stages: Path, options: list[str], rules: dict[str, Any]
) -> None:
    goal = Goal(name="buy", steps=["buy"])
    expected = stage_funnel(Paths.open(stages.parent / "lake" / "paths"), goal=goal, **{"window": "7d", **rules})
    whole = json.loads(asked(stages, "--json"))
    rows = json.loads(asked(stages, *options, "--json"))
    assert rows == json.loads(plain(expected).write_json()) and rows != whole


def test_a_funnel_of_stages_can_be_drawn(stages: Path) -> None:
    asked(stages, "--svg", str(stages.parent / "funnel.svg"))
    assert "Look" in (stages.parent / "funnel.svg").read_text()


@pytest.mark.parametrize("option", ["order", "exclude", "same", "count", "ties", "attribution", "maturity"])
def test_an_option_of_steps_is_refused_without_steps(stages: Path, option: str) -> None:
    with pytest.raises(DefinitionError, match=f"--{option} is an option") as refused:
        asked(stages, f"--{option}", "look")
    assert "name the steps" in str(refused.value)


def test_the_beginning_is_refused_with_steps(stages: Path) -> None:
    with pytest.raises(DefinitionError, match="--begin is an option of the funnel of stages"):
        asked(stages, "ad", "buy", "--begin", "Ad")


def test_a_window_longer_than_the_journey_gap_is_refused(stages: Path) -> None:
    with pytest.raises(DefinitionError, match="longer than the journey gap") as refused:
        asked(stages, "--window", "40d")
    assert "raise journey_gap" in str(refused.value)
    assert "at most 30 days:" in str(refused.value) and "found: 40 days" in str(refused.value)


ZONED = """
[lake]
address = "lake"
[paths]
goal = ["buy"]
[[paths.stages]]
name = "Look"
touchpoints = ["look"]
[report]
timezone = "Europe/Berlin"
"""


@pytest.fixture
def zoned(tmp_path: Path) -> Path:
    """Two journeys that begin on either side of midnight in Berlin, on 2 January 2024 there."""
    (tmp_path / "journeys.toml").write_text(ZONED)
    config = tmp_path / "journeys.toml"
    visits = {"ann": "look@22.5h buy@23.5h", "bo": "look@23.5h", "cy": "look@23h buy@40h"}
    Paths.from_text(visits, end="60d", rules=Settings(config).paths).save(tmp_path / "lake" / "paths")
    return config


def test_days_and_periods_are_those_of_the_reports_zone(zoned: Path) -> None:
    rows = json.loads(asked(zoned, "--period", "day", "--json"))
    assert [(row["period"][:10], row["entered"]) for row in rows if row["kind"] == "goal"] == [
        ("2024-01-01", 1),
        ("2024-01-02", 2),
    ]
    found = stage_funnel(Paths.open(zoned.parent / "lake"), period="day", timezone="Europe/Berlin")
    assert rows == json.loads(plain(found.with_columns(pl.col("name").replace("goal", "buy"))).write_json())
    table = asked(zoned, "--period", "day")
    assert "2024-01-02" in table and "00:00" not in table
    by_steps = json.loads(asked(zoned, "look", "buy", "--period", "day", "--json"))
    assert [(row["period"][:10], row["entered"], row["reached"]) for row in by_steps] == [
        ("2024-01-01", 1, 1),
        ("2024-01-02", 2, 1),
    ]


def test_dates_of_a_range_are_local_days(zoned: Path) -> None:
    for steps in ([], ["look", "buy"]):
        counts = [
            json.loads(asked(zoned, *steps, "--start", "2024-01-02", "--json"))[0]["entered"],
            json.loads(asked(zoned, *steps, "--end", "2024-01-02", "--json"))[0]["entered"],
            json.loads(asked(zoned, *steps, "--start", "2024-01-02T00:30:00", "--json"))[0]["entered"],
        ]
        assert counts == [2, 1, 1]


def test_periods_take_no_drawing_and_no_value_of_steps(zoned: Path, tmp_path: Path) -> None:
    for wrong in (["--svg", str(tmp_path / "a.svg")], ["look", "buy", "--value", "price"]):
        done = CliRunner().invoke(app, ["funnel", *wrong, "--period", "day", "--config", str(zoned)])
        assert isinstance(done.exception, DefinitionError) and "periods" in str(done.exception)


@pytest.mark.parametrize("zone", ["Europe/Berln", "CEST", ""])
def test_an_unknown_zone_is_a_mistake_with_its_line(zoned: Path, zone: str) -> None:
    zoned.write_text(ZONED.replace("Europe/Berlin", zone))
    with pytest.raises(ConfigurationError, match=r"line 10(.|\n)*no time zone"):
        _ = Settings(zoned).report


def test_the_command_asks_about_entrants_what_python_asks(config: Path) -> None:
    shop = Paths.open(config.parent / "lake" / "paths")
    steps = ["visit", "pay | renew"]
    definition = Funnel(["visit", ["pay", "renew"]], "1d", by="device")
    expected = {
        "waits": time_to_convert(shop, definition),
        "survival": survival(shop, definition),
        "members": members(shop, definition),
        "difference": explain_difference(shop, definition, "posthog"),
    }
    for about, rows in expected.items():
        words = [*steps, "--window", "1d", "--by", "device", "--about", about]
        words += ["--profile", "posthog"] if about == "difference" else []
        assert json.loads(asked(config, *words, "--json")) == json.loads(plain(rows).write_json()), about
        assert len(asked(config, *words).splitlines()) > len(rows.head(3)), about
    assert "ann" in asked(config, "purchase", "--about", "members")


def test_questions_about_entrants_need_steps_and_a_tool_to_differ_from(config: Path) -> None:
    for words, what in (
        (["--about", "waits"], "option of a funnel of steps"),
        (["visit", "pay", "--about", "difference"], "one to another tool"),
        (["visit", "pay", "--about", "waits", "--period", "day"], "rows of its own"),
    ):
        with pytest.raises(DefinitionError, match=what):
            asked(config, *words)


def test_two_groups_or_two_periods_are_compared_as_python_compares_them(config: Path) -> None:
    shop, asked_of = Paths.open(Settings(config).lake), Funnel(["visit", "pay"], window="1d")
    found = json.loads(asked(config, "visit", "pay", "--window", "1d", "--compare", "device=phone", "--json"))
    apart = compare(shop, asked_of, group=pl.col("device") == "phone")
    assert [(row["count"], row["of"]) for row in found] == apart.select("count", "of").rows()
    half = ("--start", "2024-01-01T00:01:00", "--end", "2024-01-01T00:02:00", "--compare", "previous")
    found = json.loads(asked(config, "visit", "pay", "--window", "1d", *half, "--json"))
    before, after = (at("0m"), at("1m")), (at("1m"), at("2m"))
    apart = compare_periods(shop, asked_of, before=before, after=after)
    assert [(row["of"], row["of_other"]) for row in found] == [(1, 2)] == apart.select("of", "of_other").rows()
    assert "p corrected" in asked(config, "visit", "pay", "--compare", "device=phone")


@pytest.mark.parametrize(
    ("options", "what"),
    [
        (["--compare", "previous"], "A period is compared with as long before."),
        (["--compare", "phone"], "The group of --compare is invalid."),
        (["--compare", "device=phone", "--period", "week"], "--compare has rows of its own."),
        (["--compare", "segment:Nobody"], "There is no segment 'Nobody'."),
        (["--compare", "device=phone"] * 3, "Two groups are compared."),
    ],
)
def test_groups_that_cannot_be_compared_are_refused(config: Path, options: list[str], what: str) -> None:
    with pytest.raises(DefinitionError, match=what):
        asked(config, "visit", "pay", *options)
