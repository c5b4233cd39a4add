"""Files that are made to fill memory or disk are refused, row by row or as a file, and no good row is lost."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from expectations.errors import InputError
from expectations.lake import layout
from expectations.lake.layout import Lake
from ingest.files import rows as module
from ingest.files import tables
from ingest.files.load import load_events, load_profiles
from ingest.files.rows import Row, rows
from ingest.landing.commit import scan
from ingest.message import Unread
from ingest.settings.ingest import IngestSettings, Limits, Stream

MEGABYTES = 700
GOOD = {"event_name": "search", "anonymous_id": "a", "occurred_at": "2026-01-01T00:00:00Z"}
LINE = json.dumps(GOOD).encode() + b"\n"
LONG = b"a" * (1 << 20)
COUNT = 260
MANY = 60
SMALL = Limits(largest_message=100, largest_refused=100)
ALONE = """
import re, sys
from pathlib import Path
from expectations.errors import InputError
from expectations.lake.layout import Lake
from ingest.files.load import load_events
from ingest.settings.ingest import IngestSettings, Stream
settings = IngestSettings(streams=[Stream(topic="t", kind="clickstream")])
for file in sys.argv[2:]:
    try:
        done = load_events(Path(file), settings.streams[0], settings, Lake(sys.argv[1]))
        print(done.landed, sum(done.quarantined.values()))
    except InputError as error:
        print(error.what)
