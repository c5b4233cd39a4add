"""`journeys paths` prints the frames of the public functions."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from typer.testing import CliRunner

import analytics
import journeys.commands.paths  # noqa: F401 - registers the commands
from analytics import Design, DesignStep, Selection
from expectations.errors import DefinitionError
from expectations.lake.layout import Lake
from journeys.app import app
from journeys.commands.paths import QUESTIONS, column_and_cluster
from journeys.terminal import plain
from tests.analytics.stitching.privacy.test_forget import land
from tests.written import Paths, paths

SHOP = {
    "ann": "home@0m[device=phone,channel=web,stage=Interest] cart@1m[channel=web,stage=Desire] "
    "buy@2m[channel=store,stage=Action]",
    "bo": "home@0m[device=desk,channel=web,stage=Interest] cart@9m[channel=web,stage=Desire]",
}


@pytest.fixture
def shop(tmp_path: Path) -> Paths:
    shop = paths(SHOP, end="60d")
    shop.save(Lake(str(tmp_path / "lake")))
    return shop


@pytest.fixture
def config(tmp_path: Path, shop: Paths) -> Path:
    config = tmp_path / "journeys.toml"
    config.write_text(f'[lake]\naddress = "{tmp_path / "lake"}"\n')
    return config


def output(config: Path, *options: str) -> str:
    done = CliRunner(env={"COLUMNS": "250"}).invoke(
        app, ["paths", *options, "--config", str(config)], catch_exceptions=False
    )
    assert done.exit_code == 0
    return done.stdout


def answer(config: Path, *options: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(output(config, *options, "--json"))
    return rows


def test_whole_paths_are_listed(config: Path) -> None:
    assert [row["path"] for row in answer(config)] == ["home > cart", "home > cart > buy"]


def test_paths_are_followed_from_and_to_a_touchpoint(config: Path) -> None:
    assert [(row["source"], row["target"]) for row in answer(config, "--from", "cart")] == [
        ("cart", "END_open"),
        ("cart", "buy"),
        ("buy", "END_open"),
    ]
    assert [row["target"] for row in answer(config, "--to", "buy")] == ["cart", "home", "START"]


STEPS = ["home", "cart", "buy"]
ASKED: list[tuple[str, list[str], str, list[Any], dict[str, Any]]] = [
    ("transitions", [], "transitions", [], {}),
    ("flow", ["--from", "cart", "--depth", "3"], "flow", [], {"source": "cart", "depth": 3}),
    ("variants", ["--collapse", "--starts-with", "home"], "variants", [], {"among": Selection(start="home")}),
    ("matrix", ["--depth", "2", "--on", "stage"], "step_matrix", [2], {"on": "stage"}),
    ("match", ["cart (?!buy)* $"], "match", ["cart (?!buy)* $"], {}),
    ("conformance", STEPS, "conformance", [STEPS], {}),
    ("deviations", [*STEPS, "--through", "cart"], "deviations", [STEPS], {"among": Selection(through="cart")}),
    ("steps", STEPS, "designed_steps", [STEPS], {}),
    ("effort", [], "effort", [], {}),
    ("channels", [], "channels", [], {}),
    ("handoffs", ["--at", "stage"], "handoffs", [], {"at": "stage"}),
]


@pytest.mark.parametrize(("question", "options", "function", "arguments", "rules"), ASKED)
def test_every_question_prints_the_frame_of_its_function(
    config: Path, shop: Paths, question: str, options: list[str], function: str, arguments: list[Any], rules: dict
) -> None:
    expected = getattr(analytics, function)(shop, *arguments, by="device", **rules)
    assert expected.height
    assert answer(config, question, *options, "--by", "device") == json.loads(plain(expected).write_json())
    rows = list(csv.reader(io.StringIO(output(config, question, *options, "--by", "device", "--csv"))))
    assert (rows[0], len(rows) - 1) == (plain(expected).columns, expected.height)
    shown = output(config, question, *options, "--by", "device")
    assert "device" in shown and "all" in shown and expected["device"].drop_nulls()[0] in shown
    assert shown.splitlines()[-1].endswith(".")


@pytest.mark.parametrize("question", [name for name, *_ in ASKED])
def test_two_groups_are_compared_in_every_question(config: Path, shop: Paths, question: str) -> None:
    options, function, arguments, rules = next(row[1:] for row in ASKED if row[0] == question)
    if question == "handoffs":
        options, rules = [], {}
    group = pl.col("device") == "phone"
    expected = analytics.compare(shop, getattr(analytics, function), *arguments, group=group, **rules)
    assert answer(config, question, *options, "--compare", "device=phone") == json.loads(plain(expected).write_json())
    assert "other: of all others" in output(config, question, *options, "--compare", "device=phone")


def test_every_question_is_asked_in_these_tests() -> None:
    assert {name for name, *_ in ASKED} == set(QUESTIONS)


def test_a_step_may_be_any_of_several_touchpoints(config: Path) -> None:
    assert [row["source"] for row in answer(config, "--from", "cart | buy", "--depth", "2")] == ["cart", "cart"]


def test_an_empty_result_says_so_and_is_no_error(config: Path) -> None:
    assert "nothing to show" in output(config, "--starts-with", "buy")
    assert answer(config, "--starts-with", "buy") == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--from", "crt"], "did you mean 'cart'"),
        (["--ends-with", "crt"], "did you mean 'cart'"),
        (["match", "crt buy"], "did you mean 'cart'"),
        (["conformance", "home", "crt"], "did you mean 'cart'"),
        (["conformance", "home", "--detour", "crt"], "did you mean 'cart'"),
        (["match", "cart ("], "This pattern is invalid"),
        (["match"], "takes a pattern"),
        (["mtch", "cart"], "did you mean 'match'"),
        (["variants", "cart"], "takes options only"),
        (["transitions", "--depth", "3"], "has no --depth"),
        (["--by", "devic"], "did you mean 'device'"),
        (["--compare", "device"], "COLUMN=VALUE"),
        (["--compare", "device=phne"], "did you mean 'phone'"),
        (["--depth", "0", "--from", "cart"], "too small"),
        (["--compare", "device=phone", "--by", "device"], "either"),
    ],
)
def test_an_unknown_word_is_reported_with_the_most_similar_one(config: Path, options: list[str], message: str) -> None:
    with pytest.raises(DefinitionError) as error:
        answer(config, *options)
    assert message in str(error.value)


FIRST = """
[[goals]]
name = "Order"
steps = ["buy"]
[[journeys]]
name = "First"
owner = "Mara"
goal = "Order"
designed = ["home", { step = "call", after = "home" }, { step = "cart", after = "home" },
            { step = "buy", after = ["call", "cart"] }]
