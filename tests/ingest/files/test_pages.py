"""Pages say of their sizes what the footer of an honest file says."""

from __future__ import annotations

import random
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ingest.files.pages import page_sizes

ROWS = 30_000
TABLE = pa.table(
    {
        "number": np.arange(ROWS),
        "text": [f"name {number % 70}" for number in range(ROWS)],
        "long": ["x" * 3_000 + str(number % 7) for number in range(ROWS)],
        "absent": pa.nulls(ROWS, pa.float64()),
        "list": [[number] * (number % 4) for number in range(ROWS)],
        "struct": [{"a": number, "b": {"c": str(number)}} for number in range(ROWS)],
    }
)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"data_page_version": "2.0", "compression": "zstd"},
        {"use_dictionary": False, "data_page_size": 2_000, "compression": "gzip"},
        {"row_group_size": 7_000, "write_page_checksum": True, "write_page_index": True},
    ],
)
def test_all_pages_of_a_file_are_found(options: dict[str, Any], tmp_path: Path) -> None:
    file = tmp_path / "t.parquet"
    pq.write_table(TABLE, file, **options)
    metadata = pq.ParquetFile(file).metadata
    with file.open("rb") as content:
        for group in map(metadata.row_group, range(metadata.num_row_groups)):
            for column in map(group.column, range(group.num_columns)):
                start = column.dictionary_page_offset or column.data_page_offset
                size, values, has_dictionary = page_sizes(content, start, column.total_compressed_size)
                assert has_dictionary == column.has_dictionary_page
                assert values == column.num_values
                assert size < column.total_uncompressed_size, "the footer counts headers as well"
                assert column.path_in_schema != "number" or size > 0.9 * column.total_uncompressed_size


def test_a_column_without_pages_has_nothing() -> None:
    assert page_sizes(BytesIO(b""), 0, 0) == (0, 0, False)


def test_what_is_no_page_is_an_error_of_the_file() -> None:
    draw = random.Random(7)
    for length in (0, 1, 2, 9, 40, 3_000):
        for _ in range(60):
            content = draw.randbytes(length)
            with pytest.raises(ValueError):
                page_sizes(BytesIO(content), 0, length + 5)
    for crafted in (b"\x15\x02\x25\x03\x00", b"\x25\x02\x16\x02\x5c" + b"\x1c" * 99, b"\x25\x02" + b"\xff" * 20):
        with pytest.raises(ValueError):
            page_sizes(BytesIO(crafted), 0, 99)
