"""What must be remembered of old events, so that new ones can be stitched without reading the old ones again?

A memory belongs to one generation of the paths and lies in the lake's folder `memory`, under the generation's name: it
holds identities as they came, which the paths with their pseudonyms must not. Its numbers are kept for good: a node or
a combination that has one keeps it, new ones get the next.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import polars as pl

from analytics.identity.assignment import event_counts
from analytics.identity.columns import CODE, COMBINATION, HASH
from analytics.identity.resolution import Identities
from analytics.store.columns import LINKED
from analytics.touches.assembly import EVENT_HASH
from expectations import contract
from expectations.lake import files
from expectations.lake.layout import Lake

MEMORY: Final = "memory"
_FORMAT: Final = 2
_TABLES: Final = ("nodes", "seen", "on_shared", "dropped", "activity", "tombstones")
_Table = Literal["nodes", "seen", "on_shared", "dropped", "activity", "tombstones"]
DROPPED: Final = pl.Schema({COMBINATION: pl.UInt32(), contract.OCCURRED_AT: contract.TIME, EVENT_HASH: pl.UInt64()})


@dataclass(frozen=True)
class RefreshState:
    """What is remembered of the events of a store.

    `nodes`: a row an identity, with its customer, known and shared, as `components` gives them. `seen`: a row a
    combination, with `_hash`, its nodes, `_customer`, `linked`, `shared` and `events`, how many carry it. `on_shared`:
    shared, occurred_at, `_combination`, events, of the events on shared values. `dropped`: the events that rules drop.
    `activity` as in the watermark. `tombstones`: the links that were removed. `kinds`: what the map of identities has.
    `counts`: the numbers of the summary.
    """

    nodes: pl.DataFrame
    seen: pl.DataFrame
    on_shared: pl.DataFrame
    dropped: pl.DataFrame
    activity: pl.DataFrame
    tombstones: pl.DataFrame
    kinds: tuple[str, ...]
    seed: int
    counts: Mapping[str, Any]

    def save(self, lake: Lake, generation: str) -> None:
        """Write the memory of a generation that is not visible yet."""
        home = _home(lake, generation)
        files.make(home)
        for name in _TABLES:
            table: pl.DataFrame = getattr(self, name)
            table.write_parquet(f"{home}/{name}.parquet", compression="lz4", statistics=False)
        facts = {
            "format": _FORMAT,
            "probe": hash_probe(),
            "kinds": self.kinds,
            "seed": self.seed,
            "counts": self.counts,
        }
        files.write(f"{home}/facts.json", json.dumps(facts, default=str).encode())


def known_kinds(lake: Lake, generation: str) -> tuple[str, ...]:
    """The kinds in the map of identities of what a generation was made of; none where nothing is remembered of it."""
    content = files.read(f"{_home(lake, generation)}/facts.json")
    return tuple(json.loads(content)["kinds"]) if content else ()


def load_state(lake: Lake, generation: str) -> RefreshState | None:
    """The memory of a generation; None when there is none, or none that can be used here."""
    home = _home(lake, generation)
    content = files.read(f"{home}/facts.json")
    if content is None:
        return None
    facts = json.loads(content)
    if facts["format"] != _FORMAT or facts["probe"] != hash_probe():
        return None
    tables = {name: pl.read_parquet(f"{home}/{name}.parquet", memory_map=False) for name in _TABLES}
    return RefreshState(**tables, kinds=tuple(facts["kinds"]), seed=facts["seed"], counts=facts["counts"])


def remove_other_states(lake: Lake, *generations: str) -> int:
    """Remove the memories of all other generations; returns how many files went."""
    home = lake.table(MEMORY)
    return sum(files.remove(f"{home}/{name}") for name in files.names(home) if name not in generations)


def hash_probe() -> list[int]:
    """Hashes of known values: where they differ, hashes that were stored mean nothing."""
    texts = pl.DataFrame({"a": ["journeys", None, "x"], "b": [None, "é", "x" * 40]})
    return [*texts["b"].hash().to_list(), *texts.select(pl.struct(pl.all().hash(1)).hash(1)).to_series().to_list()]


def refresh_state_of(found: Identities, **rest: Any) -> RefreshState:
    """What identity resolution leaves to remember; `events` counts the events of each combination."""
    nodes = [name for name in found.seen.columns if name.endswith("_node")]
    seen = found.seen.select(HASH, *nodes, CODE, LINKED, "shared", rest.pop("events"))
    return RefreshState(
        nodes=found.nodes.select("rank", "kind", "value", "login", "customer", "known", "shared"),
        seen=seen,
        on_shared=event_counts(found.on_shared),
        seed=found.seed,
        **rest,
    )


def _home(lake: Lake, generation: str) -> str:
    return f"{lake.table(MEMORY)}/{generation}"