[[journeys.targets]]
measure = "goal_rate"
at_least = 0.1
"""


@pytest.mark.filterwarnings("ignore:No touch")
def test_the_designed_path_of_a_journey_is_named(config: Path, shop: Paths) -> None:
    config.write_text(config.read_text() + FIRST)
    design = Design(
        [
            "home",
            DesignStep("call", after="home"),
            DesignStep("cart", after="home"),
            DesignStep("buy", after=["call", "cart"]),
        ]
    )
    assert answer(config, "steps", "journey:First") == json.loads(
        plain(analytics.designed_steps(shop, design)).write_json()
    )
    for words, message in (
        (["journey:Frst"], "did you mean 'First'"),
        (["journey:First", "--on", "stage"], "--on has"),
    ):
        with pytest.raises(DefinitionError) as error:
            answer(config, "conformance", *words)
        assert message in str(error.value)


def test_repeats_are_merged_where_configured(config: Path, tmp_path: Path) -> None:
    paths({"ann": "home@0m home@1m cart@2m"}).save(Lake(str(tmp_path / "lake")))
    assert [row["path"] for row in answer(config)] == ["home > home > cart"]
    assert [row["path"] for row in answer(config, "--collapse")] == ["home > cart"]
    config.write_text(config.read_text() + "[report]\ncollapse = true\n")
    assert [row["path"] for row in answer(config)] == ["home > cart"]
    assert [row["path"] for row in answer(config, "--repeats")] == ["home > home > cart"]


PAGES = [("view_page", f"https://shop.test/p/{number}?ref=mail") for number in range(30)]
SEEN = [*PAGES, ("view_page", "/blog/first-story"), ("ping", None), ("order", "/cart/")]


def test_touchpoints_are_previewed_by_count_and_addresses_by_template(config: Path, tmp_path: Path) -> None:
    land(Lake(str(tmp_path / "lake")), [{"event_name": name, "url": url} for name, url in SEEN])
    rules = ('url = "/p/{id}"\nname = "Product"\n', 'events = ["p*g"]\ndrop = true\n')
    config.write_text(config.read_text() + "".join(f"[[paths.touchpoints]]\n{rule}" for rule in rules))
    rows = previewed(config)
    assert [(row["touchpoint"], row["events"], row["templates"]) for row in rows] == [
        ("Product", 30, 1),
        (None, 1, 0),
        ("order", 1, 1),
        ("view_page", 1, 1),
    ]
    assert [row["touchpoint"] for row in previewed(config, "--raw")] == ["view_page", "order", "ping"]
    groups = previewed(config, "--urls")
    assert [(row["template"], row["urls"]) for row in groups] == [
        ("/p/{id}", 30),
        ("/blog/first-story", 1),
        ("/cart", 1),
    ]


def previewed(config: Path, *options: str) -> list[dict[str, Any]]:
    arguments = ["touchpoints", *options, "--config", str(config)]
    shown = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert shown.exit_code == 0 and shown.stdout.strip().endswith(".")
    rows: list[dict[str, Any]] = json.loads(CliRunner().invoke(app, [*arguments, "--json"]).stdout)
    return rows


def test_a_store_without_touches_has_no_paths(config: Path, tmp_path: Path) -> None:
    paths({}).save(Lake(str(tmp_path / "lake")))
    with pytest.raises(DefinitionError, match="no touches"):
        answer(config)


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ([], (None, None)),
        (["stage"], ("stage", None)),
        (["spark://shop:7077"], (None, "spark://shop:7077")),
        (["sc://shop", "stage"], ("stage", "sc://shop")),
        (["local[2]", "channel"], ("channel", "local[2]")),
    ],
)
def test_on_gives_a_column_a_cluster_or_both(given: list[str], found: tuple[str | None, str | None]) -> None:
    assert column_and_cluster(given) == found


@pytest.mark.parametrize("given", [["stage", "channel"], ["sc://shop", "spark://shop:7077"]])
def test_on_given_twice_is_an_error(given: list[str]) -> None:
    with pytest.raises(DefinitionError, match="one column and one cluster"):
        column_and_cluster(given)
