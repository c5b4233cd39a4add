"""The layout of the lake: names of tables, partition columns, the address of the path store.

A lake is a folder or an address in an object store such as `s3://bucket/lake`. Both are plain text here: this module
joins names and does not access storage.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

EVENTS: Final = "events"
QUARANTINE: Final = "quarantine"
PROFILES: Final = "profiles"
LINKS: Final = "links"
RUNS: Final = "runs"
JOURNEYS: Final = "journeys"
RESTATEMENTS: Final = "restatements"
RESULTS: Final = "checks/results"
PATHS: Final = "paths"
PERSONAS: Final = "personas"
"""Not a Delta table: the fits of personas, with the members of the one in force."""
REPORTED: Final = "reported"
"""Not a Delta table: what every published report told, by what definitions, from which events."""
SNAPSHOTS: Final = "snapshots"
"""Not a Delta table: what was known of customers at earlier times, and the predictions made from it."""
TOUCHES: Final = "touches"
"""Not a Delta table: the rows of the path store."""

PARTITION_COLUMNS: Final[dict[str, list[str]]] = {
    EVENTS: ["event_date"],
    QUARANTINE: ["received_date"],
    PROFILES: [],
    LINKS: [],
    RUNS: [],
    JOURNEYS: [],
    RESTATEMENTS: [],
    RESULTS: [],
}


@dataclass(frozen=True)
class Lake:
    """The address of a lake, and of the tables and files in it.

    >>> Lake("lake").table("events")
    'lake/events'
    >>> Lake("s3://shop/lake/").paths
    's3://shop/lake/paths'
    """

    address: str

    def table(self, name: str) -> str:
        """Address of the Delta table `name`."""
        return f"{self.address.rstrip('/')}/{name}"

    @property
    def paths(self) -> str:
        """Address of the path store."""
        return self.table(PATHS)

    @property
    def is_local(self) -> bool:
        """Whether the lake is a folder of this machine."""
        return "://" not in self.address
