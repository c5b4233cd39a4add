"""Where things lie in the lake: table names, partition columns, the path store.

A lake is a folder, or an address of an object store such as `s3://bucket/lake`. Both are plain text here: this module
joins names and touches no storage.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

EVENTS: Final = "events"
QUARANTINE: Final = "quarantine"
PROFILES: Final = "profiles"
LINKS: Final = "links"
RUNS: Final = "runs"
RESULTS: Final = "checks/results"
PATHS: Final = "paths"
TOUCHES: Final = "touches"
"""Not a table of its own: what the path store holds."""

PARTITION_COLUMNS: Final[dict[str, list[str]]] = {
    EVENTS: ["event_date"],
    QUARANTINE: ["received_date"],
    PROFILES: [],
    LINKS: [],
    RUNS: [],
    RESULTS: [],
}


@dataclass(frozen=True)
class Lake:
    """The address of a lake and of what lies in it.

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
