"""Errors in journeys.toml are explained: file, line, expected value, the most similar valid key."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest
from pydantic import Field

from expectations.config.file import ConfigFile, Section, line_of
from expectations.errors import ConfigurationError


class Stream(Section):
    topic: str
    kind: Literal["clickstream", "order", "feedback"]


class Ingest(Section):
    brokers: list[str] = ["localhost:9092"]
    group: str = "journeys"
    flush_rows: int | None = None
    streams: list[Stream] = []


def opened(tmp_path: Path, text: str) -> ConfigFile:
    path = tmp_path / "journeys.toml"
    path.write_text(text)
    return ConfigFile.open(path, ("lake", "ingest"))


def complaint(tmp_path: Path, text: str) -> str:
    with pytest.raises(ConfigurationError) as error:
        opened(tmp_path, text).section("ingest", Ingest)
    return str(error.value)


def test_values_come_from_the_file_and_defaults_from_the_package(tmp_path: Path) -> None:
    read = opened(tmp_path, '[ingest]\nbrokers = ["b:1"]\n[[ingest.streams]]\ntopic = "clicks"\nkind = "clickstream"\n')
    section = read.section("ingest", Ingest)
    assert section == Ingest(brokers=["b:1"], streams=[Stream(topic="clicks", kind="clickstream")])


def test_an_absent_table_is_all_defaults(tmp_path: Path) -> None:
    assert opened(tmp_path, "").section("ingest", Ingest) == Ingest()


def test_the_environment_wins_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOURNEYS_INGEST__BROKERS", '["other:9092"]')
    monkeypatch.setenv("JOURNEYS_INGEST__FLUSH_ROWS", "7")
    section = opened(tmp_path, '[ingest]\nbrokers = ["b:1"]\ngroup = "g"\n').section("ingest", Ingest)
    assert (section.brokers, section.group, section.flush_rows) == (["other:9092"], "g", 7)


def test_a_wrong_variable_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOURNEYS_INGEST__FLUSH_ROWS", "many")
    assert "environment variable JOURNEYS_INGEST__FLUSH_ROWS" in complaint(tmp_path, "[ingest]\n")


def test_a_list_in_the_environment_must_be_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOURNEYS_INGEST__BROKERS", "b:1")
    assert "JSON for a list" in complaint(tmp_path, "[ingest]\n")


def test_an_unknown_key_is_named_with_line_and_nearest_word(tmp_path: Path) -> None:
    said = complaint(tmp_path, '[ingest]\ngroup = "g"\nbrokerz = []\n')
    assert "line 3: ingest.brokerz: unknown key; did you mean 'brokers'?" in said


def test_an_unknown_key_in_an_array_of_tables_is_found_in_its_own_table(tmp_path: Path) -> None:
    text = '[[ingest.streams]]\ntopic = "a"\nkind = "order"\n\n[[ingest.streams]]\ntopic = "b"\nkind = "orders"\n'
    said = complaint(tmp_path, text)
    assert "line 7: ingest.streams.1.kind: expected 'clickstream', 'order' or 'feedback', found 'orders'" in said
    assert "did you mean 'order'" in said


def test_a_field_hidden_by_its_model_is_not_shown(tmp_path: Path) -> None:
    class Whose(Section):
        salt: str = Field(default="", min_length=16, repr=False)

    file = opened(tmp_path, '[ingest]\nsalt = "hush"\n')
    with pytest.raises(ConfigurationError) as raised:
        file.section("ingest", Whose)
    assert "line 2: ingest.salt: String should have at least 16 characters" in str(raised.value)
    assert "hush" not in str(raised.value)


def test_a_missing_key_is_named_at_its_table(tmp_path: Path) -> None:
    assert "line 1: ingest.streams.0.kind: Field required" in complaint(tmp_path, '[[ingest.streams]]\ntopic = "a"\n')


def test_many_faults_are_capped_at_five(tmp_path: Path) -> None:
    said = complaint(tmp_path, "[ingest]\n" + "".join(f"k{n} = 1\n" for n in range(9)))
    assert said.count("unknown key") == 5 and "… and 4 more" in said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[ingst]\n", "did you mean 'ingest'"),
        ("[ingest\n", "not valid TOML"),
    ],
)
def test_a_file_that_is_no_configuration_is_refused(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        opened(tmp_path, text)


def test_a_missing_file_says_how_to_write_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="journeys init"):
        ConfigFile.open(tmp_path / "none.toml", ())


def test_lines_are_found_in_dotted_keys_and_nested_tables() -> None:
    text = "a.b = 1\n[c.d]\ne = 2\n[[c.d.f]]\n[c.d.f.g]\nh = 1\n[[c.d.f]]\n[c.d.f.g]\nh = 2\n"
    assert line_of(text, ("a", "b")) == 1
    assert line_of(text, ("c", "d", "e")) == 3
    assert line_of(text, ("c", "d", "f", 1, "g", "h")) == 9
