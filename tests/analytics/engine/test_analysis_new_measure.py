"""A new measure in one file appears wherever the others do."""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import polars as pl
import pytest
from typer.testing import CliRunner

import journeys.commands  # noqa: F401 - registers the commands
from analytics import MEASURES, compare, measure_columns
from journeys.app import app
from tests.written import in_parts, paths

SHOP = {
    "ann": "home@0m[device=phone] cart@1m home@2m",
    "bo": "home@0m[device=desk] home@1m cart@2m",
    "cy": "home@0m[device=desk] cart@1m",
}
COUNTS = [(None, True, 3, 1, 1 / 3), ("desk", False, 2, 0, 0.0), ("phone", False, 1, 1, 1.0)]


@pytest.fixture
def toy() -> Iterator[ModuleType]:
    import tests.analytics.engine.loops as module

    yield module
    MEASURES.pop("loops")
    sys.modules.pop(module.__name__)


def test_a_new_measure_is_one_file_of_60_lines_and_is_asked_compared_listed_and_described(
    toy: ModuleType, tmp_path: Path
) -> None:
    assert len(Path(str(toy.__file__)).read_text().splitlines()) <= 60
    shop = in_parts(paths(SHOP), 3)
    assert toy.loops(shop, by="device").rows() == COUNTS
    row = compare(shop, toy.loops, group=pl.col("device") == "phone").row(0, named=True)
    assert (row["count"], row["of"], row["count_other"], row["of_other"]) == (1, 1, 0, 2)
    shop.save(tmp_path / "lake" / "paths")
    config = tmp_path / "journeys.toml"
    config.write_text(f'[lake]\naddress = "{tmp_path / "lake"}"\n')
    run = CliRunner(env={"COLUMNS": "200"})
    asked = run.invoke(app, ["paths", "loops", "--by", "device", "--json", "-c", str(config)], catch_exceptions=False)
    assert [tuple(each.values()) for each in json.loads(asked.stdout)] == COUNTS
    listed = run.invoke(app, ["schema", "loops", "--json"], catch_exceptions=False)
    assert [(each["column"], each["type"]) for each in json.loads(listed.stdout)] == [
        ("is_total", "Boolean"),
        ("units", "Int64"),
        ("loops", "Int64"),
        ("share_of_units", "Float64"),
    ]
    assert "`share_of_units` Float64" in str(inspect.getdoc(toy.loops))


def test_the_schema_lists_every_measure_and_names_the_nearest_one() -> None:
    assert measure_columns()["measure"].unique().sort().to_list() == sorted(MEASURES)
    run = CliRunner(env={"COLUMNS": "200"})
    every = run.invoke(app, ["schema", "--json"], catch_exceptions=False)
    assert [tuple(row.values()) for row in json.loads(every.stdout)] == measure_columns().rows()
    wrong = run.invoke(app, ["schema", "transition"])
    assert "did you mean 'transitions'" in str(wrong.exception)
