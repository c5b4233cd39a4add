"""`[[segments]]` in journeys.toml, `journeys segments`, and `segment:NAME` where verbs name columns."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from typer.testing import CliRunner

import journeys.commands  # noqa: F401 - registers the commands
from analytics import Did, DidNot, Funnel, PathRules, Paths, Segment, funnel, overlaps, segment_sizes, stage_funnel
from expectations.errors import ConfigurationError, DefinitionError, InputError, JourneysError
from journeys.app import app
from journeys.segmented import check_versions, listed, report_of, segments_in
from journeys.settings import Settings
from journeys.terminal import plain

DEFINED = """
[[segments]]
name = "Lapsed"
version = 2
says = "Bought, but not for five days"
all = [{ did = "buy" }, { did_not = "buy", within = "5d" }]

[[segments]]
name = "Fans"
any = [{ did = ["buy", "stage:Look"], at_least = 3, within = "20d" }, { total = "price", at_least = 50 }]
none = [{ in = "Lapsed" }, { first = "device", is = ["fax"] }]
"""
SHOP = {
    "ann": "look@0d[device=app] buy@1d[device=app,price=60] look@9d[device=app] look@10d[device=app]",
    "bo": "look@0d[device=web] look@2d[device=web] buy@3d[device=web,price=5] look@4d[device=web]",
    "cy": "look@5d[device=web] look@6d[device=app]",
}
LAPSED = Segment("Lapsed", Did("buy"), DidNot("buy", within="5d"), version=2)


def written(folder: Path, segments: str, report: str = "") -> Path:
    text = (
        '[lake]\naddress = "lake"\n[paths]\ngoal = ["buy"]\n[[paths.stages]]\nname = "Look"\ntouchpoints = ["look"]\n'
    )
    (folder / "journeys.toml").write_text(f"{text}{report}{segments}")
    return folder / "journeys.toml"


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("journeys.terminal.out.width", 200)
    rules = PathRules.model_validate({"goal": ["buy"], "stages": [{"name": "Look", "touchpoints": ["look"]}]})
    Paths.from_text(SHOP, end="60d", rules=rules).save(tmp_path / "lake" / "paths")
    return written(tmp_path, DEFINED)


def stored(config: Path) -> Paths:
    return Paths.open(config.parent / "lake" / "paths")


def asked(config: Path, *arguments: str) -> str:
    done = CliRunner().invoke(app, [*arguments, "--config", str(config)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def rows(config: Path, *arguments: str) -> Any:
    return json.loads(asked(config, *arguments, "--json"))


def as_rows(frame: pl.DataFrame) -> Any:
    return json.loads(plain(frame).write_json())


def counts(found: Any) -> list[tuple[Any, ...]]:
    return [tuple(row.get(name) for name in ("Lapsed", "step", "entered", "reached", "open")) for row in found]


def test_sizes_overlaps_and_evidence_are_those_of_the_functions(config: Path) -> None:
    paths, segments = stored(config), list(segments_in(Settings(config)).values())
    assert [segment.text for segment in segments] == [
        "all of (did 'buy'; did not 'buy' within 5d)",
        "all of (any of (did 'buy' or stage:'Look' at least 3 within 20d; total 'price' at least 50); "
        "none of (in 'Lapsed' (all of (did 'buy'; did not 'buy' within 5d)); first 'device' is 'fax'))",
    ]
    assert rows(config, "segments", "Lapsed", "--every", "1w") == as_rows(segment_sizes(paths, LAPSED))
    assert rows(config, "segments", "--overlap") == as_rows(overlaps(paths, segments))
    now = rows(config, "segments")
    assert [(row["segment"], row["members"], row["says"]) for row in now] == [
        ("Lapsed", 2, "Bought, but not for five days"),
        ("Fans", 0, ""),
    ]
    evidence = rows(config, "segments", "Lapsed", "--explain", "ann")
    assert [row["state"] for row in evidence] == ["in", "in", "in"] and evidence[1]["touchpoint"] == "buy"


def test_tables_say_how_to_read_them(config: Path) -> None:
    shown = asked(config, "segments")
    assert "Lapsed" in shown and "At the end of data; joined and left: since four weeks before." in shown
    assert "Size = size before + joined - left." in asked(config, "segments", "Fans", "--every", "1mo")
    assert "did not 'buy' within 5d" in asked(config, "segments", "Lapsed", "--explain", "bo")
    assert "There are no segments" in asked(written(config.parent, ""), "segments")


def test_verbs_take_a_segment_as_a_column_and_as_a_choice(config: Path) -> None:
    paths = stored(config).with_segments(LAPSED)
    chosen = paths.begun_with("Lapsed", "in", unit="journey")
    by = ["--by", "segment:Lapsed"]
    groups = rows(config, "funnel", *by, "--window", "7d")
    assert counts(groups) == counts(as_rows(stage_funnel(paths, by=["Lapsed"], window="7d")))
    only = rows(config, "funnel", "--segment", "Lapsed", "--window", "7d")
    assert counts(only) == counts(as_rows(stage_funnel(chosen, window="7d"))) and only[0]["entered"] == 1
    assert counts(only) == counts([row | {"Lapsed": None} for row in groups if row["Lapsed"] == "in"])
    steps = rows(config, "funnel", "look", "buy", *by, "--window", "2d")
    assert steps == as_rows(funnel(paths, Funnel(["look", "buy"], window="2d", by=["Lapsed"])))
    entering = rows(config, "funnel", "look", "buy", "--segment", "Lapsed", "--window", "2d")
    assert [row["reached"] for row in entering] == [1, 0]  # ann, with a later entry than her best one
    assert {row["Lapsed"] for row in rows(config, "goals", *by)} >= {"in"}
    assert rows(config, "goals", "--segment", "Lapsed")[0]["mature"] == 1
    assert {row["Lapsed"] for row in rows(config, "paths", "variants", *by)} >= {"in"}
    assert [row["path"] for row in rows(config, "paths", "--segment", "Lapsed")] == ["look > look"]
    compared = rows(config, "paths", "match", "look", "--compare", "segment:Lapsed")
    assert (compared[0]["of"], compared[0]["of_other"]) == (1, 4)
    factors = rows(config, "drivers", "look", "buy", "--factor", "segment:Lapsed", "--window", "2d")
    assert factors[0]["customers"] == 3
    periods = ["--before", "2024-01-01..2024-01-04", "--after", "2024-01-05..2024-01-09", "--window", "2d"]
    moved = rows(config, "change", "look", "buy", *periods, *by)
    assert {row["family"] for row in moved} >= {"Lapsed"}


@pytest.mark.parametrize(
    ("segments", "error", "message"),
    [
        ('all = [{ did = "biy" }]', DefinitionError, "No touch has the touchpoint 'biy'"),
        ('all = [{ sequence = "look biy" }]', DefinitionError, "No touch has the touchpoint 'biy'"),
        (
            'all = [{ did = "buy", within = "30" }]',
            ConfigurationError,
            "line 11: segments.0.all.0.within: '30' is not a dur",
        ),
        (
            'all = [{ did = "buy", at_least = 0 }]',
            ConfigurationError,
            "line 11: segments.0.all.0: Touches are counted from 1",
        ),
        ('all = [{ in = "A" }]', DefinitionError, "Segments name each other in a circle"),
        ('all = [{ in = "B" }]', DefinitionError, "There is no segment 'B'"),
        ('all = [{ did = "buy" }]\n[[segments]]\nname = "A"\nall = [{ did = "look" }]', ConfigurationError, "Two of"),
        ('all = [{ sequence = "look*" }]', DefinitionError, "matches a path without touches"),
        ('all = [{ sequence = "look [" }]', ConfigurationError, "This pattern is invalid"),
        ('all = [{ attribute = "devise", is = ["app"] }]', DefinitionError, "There is no column 'devise'"),
        ('all = [{ attribute = "device" }]', ConfigurationError, "attribute needs is"),
        ('all = [{ did_not = "buy" }]', ConfigurationError, "did_not needs within"),
        ('all = [{ did = "buy", did_not = "look", within = "1d" }]', ConfigurationError, "found did, did_not"),
        ('all = [{ did = "buy", is = ["app"] }]', ConfigurationError, "did takes at_least, within; found is"),
        ('all = [{ dit = "buy" }]', ConfigurationError, "did you mean 'did'"),
        ("all = []", ConfigurationError, "a segment has conditions"),
        ("all = [{ rfm = { r = [6] } }]", ConfigurationError, "Scores are from 1 to 5"),
        ('all = [{ listed = "nobody.txt" }]', InputError, "cannot be read"),
    ],
)
def test_every_wrong_definition_has_one_clear_message(
    config: Path, segments: str, error: type[JourneysError], message: str
) -> None:
    wrong = written(config.parent, f'\n[[segments]]\nname = "A"\n{segments}\n')
    with pytest.raises(error) as raised:
        asked(wrong, "segments")
    assert message in raised.value.message


def test_wrong_names_and_options_are_refused(config: Path) -> None:
    for arguments, message in (
        (["segments", "Lapsd"], "did you mean 'Lapsed'"),
        (["funnel", "--by", "segment:Lapsd"], "did you mean 'Lapsed'"),
        (["segments", "--overlap", "--every", "1w"], "One question is asked at once"),
        (["segments", "--explain", "ann"], "One segment is explained at once"),
        (["segments", "Lapsed", "--explain", "zoe"], "There is no such customer"),
        (["segments", "--every", "12h"], "every so many days"),
    ):
        with pytest.raises(DefinitionError) as raised:
            asked(config, *arguments)
        assert message in raised.value.message
    clash = written(config.parent, '\n[[segments]]\nname = "device"\nall = [{ did = "buy" }]\n')
    with pytest.raises(DefinitionError, match="called like a column"):
        asked(clash, "segments")


def test_a_changed_definition_needs_another_version(config: Path) -> None:
    check_versions(Settings(config))
    check_versions(Settings(config))
    text = config.read_text()
    config.write_text(text.replace('within = "5d"', 'within = "6d"'))
    with pytest.raises(ConfigurationError, match="defined otherwise than its version 2 was") as raised:
        check_versions(Settings(config))
    assert "raise its version to 3" in raised.value.do and "line 11" in raised.value.where
    config.write_text(text.replace('within = "5d"', 'within = "6d"').replace("version = 2", "version = 3"))
    with pytest.raises(ConfigurationError, match="Segment 'Fans'"):  # it names the other one
        check_versions(Settings(config))
    config.write_text(config.read_text().replace('name = "Fans"', 'name = "Fans"\nversion = 2'))
    check_versions(Settings(config))
    config.write_text(text.replace('says = "Bought, but not for five days"', 'says = "Others"'))
    check_versions(Settings(config))  # back to the first definition, told otherwise
    written(config.parent, "")
    check_versions(Settings(config))


def test_a_list_of_customers(config: Path) -> None:
    (config.parent / "vip.csv").write_text("customer,valid_from\nann,2024-01-03\nzoe,2024-01-01\nbo,\n")
    vip = written(config.parent, '\n[[segments]]\nname = "VIP"\nall = [{ listed = "vip.csv" }]\n')
    found, unknown = listed(Settings(vip), "vip.csv")
    assert (found["customer"].to_list(), unknown) == (["ann", "bo"], 1)
    assert rows(vip, "segments")[0]["members"] == 2
    assert "vip.csv: 2 customers are known, 1 rows are not" in asked(vip, "segments")
    for text, message in (("customer\nzoe\n", "names no known customer"), ("who\nann\n", "no column of them")):
        (config.parent / "vip.csv").write_text(text)
        with pytest.raises(InputError, match=message):
            asked(vip, "segments")


def test_a_report_is_broken_down_by_a_segment(config: Path) -> None:
    settings = Settings(written(config.parent, DEFINED, '[report]\nsegments = ["device", "segment:Lapsed"]\n'))
    report, segments, personas = report_of(settings, settings.report)
    assert report.segments == ("device", "Lapsed") and report.name_of("Lapsed") == "Lapsed"
    assert [segment.name for segment in segments] == ["Lapsed"] and personas is None
    asked(settings.file.path, "report")
    table = pl.read_csv(next((config.parent / "site" / "runs").glob("*/data/segments.csv")), infer_schema=False)
    assert "Lapsed" in table[table.columns[0]].to_list()
