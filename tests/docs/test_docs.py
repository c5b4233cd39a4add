"""The code and commands shown in the documentation work."""

from __future__ import annotations

import doctest
import json
import re
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from analytics import PROFILES, Paths, compare
from analytics.engine.analysis import MEASURES
from analytics.paths import pattern_grammar
from analytics.touches.rules import PathRules
from reports.settings import PAGES, ReportSettings
from tests.written import START

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    """Random touches of a small shop, in the words of the notebook."""
    rng, rows = np.random.default_rng(5), 4_000
    names = ["Product viewed", "Login", "Order placed", "Home or landing page"]
    seconds = pl.Series(rng.integers(0, 60 * 86_400, rows)) * 1_000_000
    touches = {
        "customer": rng.integers(0, 400, rows).astype(str),
        "at": (seconds + int(START.timestamp() * 1e6)).cast(pl.Datetime("us", "UTC")),
        "touchpoint": rng.choice(names, rows),
        "device": rng.choice(["phone", "desk"], rows),
    }
    Paths.from_frame(pl.DataFrame(touches)).save(tmp_path / "lake")
    return tmp_path / "lake"


def test_the_funnel_notebook_runs(lake: Path) -> None:
    cells = json.loads((DOCS / "funnels.ipynb").read_text())["cells"]
    names: dict[str, Any] = {}
    for cell in (c for c in cells if c["cell_type"] == "code"):
        exec("".join(cell["source"]).replace("../demo/lake", str(lake)), names)
    assert len(names["lost"]) > 0


def test_every_profile_is_in_the_table_of_tools() -> None:
    text = (DOCS / "numbers.md").read_text()
    assert [name for name in PROFILES if f"| `{name}` |" not in text] == []


def test_the_examples_of_paths_give_what_they_say() -> None:
    found = doctest.testfile(str(DOCS / "paths.md"), module_relative=False)
    assert found.attempted > 15 and not found.failed


def test_the_settings_and_examples_of_stitching_are_taken() -> None:
    text = (DOCS / "stitching.md").read_text()
    tables = [tomllib.loads(each) for each in re.findall(r"```toml\n(.*?)```", text, flags=re.DOTALL)]
    assert len(tables) >= 2 and all(PathRules.model_validate(table["paths"]) for table in tables)
    found = doctest.testfile(str(DOCS / "stitching.md"), module_relative=False)
    assert found.attempted and not found.failed


def test_the_page_of_paths_has_the_whole_grammar_and_every_measure() -> None:
    text = (DOCS / "paths.md").read_text()
    rows = re.findall(r"^\|.*\|$", str(pattern_grammar.__doc__), flags=re.MULTILINE)
    assert len(rows) > 10 and [row for row in rows if row not in text] == []
    compared = [name for name, measure in MEASURES.items() if measure.analysis.CELLS and name != "funnel"]
    measures = [*compared, compare.__name__]
    assert [name for name in measures if f">>> {name}(" not in text] == []


def test_the_numbers_name_every_column_of_the_stage_funnel() -> None:
    text = (DOCS / "numbers.md").read_text()
    known = {"is_total", "step", "name", "kind"}
    columns = [
        name
        for name in MEASURES["stage_funnel"].analysis.SCHEMA
        if name not in known and not name.endswith(("_low", "_high"))
    ]
    assert len(columns) > 15 and [name for name in columns if f"`{name}`" not in text] == []


def test_the_page_of_the_report_has_its_settings_defaults_and_pages() -> None:
    text = (DOCS / "report.md").read_text()
    rows = text.split("\n| key | default | meaning |\n", 1)[1].split("\n\n", 1)[0].splitlines()[1:]
    fields = ReportSettings.model_fields
    for keys, default, _ in (row.strip("| ").split(" | ") for row in rows):
        names = re.findall(r"`(\w+)`", keys)
        assert names and set(names) <= set(fields)
        if re.fullmatch(r"\d+|`\w+`", default):
            assert {json.dumps(fields[name].default).strip('"') for name in names} == {default.strip("`")}
    assert [page for page in PAGES if f"`{page}.html`" not in text and page != "summary"] == []
