"""What the lake knows of published reports: which numbers they show, where they lie, and who was erased since."""

from __future__ import annotations

from datetime import datetime

from analytics import erasures, published_runs, record_run
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
        "versions": [
            *({"name": name, "version": version} for name, version in sorted(origin.versions.items())),
            *({"name": f"definition: {name}", "version": part} for name, part in sorted(origin.definition.items())),
        ],
        "offsets": offsets,
        "site": site,
    }
    record_run(lake, row)


def sites(lake: Lake) -> list[str]:
    """Where reports of the lake were ever published, sorted.

    >>> sites(Lake("nowhere"))
    []
    """
    return published_runs(lake)["site"].unique().sort().to_list()


def erasures_of(lake: Lake) -> int:
    """How many erasures the lake has seen (`analytics.erasures`)."""
    return erasures(lake)
