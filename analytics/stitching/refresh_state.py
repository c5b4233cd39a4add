"""Stores what a refresh must know of old events, so that it can stitch new events without reading the old ones again.

A refresh state belongs to one generation of the path store. It lies in the lake's folder `memory`, under the name of
the generation: it holds identities as they were sent, which the paths with their pseudonyms must not. Numbers are
permanent: a node or a combination keeps its number, new ones are appended.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import polars as pl

from analytics.identity.assignment import event_counts
from analytics.identity.columns import CODE, COMBINATION, HASH
from analytics.identity.resolution import Identities
from analytics.store.columns import LINKED
from analytics.store.manifest import current_generation
from analytics.touches.assembly import EVENT_HASH
from expectations import contract
from expectations.lake import files
from expectations.lake.layout import Lake

MEMORY: Final = "memory"
_FORMAT: Final = 4
_TABLES: Final = ("nodes", "seen", "on_shared", "dropped", "activity", "tombstones", "other_kinds")
DROPPED: Final = pl.Schema({COMBINATION: pl.UInt32(), contract.OCCURRED_AT: contract.TIME, EVENT_HASH: pl.UInt64()})


@dataclass(frozen=True)
class RefreshState:
    """What is known of the events of a store.

    - `nodes`: one row per identity, with component, customer, known, shared and tied, as `components` returns them.
    - `seen`: one row per combination: `_hash`, its nodes, `_customer`, `linked`, `shared`, and `events`, its count.
    - `on_shared`: the events on shared values: shared, occurred_at, `_combination`, events.
    - `dropped`: the events that rules drop. `activity`: see the watermark. `tombstones`: the links that were removed.
    - `other_kinds`: the events by kind of identity that no setting names.
    - `kinds`: the keys of the map of identities. `seed`: of the hashes. `counts`: the counts of the summary.
    """

    nodes: pl.DataFrame
    seen: pl.DataFrame
    on_shared: pl.DataFrame
    dropped: pl.DataFrame
    activity: pl.DataFrame
    tombstones: pl.DataFrame
    other_kinds: pl.DataFrame
    kinds: tuple[str, ...]
    seed: int
    counts: Mapping[str, Any]

    def save(self, lake: Lake, generation: str) -> None:
        """Writes the state of a generation that is not visible yet."""
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
    """The kinds in the map of identities of a generation's events; empty when there is no state."""
    content = files.read(f"{_home(lake, generation)}/facts.json")
    return tuple(json.loads(content)["kinds"]) if content else ()


def stored_counts(lake: Lake, generation: str) -> dict[str, Any]:
    """The counts of the summary of a generation; empty when there are none."""
    content = files.read(f"{_home(lake, generation)}/facts.json")
    facts: dict[str, Any] = json.loads(content) if content else {}
    return facts["counts"] if facts.get("format") == _FORMAT else {}


def load_state(lake: Lake, generation: str) -> RefreshState | None:
    """The refresh state of a generation; None when there is none, or when this machine hashes differently."""
    home = _home(lake, generation)
    content = files.read(f"{home}/facts.json")
    if content is None:
        return None
    facts = json.loads(content)
    if facts["format"] != _FORMAT or facts["probe"] != hash_probe():
        return None
    tables = {name: files.read_rows(f"{home}/{name}.parquet") for name in _TABLES}
    return RefreshState(**tables, kinds=tuple(facts["kinds"]), seed=facts["seed"], counts=facts["counts"])


def stored_nodes(lake: Lake) -> pl.DataFrame:
    """The resolved identities of the current paths: kind, value, customer; empty when none are stored."""
    generation = current_generation(lake)
    if not generation or files.read(f"{_home(lake, generation)}/facts.json") is None:
        return pl.DataFrame(schema={"kind": pl.String, "value": pl.String, "customer": pl.UInt32})
    return files.read_rows(f"{_home(lake, generation)}/nodes.parquet", ["kind", "value", "customer"])


def remove_other_states(lake: Lake, *generations: str) -> int:
    """Removes the states of all other generations; returns the number of files removed."""
    home = lake.table(MEMORY)
    return sum(files.remove(f"{home}/{name}") for name in files.names(home) if name not in generations)


def hash_probe() -> list[int]:
    """Hashes of known values: where they differ from stored ones, stored hashes are useless."""
    texts = pl.DataFrame({"a": ["journeys", None, "x"], "b": [None, "é", "x" * 40]})
    return [*texts["b"].hash().to_list(), *texts.select(pl.struct(pl.all().hash(1)).hash(1)).to_series().to_list()]


def refresh_state_of(identities: Identities, **rest: Any) -> RefreshState:
    """The refresh state after a build; `events` holds the count of events of each combination."""
    nodes = [name for name in identities.seen.columns if name.endswith("_node")]
    seen = identities.seen.select(HASH, *nodes, CODE, LINKED, "shared", rest.pop("events"))
    return RefreshState(
        nodes=identities.nodes.drop("node"),
        seen=seen,
        on_shared=event_counts(identities.on_shared),
        other_kinds=identities.other_kinds,
        seed=identities.seed,
        **rest,
    )


def _home(lake: Lake, generation: str) -> str:
    return f"{lake.table(MEMORY)}/{generation}"
