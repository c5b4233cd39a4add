"""Reading a file from any row on gives each row once, with its number in the file."""

from __future__ import annotations

import gzip
from pathlib import Path

import polars as pl
import pytest
import zstandard

from ingest.files import tables as module
from ingest.files.rows import rows
from ingest.settings.ingest import Limits

COUNT = 25
LINES = [b'{"n": %d}' % number + b" " * (number % 4) for number in range(COUNT)]
VALUES = {
    "r.ndjson": b"\n".join(LINES),
    "r.jsonl": b"\r\n".join(LINES) + b"\r\n",
    "r.ndjson.gz": gzip.compress(b"\n".join(LINES)),
    "r.ndjson.zst": zstandard.compress(b"\n".join(LINES)),
    "r.jsonl.zst": zstandard.compress(b"\n".join(LINES) + b"\n"),
}


@pytest.mark.parametrize("start", [0, 1, 10, COUNT - 1, COUNT])
@pytest.mark.parametrize("name", VALUES)
def test_lines_are_read_from_any_row_on(tmp_path: Path, name: str, start: int) -> None:
    (tmp_path / name).write_bytes(VALUES[name])
    found = [(row.offset, row.value, row.timestamp) for row in rows(tmp_path / name, start, 7, Limits())]
    assert found == [(number, LINES[number], 7) for number in range(start, COUNT)]


def test_lines_stay_whole_across_decompressed_chunks(tmp_path: Path) -> None:
    lines = [b"%d" % number * 20_000 for number in range(1, 30)]  # longer than what the library hands out at a time
    (tmp_path / "r.ndjson.zst").write_bytes(zstandard.compress(b"\n".join(lines)))
    assert [row.value for row in rows(tmp_path / "r.ndjson.zst", 0, 0, Limits())] == lines


@pytest.mark.parametrize("start", [0, 1, 4, 10, COUNT - 1, COUNT])
@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_rows_of_a_table_are_read_from_any_row_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, start: int
) -> None:
    monkeypatch.setattr(module, "_ROWS", 4)
    getattr(pl.DataFrame({"score": range(COUNT)}), f"write_{kind}")(tmp_path / f"r.{kind}")
    text = ".0" if kind == "csv" else ""
    found = [(row.offset, row.value) for row in rows(tmp_path / f"r.{kind}", start, 0, Limits())]
    assert found == [(number, b'{"score":%d%s}' % (number, text.encode())) for number in range(start, COUNT)]


def test_blank_lines_and_cells_are_left_out_and_counted(tmp_path: Path) -> None:
    (tmp_path / "r.ndjson").write_bytes(b"a\n\n\r\nb\n")
    assert [(row.offset, row.value) for row in rows(tmp_path / "r.ndjson", 0, 0, Limits())] == [(0, b"a"), (3, b"b")]
    pl.DataFrame({"url": ["/", "", None], "query": ["", "x", ""]}).write_parquet(tmp_path / "r.parquet")
    assert [row.value for row in rows(tmp_path / "r.parquet", 0, 0, Limits())] == [
        b'{"url":"/"}',
        b'{"query":"x"}',
        b"{}",
    ]
