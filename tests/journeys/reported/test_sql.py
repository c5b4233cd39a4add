"""`journeys sql` asks what reports told; it reads and writes nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

import journeys.commands  # noqa: F401 - registers the commands
from expectations.errors import DefinitionError, StorageError
from journeys.app import app
from tests.journeys.reported.published import publish_a_shop


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return publish_a_shop(tmp_path_factory.mktemp("sql"))


def asked(config: Path, *words: str) -> str:
    arguments = ["sql", *words, "--config", str(config)]
    return CliRunner().invoke(app, arguments, catch_exceptions=False).stdout


def test_a_query_gives_the_numbers_of_the_page(config: Path) -> None:
    (site,) = config.parent.glob("site/runs/*/site.json")
    (linked,) = (
        part for page in json.loads(site.read_text())["pages"] for part in page["parts"] if part["id"] == "linked"
    )
    query = "select report, report_row, way, share from linked order by report_row"
    rows = json.loads(asked(config, query, "--json"))
    assert {row["report"] for row in rows} == {site.parent.name} and [row["report_row"] for row in rows] == [
        1,
        2,
        3,
        4,
    ][: len(rows)]
    assert {"way": [row["way"] for row in rows], "share": [row["share"] for row in rows]} == linked["frame"]
    assert "linked" in asked(config) and "touches" not in asked(config)


def test_touches_are_there_only_for_who_may_see_the_lake(config: Path) -> None:
    (found,) = json.loads(
        asked(config, "select count(*) as n, count(distinct customer) as c from touches", "--mine", "--json")
    )
    assert found == {"n": 120, "c": 60}
    (who,) = json.loads(asked(config, "select min(customer) as who from touches", "--mine", "--json"))
    assert who["who"].startswith("customer:"), "a pseudonym"
    with pytest.raises(DefinitionError, match="touches does not exist"):
        asked(config, "select * from touches")


@pytest.mark.parametrize(
    "query",
    [
        "",
        "select 1; select 2",
        "create table x as select 1",
        "copy linked to 'stolen.csv'",
        "attach 'other.db'",
        "select * from read_csv('/etc/passwd')",
        "select * from tables",
        "select 1 as a, 2 as a",
        "set threads = 1",
        "selec 1",
    ],
)
def test_what_is_no_query_over_the_tables_is_refused(config: Path, query: str) -> None:
    with pytest.raises(DefinitionError):
        asked(config, query)
    assert not Path("stolen.csv").exists() and not Path("other.db").exists()


def test_without_a_report_there_is_nothing_to_ask(tmp_path: Path) -> None:
    (tmp_path / "journeys.toml").write_text('[lake]\naddress = "lake"\n')
    with pytest.raises(StorageError, match="journeys report"):
        asked(tmp_path / "journeys.toml", "select 1")
