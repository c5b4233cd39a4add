"""Makes the paths again as a published report knew them, in a folder of this machine."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import polars as pl

from analytics.monitoring.runs.kept import KeptRun
from analytics.stitching.build import Among, build
from analytics.store.paths import Paths
from analytics.touches.rules import PathRules
from expectations.errors import StorageError
from expectations.lake.layout import Lake
from expectations.lake.tables import landed


def paths_as_known(
    lake: Lake,
    rules: PathRules,
    folder: Path,
    *,
    end: datetime,
    counted: pl.Expr,
    known_to: KeptRun,
    profiles: int | None = None,
    rows: pl.LazyFrame | None = None,
) -> Paths:
    """The paths of the events that are `counted`, up to `end`, written to `folder`.

    Which identities are one customer is that which the run `known_to` knew. `profiles` is the version of their table,
    by default the newest. `rows` are the landed events where they have been copied (`landed_copy`).
    """
    among = Among(counted, known_to.landed() | counted, known_to.decided_by, profiles)
    build(lake, rules, end_of_data=end, into=folder, among=among, rows=rows)
    return Paths.open(str(folder))


def paths_of_run(lake: Lake, run: KeptRun, rules: PathRules, folder: Path, *, profiles: int | None = None) -> Paths:
    """The paths that a report read, made again by its `rules`, which may have secrets that are kept nowhere else.

    Raises `StorageError` where events that it read are gone, or others have taken their place.
    """
    found = int(landed(lake).filter(run.landed()).select(pl.len()).collect(engine="streaming").item())
    if found != run.rows:
        raise StorageError(
            "The lake no longer has the events that this report read, so its numbers cannot be computed again.",
            where=lake.table("events"),
            expected=f"{run.rows:,} rows up to the offsets of {run.run}",
            found=f"{found:,}",
            do="compare what both told instead: journeys diff",
        )
    return paths_as_known(
        lake, rules, folder, end=run.end_of_data, counted=run.landed(), known_to=run, profiles=profiles
    )
