from __future__ import annotations

from datetime import date
from pathlib import Path

import polars as pl
from deltalake import DeltaTable
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from expectations.lake.matching import ROWS, conditions

KEYS = pl.Schema({"day": pl.Date, "topic": pl.String, "part": pl.Int32, "offset": pl.Int64})
ROW = st.tuples(
    st.sampled_from([date(2025, 1, 1), date(2025, 1, 2)]),
    st.sampled_from(["web", "it's", '"OR" 1 = 1 --', "ü"]),
    st.sampled_from([None, 0, 1]),
    st.integers(0, 3),
)


def deleted(folder: Path, rows: pl.DataFrame, gone: pl.DataFrame) -> pl.DataFrame:
    rows.write_delta(str(folder), mode="overwrite")
    for condition in conditions(gone, "offset"):
        DeltaTable(str(folder)).delete(condition)
    return pl.read_delta(str(folder))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(ROW, min_size=1), gone=st.lists(ROW))
def test_rows_that_equal_one_in_every_column_go_and_no_others(
    tmp_path: Path, rows: list[tuple[object, ...]], gone: list[tuple[object, ...]]
) -> None:
    left = deleted(tmp_path, pl.DataFrame(rows, KEYS, orient="row"), pl.DataFrame(gone, KEYS, orient="row"))
    assert sorted(left.rows(), key=repr) == sorted((row for row in rows if row not in gone), key=repr)


def test_any_number_of_rows_is_taken(tmp_path: Path) -> None:
    """One condition for all of them would end the process."""
    rows = pl.DataFrame({"topic": "app", "offset": range(60_000)})
    gone = rows.filter(pl.col("offset") % 2 == 1)
    assert len(list(conditions(gone, "offset"))) == -(-len(gone) // ROWS)
    left = deleted(tmp_path, rows, gone)
    assert left["offset"].sort().to_list() == list(range(0, 60_000, 2))
