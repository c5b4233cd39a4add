"""Which reports were published, of which state of the lake? Table `runs`: one row a report, and where a lake stands.

The row is what is needed to make the report's numbers again: the definitions, the versions of the tables, how far each
partition had been read, and by which rules customers were told apart.
"""

from __future__ import annotations

from typing import Final

import polars as pl

from expectations import contract
from expectations.lake.layout import RUNS, Lake
from expectations.lake.tables import append, landed, scan

_VERSION: Final = pl.Struct({"name": pl.String, "version": pl.String})
_OFFSET: Final = pl.Struct({"topic": pl.String(), "partition": pl.Int32(), "offset": pl.Int64()})
SCHEMA: Final = pl.Schema(
    {
        "run": pl.String(),
        "built_at": pl.Datetime("us", "UTC"),
        "definitions": pl.String(),
        "identity": pl.String(),
        "versions": pl.List(_VERSION),
        "offsets": pl.List(_OFFSET),
        "site": pl.String(),
    }
)
"""`definitions` names all settings behind the numbers, `identity` the rules of stitching; `offset` is the last read."""


def landed_offsets(lake: Lake, version: int | None = None) -> pl.DataFrame:
    """The last offset of every partition in table `events`: `topic`, `partition` Int32, `offset` Int64.

    Files that were loaded are not partitions. No rows when none landed. `version` is that of the table, the latest
    unless it is given.

    >>> offsets(Lake("nowhere")).height
    0
    """
    topic = pl.col(contract.TOPIC)
    rows = landed(lake, version).filter(topic.is_not_null() & ~topic.str.starts_with(contract.FROM_FILE))
    last = rows.group_by(contract.TOPIC, contract.PARTITION).agg(pl.col(contract.OFFSET).max())
    return last.sort(contract.TOPIC, contract.PARTITION).collect(engine="streaming")


def published_runs(lake: Lake) -> pl.DataFrame:
    """The reports that were published (`SCHEMA`), oldest first; no rows when there is none."""
    return scan(lake, RUNS, SCHEMA).sort("built_at", "run").collect()


def record_run(lake: Lake, run: dict[str, object]) -> None:
    """Note a published report; one that is published again under the same name is noted once.

    In: a value for every column of `SCHEMA`. Raises `StorageError` where the table cannot be written.
    """
    if run["run"] in set(published_runs(lake)["run"]):
        return
    append(lake, RUNS, pl.DataFrame([run], schema=SCHEMA, orient="row"))
