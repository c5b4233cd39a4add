"""Records every published report in the lake's table `runs`, one row per report.

A row has what is needed to reproduce the report's numbers: the definitions, the versions of the tables, the last offset
read of each partition, and the rules that identified customers.
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
"""`definitions` is a hash of all settings behind the numbers, `identity` one of the stitching rules.

`versions` are those of the tables, and the hashes of the parts of the definitions: `definition: goal`, and so on.

`offset` is the last one read of its partition.
"""


def landed_offsets(lake: Lake, version: int | None = None) -> pl.DataFrame:
    """The last offset of every partition in table `events`: `topic` String, `partition` Int32, `offset` Int64.

    Events loaded from files have no partition and are left out. No rows if nothing has landed. `version` is the
    version of the table, by default the latest.

    >>> landed_offsets(Lake("nowhere")).height
    0
    """
    topic = pl.col(contract.TOPIC)
    events = landed(lake, version).filter(topic.is_not_null() & ~topic.str.starts_with(contract.FROM_FILE))
    last = events.group_by(contract.TOPIC, contract.PARTITION).agg(pl.col(contract.OFFSET).max())
    return last.sort(contract.TOPIC, contract.PARTITION).collect(engine="streaming")


def published_runs(lake: Lake) -> pl.DataFrame:
    """All published reports, oldest first, with the columns of `SCHEMA`; no rows if there are none."""
    return scan(lake, RUNS, SCHEMA).sort("built_at", "run").collect()


def record_run(lake: Lake, run: dict[str, object]) -> None:
    """Records a published report; does nothing if a report of this name is already recorded at its site.

    `run` has a value for every column of `SCHEMA`. Raises `StorageError` if the table cannot be written.
    """
    if (run["run"], run["site"]) in published_runs(lake).select("run", "site").rows():
        return
    append(lake, RUNS, pl.DataFrame([run], schema=SCHEMA, orient="row"))
