"""Reading a file from any row on gives each row once, with its number in the file."""

from __future__ import annotations

import gzip
from pathlib import Path

import orjson
import polars as pl
import pytest
import zstandard

from expectations.errors import InputError
from ingest.files import lines as text_lines
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


@pytest.mark.parametrize("packed", ["", ".gz", ".zst"])
@pytest.mark.parametrize(("ending", "separator"), [(".csv", ","), (".tsv", "\t")])
def test_tables_of_text_have_a_separator_and_may_be_packed(
    tmp_path: Path, ending: str, separator: str, packed: str
) -> None:
    text = f'event_name{separator}url\nvisit{separator}"/a{separator}b"\n'.encode()
    pack = {".gz": gzip.compress, ".zst": zstandard.compress}.get(packed, bytes)
    (tmp_path / f"r{ending}{packed}").write_bytes(pack(text))
    [row] = rows(tmp_path / f"r{ending}{packed}", 0, 0, Limits())
    assert orjson.loads(row.value) == {"event_name": "visit", "url": f"/a{separator}b"}


def test_lines_of_snowplow_are_no_table(tmp_path: Path) -> None:
    (tmp_path / "r.tsv").write_bytes(b"a\tb\nc\td\n")
    assert [row.value for row in rows(tmp_path / "r.tsv", 0, 0, Limits(), "snowplow")] == [b"a\tb", b"c\td"]


@pytest.mark.parametrize("packed", ["", ".gz"])
def test_the_elements_of_a_json_list_are_rows(tmp_path: Path, packed: str) -> None:
    text = b'\xef\xbb\xbf\n [ {"a": 1,\n "b": "]"},\n {"a": 2}, 3 ]\n'
    (tmp_path / f"r.json{packed}").write_bytes(gzip.compress(text) if packed else text)
    found = [(row.offset, row.value) for row in rows(tmp_path / f"r.json{packed}", 1, 0, Limits())]
    assert found == [(1, b'{"a":2}'), (2, b"3")]
    (tmp_path / "l.json").write_bytes(b'{"a":1}\n[2]\n')
    assert [row.value for row in rows(tmp_path / "l.json", 0, 0, Limits())] == [b'{"a":1}', b"[2]"]
    assert [row.value for row in rows(tmp_path / f"r.json{packed}", 0, 0, Limits(), "ga4")][1] == b' "b": "]"},'


def test_a_json_list_that_cannot_be_read_says_where_it_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "r.json").write_bytes(b'[{"a": 1},\n{"a": secret}]')
    with pytest.raises(InputError, match=r"no JSON: .* in line 2") as error:
        list(rows(tmp_path / "r.json", 0, 0, Limits()))
    assert "secret" not in str(error.value)
    monkeypatch.setattr("ingest.files.rows._LIST_BYTES", 10)
    with pytest.raises(InputError, match="jq -c"):
        list(rows(tmp_path / "r.json", 0, 0, Limits()))


def test_an_ending_that_is_not_known_is_named(tmp_path: Path) -> None:
    (tmp_path / "r.xlsx.gz").write_bytes(b"")
    with pytest.raises(InputError, match=r"found: the ending \.xlsx\.gz"):
        list(rows(tmp_path / "r.xlsx.gz", 0, 0, Limits()))


def test_a_byte_order_mark_costs_no_row(tmp_path: Path) -> None:
    for name, text in (("r.ndjson", b'{"url":"/"}\n'), ("r.csv", b"url\n/\n"), ("r.json", b'[{"url":"/"}]')):
        (tmp_path / name).write_bytes(b"\xef\xbb\xbf" + text)
        assert [row.value for row in rows(tmp_path / name, 0, 0, Limits())] == [b'{"url":"/"}'], name


@pytest.mark.parametrize("order", [["items", "items.sku"], ["items.sku", "items"]])
def test_a_field_of_a_cell_that_is_no_object_stays_a_field(tmp_path: Path, order: list[str]) -> None:
    pl.DataFrame({"items": ["[]", None], "items.sku": ["a", "b"]}).select(order).write_csv(tmp_path / "r.csv")
    found = [orjson.loads(row.value) for row in rows(tmp_path / "r.csv", 0, 0, Limits())]
    assert found == [{"items": [], "items.sku": "a"}, {"items": {"sku": "b"}}]


@pytest.mark.parametrize("text", ["a;b\n1;x,y\n", "a\tb\n1\tx,y\n", "a|b\n1|x,y\n", 'a,b\n1,"x,y"\n'])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_the_header_says_what_separates_and_the_mark_how_text_is_encoded(
    text: str, encoding: str, tmp_path: Path
) -> None:
    file = tmp_path / "events.csv"
    file.write_bytes(text.encode(encoding))
    assert [orjson.loads(row.value) for row in rows(file, 0, 0, Limits())] == [{"a": "1", "b": "x,y"}]


def test_a_letter_of_utf_16_may_be_cut_by_the_end_of_a_piece(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_lines, "_AT_ONCE", 7)
    (tmp_path / "e.ndjson").write_bytes('{"a": "ä😀"}\n'.encode("utf-16"))
    assert [orjson.loads(row.value) for row in rows(tmp_path / "e.ndjson", 0, 0, Limits())] == [{"a": "ä😀"}]
