"""Records a published report in the lake's table `runs`: which numbers it shows, and where it lies."""

from __future__ import annotations

from datetime import datetime

from analytics import record_run
from expectations.lake.layout import Lake
from reports.questions.answers import Origin


def record_report(lake: Lake, origin: Origin, run: str, built_at: datetime, site: str) -> None:
    """Adds one row for the report `run`, published at `site`; does nothing if it is already recorded."""
    offsets = [
        {"topic": topic, "partition": partition, "offset": offset}
        for topic, last in origin.offsets.items()
        for partition, offset in last.items()
    ]
    row = {
        "run": run,
        "built_at": built_at,
        "definitions": origin.definitions,
        "identity": origin.versions.get("rules", ""),
        "versions": [{"name": name, "version": version} for name, version in sorted(origin.versions.items())],
        "offsets": offsets,
        "site": site,
    }
    record_run(lake, row)
