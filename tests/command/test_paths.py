"""`journeys paths` prints the frames of the public functions."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from expectations.errors import DefinitionError
from expectations.layout import Lake
from journeys import answering  # noqa: F401 - it adds the verbs
from journeys.app import app
from tests.journeys import paths

SHOP = {"ann": "home@0m[device=phone] cart@1m buy@2m", "bo": "home@0m[device=desk] cart@9m"}


@pytest.fixture
def config(tmp_path: Path) -> Path:
    paths(SHOP).save(Lake(str(tmp_path / "lake")))
    config = tmp_path / "journeys.toml"
    config.write_text(f'[lake]\naddress = "{tmp_path / "lake"}"\n')
    return config


def answer(config: Path, *options: str) -> list[dict[str, object]]:
    done = CliRunner().invoke(app, ["paths", *options, "--json", "--config", str(config)], catch_exceptions=False)
    assert done.exit_code == 0
    rows: list[dict[str, object]] = json.loads(done.stdout)
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


def test_a_pattern_is_counted_by_group(config: Path) -> None:
    rows = answer(config, "--pattern", "cart (?!buy)* $", "--by", "device")
    assert [(row["device"], row["matching"]) for row in rows] == [("desk", 1), ("phone", 0)]


def test_a_wrong_name_is_told_the_nearest(config: Path) -> None:
    with pytest.raises(DefinitionError, match="did you mean 'cart'"):
        answer(config, "--from", "crt")
