"""What the lake holds: each table with its version, rows, files, and the time of its newest row."""

from __future__ import annotations

import polars as pl

from expectations import contract, layout
from expectations.layout import Lake
from ingest.commit import facts, scan

_NEWEST = {layout.EVENTS: contract.RECEIVED_AT, layout.QUARANTINE: contract.RECEIVED_AT, layout.PROFILES: "valid_from"}


def tables(lake: Lake) -> pl.DataFrame:
    """One row a table: table (String), version, rows, files, bytes (Int64, null where there is no table yet), newest
    (time of receipt of its newest row, UTC microseconds; of profiles, the latest `valid_from`).
    """
    rows = []
    for name, column in _NEWEST.items():
        newest = scan(lake, name).select(pl.col(column).max()).collect().item()
        rows.append({"table": name, **facts(lake, name), "newest": newest})
    numbers = dict.fromkeys(("version", "rows", "files", "bytes"), pl.Int64)
    return pl.DataFrame(rows, schema={"table": pl.String, **numbers, "newest": contract.TIME})
