"""`journeys check` on a lake in use: rows are added, files compacted, a customer is forgotten, history is removed."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from deltalake import DeltaTable
from typer.testing import CliRunner

import journeys.commands.pipeline  # noqa: F401 - registers the commands
from analytics.stitching.refresh import refresh
from expectations.audit import results
from expectations.lake.layout import Lake
from ingest.upkeep.repair import repair, repeats
from journeys.app import app
from tests.expectations.events import days_of, event, frame


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    (tmp_path / "journeys.toml").write_text(
        '[lake]\naddress = "lake"\n[[ingest.streams]]\ntopic = "clicks"\nkind = "clickstream"\nchannel = "web"\n',
        encoding="utf-8",
    )
    return Lake(str(tmp_path / "lake"))


def land(lake: Lake, *rows: dict[str, object]) -> None:
    options = {"partition_by": ["event_date"]}
    frame(list(rows)).write_delta(lake.table("events"), mode="append", delta_write_options=options)


def check(lake: Lake) -> tuple[int, str]:
    config = Path(lake.address).parent / "journeys.toml"
    result = CliRunner().invoke(app, ["check", "--config", str(config)])
    return result.exit_code, result.output


def test_a_check_covers_what_has_landed_since_the_last_check(lake: Lake) -> None:
    land(lake, *days_of(2, 2))
    assert check(lake)[0] == 0
    land(lake, event(1000, 1, 3, kind="dream"), event(1001, 1, 4))
    code, output = check(lake)
    assert code == 1
    assert "2 new rows on 1 days" in output and "✗ events" in output
    assert "1 × kind is one of: clickstream, order, feedback." in " ".join(output.split())
    found = results.results(lake).filter(pl.col("checked_at") == pl.col("checked_at").max())
    by_row = found.filter(expectation="expect_column_values_to_be_in_set", columns=["kind"])
    assert by_row.select("judged", "failed", "since", "version").rows() == [(2, 1, 0, 1)]
    code, output = check(lake)
    assert code == 0 and "0 new rows on 0 days" in output


def test_a_day_that_is_there_twice_fails_until_it_is_repaired(lake: Lake) -> None:
    land(lake, *days_of(2, 2))
    land(lake, event(1000, 1, 3))
    assert check(lake)[0] == 0
    assert "landed once" not in check(lake)[1]
    one, other = DeltaTable(lake.table("events")), DeltaTable(lake.table("events"))
    one.optimize.compact()
    other.optimize.compact()
    for _ in range(2):
        code, said = check(lake)
        assert code == 1 and "✗ landed once" in said and "journeys maintain --repair" in " ".join(said.split())
    found = results.results(lake).filter(pl.col("suite") == "landed once", ~pl.col("passed"))
    assert found["failed"].to_list() == [49, 49] and found["judged"].to_list() == [98, 98]
    repair(lake, repeats(lake))
    code, said = check(lake)
    assert code == 0 and "✓ landed once" in said


def test_compacted_files_add_no_rows_and_rows_after_them_are_found(lake: Lake) -> None:
    land(lake, *days_of(1, 2))
    land(lake, event(1000, 0, 3))
    check(lake)
    DeltaTable(lake.table("events")).optimize.compact()
    assert "0 new rows on 0 days" in check(lake)[1]
    land(lake, event(1001, 0, 4))
    land(lake, event(1002, 0, 4))
    DeltaTable(lake.table("events")).optimize.compact()
    assert "2 new rows on 1 days" in check(lake)[1]


def test_a_check_skips_no_rows_after_the_history_was_removed(lake: Lake) -> None:
    land(lake, *days_of(1, 2))
    check(lake)
    land(lake, event(1000, 0, 3))
    table = DeltaTable(lake.table("events"))
    table.optimize.compact()
    table.vacuum(0, dry_run=False, enforce_retention_duration=False)
    output = check(lake)[1]
    assert "49 new rows on 1 days" in output
    assert "events: the rows added after version 0 are unknown, so all of version" in output
    DeltaTable(lake.table("events")).delete("event_id = 'e7'")
    assert "48 new rows on 1 days" in check(lake)[1]
    assert "0 new rows" in check(lake)[1]


@pytest.mark.parametrize(
    ("config", "suite", "words"),
    [
        ('suites = ["own.json"]', "{", ["own.json, line 1", "not JSON"]),
        ('suites = ["own.json"]', None, ["own.json", "cannot be read"]),
        (
            'suites = ["own.json"]',
            '{"expectations": [\n{"type": "expect_column_mean_to_be_betwen", "kwargs": {"column": "score"}}]}',
            ["own.json, line 2", "did you mean 'expect_column_mean_to_be_between'"],
        ),
        (
            'suites = ["own.json"]',
            '{"expectations": [\n{"type": "expect_column_mean_to_be_between", '
            '"kwargs": {"column": "scor", "max_value": 1}}]}',
            ["own.json, line 2", "did you mean 'score'?", "properties.<field>"],
        ),
        (
            'suites = ["own.json"]',
            '{"expectations": [\n{"type": "expect_column_values_to_be_unique", '
            '"kwargs": {"column": "at", "mostly": "a"}}],'
            '"meta": {"table": "touches"}}',
            ["own.json, line 2", "mostly: expected a share between 0 and 1"],
        ),
        (
            'suites = ["own.json"]',
            '{"meta": {"table": "profiles"}, "expectations": [\n{"type": "expect_column_max_to_be_between", '
            '"kwargs": {"column": "price", "max_value": 1}}]}',
            ["own.json, line 2", "profiles", "price"],
        ),
        (
            'suites = ["own.json"]',
            '{"expectations": [{"type": "expect_column_values_to_be_unique", '
            '"kwargs": {"column": "url"}, "severity": "bad"}]}',
            ["own.json, line 1", "unknown severity; expected critical, warning, info"],
        ),
        ('[[expectations.rules]]\ncolumn = "url"\npattern = "("', None, ["journeys.toml, line 8", "does not compile"]),
        ('[[expectations.rules]]\ncolumn = "urls"\nunique = true', None, ["journeys.toml, line 8", "urls"]),
        (
            '[[expectations.rules]]\ntable = "touches"\ncolumn = "touchpoints"\nrequired = true',
            None,
            ["journeys.toml, line 8", "touchpoints", "touchpoint"],
        ),
    ],
)
def test_errors_in_a_suite_are_reported_with_their_line_before_the_stream_starts(
    lake: Lake, config: str, suite: str | None, words: list[str]
) -> None:
    folder = Path(lake.address).parent
    file = folder / "journeys.toml"
    file.write_text(file.read_text(encoding="utf-8") + f"[expectations]\n{config}\n", encoding="utf-8")
    if suite is not None:
        (folder / "own.json").write_text(suite, encoding="utf-8")
    result = CliRunner().invoke(app, ["ingest", "--until-caught-up", "--config", str(file)])
    message = f"{result.exception}"
    assert all(word in message for word in words), message
    assert not Path(lake.address).exists()


def test_kinds_of_identity_that_no_setting_names_are_reported(lake: Lake) -> None:
    land(lake, *days_of(2, 2), event(1000, 1, 3, identities={"ann@x.de": "email"}))
    named = "kinds of identity that no setting names, so they link nothing (events): ann@x.de (1)"
    assert named not in check(lake)[1], "not stitched yet"
    refresh(lake)
    assert named in check(lake)[1]
