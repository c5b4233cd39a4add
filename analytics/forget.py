"""How does a customer disappear? Every event, profile, link and touch goes, from all tables and files.

The customer is asked for by one identity and found as stitching finds it. Rows are deleted, the files that held them
are removed, and the paths are built anew. The log of a Delta table keeps the condition of the deletion, and the
smallest and the largest value of a column for each removed file, until its retention is over. Kafka's own copy is
outside the lake.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final

import polars as pl

from analytics import folders
from analytics.events import Erased, erase, landed, scan
from analytics.identity import identify, with_customers
from analytics.links import PAIR, identity_of, node_of, tombstones
from analytics.memory import MEMORY, recall
from analytics.rules import PathRules
from analytics.shared import CODE
from analytics.stitching import build
from analytics.store import Paths, generation_of, holds_paths, remove_generations
from expectations import contract
from expectations.layout import EVENTS, LINKS, PROFILES, QUARANTINE, Lake

IDENTITIES: Final = (contract.CUSTOMER_ID, contract.ANONYMOUS_ID, contract.IDENTITIES)
SCHEMAS: Final = {PROFILES: contract.PROFILES, LINKS: contract.LINKS}


def forget(lake: Lake, identity: str, rules: PathRules | None = None) -> pl.DataFrame:
    """Remove a customer, named by one of its identities (`kind:value`), from the lake and build the paths anew.

    One row a table: table String, before, after (rows; of `memory`, what a refresh remembers, identities; Int64),
    rewritten, removed (files, Int64). Identities are found however their blanks and case are written. Messages in the
    quarantine go when they hold one of the customer's identities as a JSON text, in the message or in a header, or when
    a header is one. Landing the same identity again starts afresh. Raises `DefinitionError` when no event carries the
    identity.
    """
    rules = rules or PathRules()
    events = landed(lake)
    found = identify(events, rules, tombstones(lake))
    mine = found.nodes["customer"][node_of(found, identity_of(identity), rules)]
    who = found.nodes.filter(pl.col("customer") == mine)
    rows = with_customers(events, found).filter(pl.col(CODE) == mine).select(*contract.PLACE, *IDENTITIES).collect()
    before, files = _remembered(lake), _memory_files(lake)
    touches = len(Paths.open(lake)) if holds_paths(lake) else 0
    done = [
        erase(lake, EVENTS, _at(rows)),
        erase(lake, PROFILES, _of(lake, PROFILES, _names(("identity_kind", "identity"), who, rules))),
        erase(lake, LINKS, _of(lake, LINKS, *(_names(end, who, rules) for end in (PAIR[:2], PAIR[2:])))),
        erase(lake, QUARANTINE, _at(_quarantined(lake, {*who["value"], *_as_written(rows)}))),
    ]
    build(lake, rules)
    done.append(Erased("paths", touches, len(Paths.open(lake)), *_drop_old_generations(lake)))
    now = _memory_files(lake)
    done.append(Erased(MEMORY, before, _remembered(lake), len(now - files), len(files - now)))
    return pl.DataFrame(done)


@dataclass(frozen=True)
class _Names:
    """Two columns of a table that name an identity, and the identities looked for."""

    kind: str
    value: str
    who: pl.DataFrame
    rules: PathRules

    def among(self, rows: pl.LazyFrame) -> pl.DataFrame:
        """Kind and value, as they are written, of the rows that name one of the identities."""
        normal = self.rules.identities.normal(pl.col(self.value), pl.col(self.kind))
        said = rows.select(pl.col(self.kind).alias("kind"), normal.alias("value"), pl.col(self.value).alias("written"))
        mine = said.join(self.who.lazy(), on=["kind", "value"], how="semi")
        return mine.select("kind", "written").unique(maintain_order=True).collect()


def _names(columns: tuple[str, str], who: pl.DataFrame, rules: PathRules) -> _Names:
    return _Names(*columns, who.select("kind", "value"), rules)


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


def _of(lake: Lake, table: str, *ends: _Names) -> str | None:
    """SQL for the rows of a table that name one of these identities, as they are written there, at any of its ends."""
    each = [
        f"({end.kind} = {_quoted(kind)} AND {end.value} = {_quoted(value)})"
        for end in ends
        for kind, value in end.among(scan(lake, table, SCHEMAS[table])).iter_rows()
    ]
    return " OR ".join(each) or None


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _as_written(rows: pl.DataFrame) -> set[str]:
    """The identities of events as they came: a quarantined message does not have them without blanks and case."""
    values = [rows[contract.CUSTOMER_ID], rows[contract.ANONYMOUS_ID]]
    values.append(rows.select(pl.col(contract.IDENTITIES).map.values().explode()).to_series())
    return {str(value) for column in values for value in column.drop_nulls()}


def _quarantined(lake: Lake, values: set[str]) -> pl.DataFrame:
    """Positions of the refused messages that hold one of these identities."""
    written = {json.dumps(value, ensure_ascii=plain).encode() for value in values for plain in (True, False)}
    refused = scan(lake, QUARANTINE, contract.QUARANTINE)
    value = pl.element().struct.field("value")
    plain_values = [item.encode() for item in sorted(values)]
    said = value.is_in(plain_values) | _holds(value, written)
    holds = _holds(pl.col("raw"), written) | pl.col("headers").list.eval(said).list.any().fill_null(False)
    whole = pl.lit(None, pl.Int32).alias(contract.PART)
    return refused.filter(holds).select(*contract.POSITION, whole).collect()


def _holds(column: pl.Expr, written: set[bytes]) -> pl.Expr:
    return pl.any_horizontal(column.bin.contains(needle) for needle in sorted(written)).fill_null(False)


def _remembered(lake: Lake) -> int:
    """How many identities are remembered for the next refresh."""
    if not holds_paths(lake):
        return 0
    memory = recall(lake, generation_of(lake))
    return len(memory.nodes) if memory else 0


def _memory_files(lake: Lake) -> set[str]:
    return set(folders.files(lake.table(MEMORY)))


def _drop_old_generations(lake: Lake) -> tuple[int, int]:
    """Remove what earlier stores left in the folder; returns files rewritten and files removed."""
    current = generation_of(lake)
    return len(folders.files(f"{lake.paths}/{current}")), remove_generations(lake, current)