peak = re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())  # rusage has the parent's in it
print(int(peak.group(1)) // 1024)
"""


def one_long_line(path: Path) -> None:
    with gzip.open(path, "wb", 1) if path.suffix == ".gz" else zstandard.open(path, "wb") as file:
        file.write(LINE)
        for _ in range(COUNT):
            file.write(LONG)
        file.write(b"\n" + LINE)


def many_long_lines(path: Path) -> None:
    with gzip.open(path, "wb", 1) as file:
        for _ in range(MANY):
            file.write(LONG + b"\n")
        file.write(LINE + LINE)


def one_long_cell(path: Path) -> None:
    row = ",".join(GOOD.values()).encode() + b"\n"
    with path.open("wb") as file:
        file.write(",".join(GOOD).encode() + b"\n" + row + b'"')
        for _ in range(COUNT):
            file.write(LONG)
        file.write(b'",a,x\n' + row)


def one_text_many_times(path: Path) -> None:
    texts = pa.DictionaryArray.from_arrays(pa.array(np.r_[np.zeros(MANY, np.int32), 1, 1]), [LONG.decode(), "search"])
    others = {name: [value] * (MANY + 2) for name, value in GOOD.items() if name != "event_name"}
    pq.write_table(pa.table({"event_name": texts, **others}), path, compression="zstd")


def one_long_list(path: Path) -> None:
    lists = pa.ListArray.from_arrays([None, 0, None, 15_000_000], pa.array(np.ones(15_000_000, np.int8)))
    pq.write_table(pa.table({**{name: [value] * 3 for name, value in GOOD.items()}, "properties": lists}), path)


def one_dense_column(path: Path) -> None:
    cell = pa.array([LONG * COUNT], pa.binary())
    pq.write_table(pa.table({"url": cell}), path, compression="zstd", use_dictionary=False, write_statistics=False)


def lying(write: Callable[[Path], None], name: str) -> Callable[[Path], None]:
    """The same file, in whose footer a column says that it has next to nothing."""

    def written(path: Path) -> None:
        write(path)
        group = pq.ParquetFile(path).metadata.row_group(0)
        number = varint(getattr(group.column(group.num_columns - 1), name))
        data = path.read_bytes()
        begin = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
        told = bytes([100 | 128, *[128] * (len(number) - 2), 0])  # 50, in as many bytes
        assert number in data[begin:]
        path.write_bytes(data[:begin] + data[begin:].replace(number, told))

    return written


def varint(number: int) -> bytes:
    """A number as Thrift's compact protocol writes it."""
    out, rest = bytearray(), 2 * number
    while rest > 127:
        out.append(rest & 127 | 128)
        rest >>= 7
    return bytes([*out, rest])


def many_values_of_nothing(path: Path) -> None:
    lists = pa.ListArray.from_arrays([0, 30_000_000], pa.array(np.ones(30_000_000, np.int8)))
    pq.write_table(pa.table({"properties": lists}), path)


EXPANDS = "A column of the file expands to too much; it may be made to fill the memory."
BOMBS: list[tuple[str, Callable[[Path], None], str]] = [
    ("line.ndjson.gz", one_long_line, "2 1"),
    ("line.ndjson.zst", one_long_line, "2 1"),
    ("lines.ndjson.gz", many_long_lines, f"2 {MANY}"),
    ("cell.csv", one_long_cell, "2 1"),
    ("text.parquet", one_text_many_times, f"2 {MANY}"),
    ("list.parquet", one_long_list, "2 1"),
    ("column.parquet", one_dense_column, EXPANDS),
    ("lying.parquet", lying(one_dense_column, "total_uncompressed_size"), EXPANDS),
    ("values.parquet", lying(many_values_of_nothing, "num_values"), EXPANDS),
]


def test_files_made_to_fill_the_memory_stay_under_the_ceiling_and_lose_no_good_row(tmp_path: Path) -> None:
    for name, write, _ in BOMBS:
        write(tmp_path / name)
    command = [sys.executable, "-c", ALONE, str(tmp_path / "lake"), *(str(tmp_path / name) for name, _, _ in BOMBS)]
    *found, peak = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    assert dict(zip((name for name, _, _ in BOMBS), found, strict=True)) == {name: told for name, _, told in BOMBS}
    assert int(peak) < MEGABYTES


def read(path: Path, limits: Limits = SMALL, start: int = 0) -> list[Row]:
    return list(rows(path, start, 0, limits))


def unread(found: list[Row]) -> list[tuple[int, str, bytes]]:
    return [(row.offset, row.value.reason, bytes(row.value)) for row in found if isinstance(row.value, Unread)]


@pytest.mark.parametrize("name", ["r.ndjson", "r.ndjson.gz", "r.ndjson.zst"])
def test_the_beginning_of_a_line_that_is_too_long_is_kept(name: str, tmp_path: Path) -> None:
    text = b"first\n" + b"b" * 100 + b"\n" + b"c" * 101 + b"\n" + b"d" * 3_000_000 + b"\r\nlast"
    packed = {".gz": gzip.compress, ".zst": zstandard.compress}.get(Path(name).suffix, bytes)(text)
    (tmp_path / name).write_bytes(packed)
    found = read(tmp_path / name)
    assert [bytes(row.value) for row in found] == [b"first", b"b" * 100, b"c" * 100, b"d" * 100, b"last"]
    assert unread(found) == [(2, "too_large", b"c" * 100), (3, "too_large", b"d" * 100)]
    assert [row.offset for row in read(tmp_path / name, start=3)] == [3, 4]


def test_a_refused_line_is_in_quarantine_with_its_size(tmp_path: Path) -> None:
    (tmp_path / "r.ndjson").write_bytes(LINE + b"x" * 200 + b"\n" + LINE)
    settings = IngestSettings(streams=[Stream(topic="t", kind="clickstream")], limits=SMALL)
    done = load_events(tmp_path / "r.ndjson", settings.streams[0], settings, Lake(str(tmp_path / "lake")))
    assert (done.landed, done.quarantined) == (2, {"too_large": 1})
    [row] = scan(Lake(str(tmp_path / "lake")), layout.QUARANTINE).collect().iter_rows(named=True)
    assert (row["offset"], row["raw"]) == (1, b"x" * 100)
    assert row["message"] == "200 bytes, the limit is 100; the first 100 are kept"


def test_every_frame_of_a_compressed_file_is_read(tmp_path: Path) -> None:
    for name, compress in (("r.ndjson.zst", zstandard.compress), ("r.ndjson.gz", gzip.compress)):
        (tmp_path / name).write_bytes(compress(b"a\nb") + compress(b"c\nd"))
        assert [row.value for row in read(tmp_path / name)] == [b"a", b"bc", b"d"]


def test_a_row_that_is_no_csv_is_refused_alone(tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_bytes(
        b'url,query\n/,"a\nb"\n/,\xff\n1,2,3\n\n/,"c"\n' + b"y" * 200 + b'\n/,d\n/,"open\n'
    )
    found = read(tmp_path / "r.csv")
    assert unread(found) == [
        (1, "not_csv", b"/,\xff"),
        (2, "not_csv", b"1,2,3"),
        (5, "too_large", b"y" * 100),
        (7, "not_csv", b'/,"open\n'),
    ]
    good = [(row.offset, json.loads(row.value)) for row in found if not isinstance(row.value, Unread)]
    assert [(offset, row.get("query")) for offset, row in good] == [(0, "a\nb"), (3, None), (4, "c"), (6, "d")]
    for start in range(9):
        assert read(tmp_path / "r.csv", start=start) == [row for row in found if row.offset >= start]


def test_a_table_with_too_many_columns_or_without_a_header_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "_COLUMNS", 2)
    frame = pl.DataFrame({"a": [1], "b": [2], "c": [3]})
    frame.write_csv(tmp_path / "r.csv")
    frame.write_parquet(tmp_path / "r.parquet")
    for name in ("r.csv", "r.parquet"):
        with pytest.raises(InputError, match="too many columns"):
            read(tmp_path / name)
    (tmp_path / "e.csv").write_bytes(b"\n\n")
    (tmp_path / "l.csv").write_bytes(b"a" * 200)
    for name in ("e.csv", "l.csv"):
        with pytest.raises(InputError, match="no header"):
            read(tmp_path / name)


def test_rows_of_parquet_are_the_same_in_pieces_of_any_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = ["a" * (n % 7 * 10) for n in range(100)]
    lists = [[{"sku": f"s{n % 3}"}] * (n % 4) for n in range(100)]
    frame = pl.DataFrame({"url": texts, "items": lists, "score": range(100), "raw": [b"x"] * 100})
    frame.write_parquet(tmp_path / "r.parquet", row_group_size=30)
    whole = read(tmp_path / "r.parquet", Limits())
    assert len(whole) == 100 and json.loads(whole[5].value)["items"] == [{"sku": "s2"}]
    for size in (1, 50, 1_000):
        monkeypatch.setattr(tables, "_BYTES", size)
        monkeypatch.setattr(tables, "_ROWS", 7)
        assert read(tmp_path / "r.parquet", Limits()) == whole
        assert read(tmp_path / "r.parquet", Limits(), start=61) == whole[61:]


def test_a_small_file_of_endless_rows_ends_with_a_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_SMALL", 10_000)
    (tmp_path / "r.ndjson.gz").write_bytes(gzip.compress(b"{}\n" * 100_000))
    limits = Limits(largest_expansion=20)
    with pytest.raises(InputError, match="decompresses to too much") as refused:
        read(tmp_path / "r.ndjson.gz", limits)
    assert "largest_expansion" in refused.value.do
    assert len(read(tmp_path / "r.ndjson.gz", Limits(largest_expansion=1_000))) == 100_000


def test_profiles_are_bounded_and_lose_no_row(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path / "lake"))
    row = {"identity_kind": "customer_id", "identity": "c1", "attribute": "plan", "value": "free"}
    line = json.dumps(row | {"valid_from": "2026-01-01T00:00:00Z"}).encode() + b"\n"
    (tmp_path / "p.ndjson").write_bytes(line + b"x" * 300 + b"\n")
    with pytest.raises(InputError, match="cannot be read") as refused:
        load_profiles(tmp_path / "p.ndjson", lake, limits=Limits(largest_message=200, largest_refused=200))
    assert "row 1" in refused.value.where
    (tmp_path / "p.ndjson").write_bytes(line * 100)
    with pytest.raises(InputError, match="too large to be loaded"):
        load_profiles(tmp_path / "p.ndjson", lake, limits=Limits(largest_profiles=1_000))
    assert load_profiles(tmp_path / "p.ndjson", lake).landed == 100


def test_a_file_without_the_pages_that_its_footer_names_cannot_be_read(tmp_path: Path) -> None:
    pq.write_table(pa.table({"url": ["a"] * 99}), tmp_path / "t.parquet", compression="none")
    data = bytearray((tmp_path / "t.parquet").read_bytes())
    data[4:30] = b"\xff" * 26
    (tmp_path / "t.parquet").write_bytes(data)
    with pytest.raises(InputError, match="cannot be read"):
        read(tmp_path / "t.parquet")
