"""How does a customer disappear? Every event, profile, link and touch goes, from all tables and files.

The customer is asked for by one identity and found as stitching finds it. Rows are deleted, the files that held them
are removed, and the paths are built anew. The log of a Delta table keeps the smallest and the largest value of a column
for each removed file until its retention is over. Kafka's own copy is outside the lake.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import polars as pl

from analytics.events import Erased, erase, landed, scan
from analytics.identity import identify, with_customers
from analytics.links import identity_of, node_of, tombstones
from analytics.rules import PathRules
from analytics.shared import CODE
from analytics.stitching import build
from analytics.store import MANIFEST, Paths
from expectations import contract
from expectations.layout import EVENTS, LINKS, PROFILES, QUARANTINE, Lake


def forget(lake: Lake, identity: str, rules: PathRules | None = None) -> pl.DataFrame:
    """Remove a customer, named by one of its identities (`kind:value`), from the lake and build the paths anew.

    One row a table: table String, before, after (rows, Int64), rewritten, removed (files, Int64). Messages in the
    quarantine go when they hold one of the customer's identities as a JSON text. Landing the same identity again
    starts afresh. Raises `DefinitionError` when no event carries the identity.
    """
    rules = rules or PathRules()
    events = landed(lake)
    found = identify(events, rules, tombstones(lake))
    mine = found.nodes["customer"][node_of(found, identity_of(identity), rules)]
    who = found.nodes.filter(pl.col("customer") == mine)
    rows = with_customers(events, found).filter(pl.col(CODE) == mine).select(contract.PLACE)
    touches = len(Paths.open(lake)) if (Path(lake.paths) / MANIFEST).exists() else 0
    done = [
        erase(lake, EVENTS, _at(rows.collect())),
        erase(lake, PROFILES, _of(who, "identity_kind", "identity")),
        erase(lake, LINKS, _either(who)),
        erase(lake, QUARANTINE, _at(_quarantined(lake, who))),
    ]
    build(lake, rules)
    done.append(Erased("paths", touches, len(Paths.open(lake)), *_drop_old_generations(lake)))
    return pl.DataFrame(done)


def _at(rows: pl.DataFrame) -> str | None:
    """SQL for the rows at these places; without a part, for all rows of the message."""
    place = (contract.TOPIC, contract.PARTITION, contract.PART)
    groups = rows.group_by(place, maintain_order=True).agg(contract.OFFSET)
    each = [
        f"({contract.TOPIC} = {_quoted(topic)} AND {contract.PARTITION} = {partition} AND "
        f'"{contract.OFFSET}" IN ({", ".join(map(str, offsets))})'
        + (")" if part is None else f" AND {contract.PART} = {part})")
        for topic, partition, part, offsets in groups.iter_rows()
    ]
    return " OR ".join(each) or None


def _of(who: pl.DataFrame, kind: str, value: str) -> str | None:
    """SQL for the rows that name one of these identities."""
    pairs = who.select("kind", "value").iter_rows()
    return " OR ".join(f"({kind} = {_quoted(k)} AND {value} = {_quoted(v)})" for k, v in pairs) or None


def _either(who: pl.DataFrame) -> str | None:
    """SQL for the links that have one of these identities at either end."""
    ends = (_of(who, "kind", "value"), _of(who, "other_kind", "other_value"))
    return " OR ".join(end for end in ends if end) or None


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _quarantined(lake: Lake, who: pl.DataFrame) -> pl.DataFrame:
    """Positions of the refused messages that hold one of these identities."""
    needles = [json.dumps(value, ensure_ascii=False).encode() for value in who["value"]]
    refused = scan(lake, QUARANTINE, contract.QUARANTINE)
    holds = pl.any_horizontal(pl.col("raw").bin.contains(needle) for needle in needles)
    whole = pl.lit(None, pl.Int32).alias(contract.PART)
    return refused.filter(holds.fill_null(False)).select(*contract.POSITION, whole).collect()


def _drop_old_generations(lake: Lake) -> tuple[int, int]:
    """Remove what earlier stores left in the folder; returns files rewritten and files removed."""
    folder = Path(lake.paths)
    current = json.loads((folder / MANIFEST).read_text())["generation"]
    removed = 0
    for old in folder.glob("generation-*"):
        if old.name != current:
            removed += sum(1 for file in old.iterdir() if file.is_file())
            shutil.rmtree(old)
    return sum(1 for _ in (folder / current).iterdir()), removed
