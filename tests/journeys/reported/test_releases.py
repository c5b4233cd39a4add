"""`[releases]`: its marks and the rows of its file, one clear message for what is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from expectations.errors import ConfigurationError, InputError
from journeys.reported.releases import releases_in
from journeys.settings import Settings

TOML = '[paths]\ncontext = ["device"]\n'


def settings(folder: Path, text: str, file: str | None = None) -> Settings:
    (folder / "journeys.toml").write_text(TOML + text)
    if file is not None:
        (folder / "tags.csv").write_text(file)
    return Settings(folder / "journeys.toml")


def test_marks_and_rows_of_the_file_are_together(tmp_path: Path) -> None:
    text = '[releases]\ncolumns = ["device"]\nfile = "tags.csv"\nmarks = [{ on = 2024-01-15, name = "form" }]\n'
    read = releases_in(settings(tmp_path, text, 'on,name,by\n2024-01-16T10:00:00+01:00,"v2, final",Ann\n'))
    assert [mark.name for mark in read.marks] == ["form", "v2, final"] and read.columns == ("device",)
    assert releases_in(settings(tmp_path, "")).marks == ()


@pytest.mark.parametrize(
    ("text", "file", "words"),
    [
        ('file = "tags.csv"', None, "cannot be read"),
        ('file = "tags.csv"', "on,name\nsoon,v2\n", r"(?s)tags.csv, row 1 below its header.*2026-02-26.*'soon'"),
        ('file = "tags.csv"', "day,name\n2024-01-15,v2\n", r"(?s)no column 'on'.*day, name"),
        ('file = "tags.csv"', "", "cannot be read"),
    ],
)
def test_a_file_that_is_none_ends_with_its_row(tmp_path: Path, text: str, file: str | None, words: str) -> None:
    with pytest.raises(InputError, match=words):
        releases_in(settings(tmp_path, f"[releases]\n{text}\n", file))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('columns = ["devcie"]', r"(?s)touches 'devcie'.*line 4.*device"),
        ('marks = [{ on = "soon", name = "v2" }]', "2026-02-26"),
        ("marks = [{ on = 2024-01-15 }]", "name"),
        ('tags = "x"', "unknown key"),
    ],
)
def test_a_mistake_in_the_table_ends_with_its_line(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        releases_in(settings(tmp_path, f"[releases]\n{text}\n"))
