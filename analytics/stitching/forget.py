"""Removes a customer: every event, profile, link and touch, from all tables, files and logs.

The customer is named by one identity and resolved as stitching resolves it. Rows are deleted, the files that held them
and the log entries that mention them are removed, and the paths are built again. Events go last, so that a run that
was interrupted can be repeated. Kafka's own copy is outside the lake.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Final

import polars as pl

from analytics.identity.columns import CODE
from analytics.identity.links import PAIR, known_identity, parse_identity, tombstones
from analytics.identity.resolution import Identities, identify, with_customers
from analytics.stitching.build import build
from analytics.stitching.forget_quarantine import messages_naming
from analytics.stitching.refresh_state import MEMORY, load_state
from analytics.store.columns import CUSTOMER, TOUCHES
from analytics.store.manifest import generation_of, holds_paths, remove_generations
from analytics.store.paths import Paths
from analytics.touches.rules import PathRules
from expectations import contract
from expectations.errors import DefinitionError, nearest
from expectations.lake import files
from expectations.lake.erase import Erased, erase, is_settled
from expectations.lake.layout import EVENTS, LINKS, PATHS, PROFILES, QUARANTINE, Lake
from expectations.lake.tables import landed, scan

_SCHEMAS: Final = {PROFILES: contract.PROFILES, LINKS: contract.LINKS}
_TABLES: Final = (PROFILES, LINKS, QUARANTINE, EVENTS)
_IDENTITY_COLUMNS: Final = {PROFILES: (("identity_kind", "identity"),), LINKS: (PAIR[:2], PAIR[2:])}


def forget(lake: Lake, identity: str, rules: PathRules | None = None) -> pl.DataFrame:
    """Removes a customer, named by one identity (`kind:value`), from the lake and builds the paths again.

    One row per table: table String; then Int64: before, after (rows; for `memory`, the refresh state, identities),
    named (rows that still hold one of the customer's identities afterwards: events of others), rewritten, removed
    (files), log (entries removed from the table's log). Identities match whatever their blanks and case. Quarantined
    messages are removed when they or their headers name the customer. An identity that no event carries is removed from
    all other tables. If the identity lands again, it is a new customer. Raises `DefinitionError` when nothing names the
    identity.
    """
    rules = rules or PathRules()
    customer = _customer_with(lake, identity, rules)
    if customer.is_denied or (customer.events.is_empty() and not _has_traces(lake, customer)):
        raise _unknown_identity(identity, customer)
    before, old_files = _identities_in_state(lake), _state_files(lake)
    touches = len(Paths.open(lake)) if holds_paths(lake) else 0
    erased = [erase(lake, table, customer.predicate(lake, table)) for table in _TABLES]
    build(lake, rules)
    erased.append(Erased(PATHS, touches, len(Paths.open(lake)), *_drop_old_generations(lake), 0))
    new_files = _state_files(lake)
    erased.append(
        Erased(MEMORY, before, _identities_in_state(lake), len(new_files - old_files), len(old_files - new_files), 0)
    )
    named = customer.named(lake) | {PATHS: customer.touches(lake), MEMORY: _identities_in_state(lake, customer.values)}
    proof = pl.DataFrame([asdict(each) | {"named": named[each.table]} for each in erased])
    return proof.select("table", "before", "after", "named", "rewritten", "removed", "log")


@dataclass(frozen=True)
class _Customer:
    """A customer to remove: identities (kind, value), key, positions of events, and raw addresses.

    `raw` holds addresses as they were sent, where only their hashes are identities.
    """

    rules: PathRules
    identities: Identities
    values: pl.DataFrame
    key: str | None
    events: pl.DataFrame
    raw: frozenset[str]

    @property
    def is_denied(self) -> bool:
        """Whether the named identity is on the deny list and so belongs to no customer."""
        kind, value = self.values.row(0)
        return bool(pl.select(self.rules.identities.denied(pl.lit(value), kind)).item())

    def predicate(self, lake: Lake, table: str) -> str | None:
        """SQL for the customer's rows of a table; None when it has none."""
        if table == EVENTS:
            return _positions_sql(self.events)
        if table == QUARANTINE:
            return _positions_sql(messages_naming(lake, self._ignores_case()))
        each = [
            f"({kind} = {_sql_string(raw_kind)} AND {value} = {_sql_string(raw_value)})"
            for kind, value in _IDENTITY_COLUMNS[table]
            for raw_kind, raw_value in self._among(lake, table, kind, value).iter_rows()
        ]
        return " OR ".join(each) or None

    def named(self, lake: Lake) -> dict[str, int]:
        """How many rows of each table hold one of the identities."""
        rows = {table: scan(lake, table, _SCHEMAS[table]) for table in _IDENTITY_COLUMNS}
        carries = pl.any_horizontal(
            source.value.is_in(self.values.filter(pl.col("kind") == source.kind)["value"].implode())
            for source in self.identities.sources
        )
        return {
            **{
                table: _count(
                    rows[table].filter(pl.any_horizontal(self._is_named_in(*end) for end in _IDENTITY_COLUMNS[table]))
                )
                for table in _IDENTITY_COLUMNS
            },
            QUARANTINE: len(messages_naming(lake, self._ignores_case())),
            EVENTS: _count(landed(lake).filter(carries)),
        }

    def touches(self, lake: Lake) -> int:
        """How many touches the customer has in the paths."""
        counts = [part.people([CUSTOMER, TOUCHES]) for part in Paths.open(lake).parts]
        return sum(int(each.filter(pl.col(CUSTOMER).is_in([self.key]))[TOUCHES].sum()) for each in counts)

    def _ignores_case(self) -> dict[str, bool]:
        lower = self.values.filter(pl.col("kind").is_in(self.rules.identities.lower))["value"]
        return dict.fromkeys(self.values["value"], False) | dict.fromkeys([*lower, *self.raw], True)

    def _is_named_in(self, kind: str, value: str) -> pl.Expr:
        rules = self.rules.identities
        normal, known = rules.normal(pl.col(value), pl.col(kind)), pl.col(kind).replace(rules.hashed)
        each = self.values.group_by("kind", maintain_order=True).agg("value")
        matches = [(known == name) & normal.is_in(values) for name, values in each.iter_rows()]
        return pl.any_horizontal(matches).fill_null(False)

    def _among(self, lake: Lake, table: str, kind: str, value: str) -> pl.DataFrame:
        """Kind and value, as written, of the rows that name one of the identities."""
        rows = scan(lake, table, _SCHEMAS[table]).filter(self._is_named_in(kind, value))
        return rows.select(kind, value).unique(maintain_order=True).collect()


def _customer_with(lake: Lake, identity: str, rules: PathRules) -> _Customer:
    """The customer with an identity; an identity that no event carries is a customer by itself."""
    kind, value = parse_identity(known_identity(identity, rules))
    events = landed(lake)
    raw = {text for each, text in [parse_identity(identity)] if each in rules.identities.hashed}
    identities = identify(events, rules, tombstones(lake))
    node = identities.nodes.filter(pl.col("kind") == kind, pl.col("value") == value)
    if node.is_empty():
        own_identity = pl.DataFrame({"kind": [kind], "value": [value]})
        no_events = pl.DataFrame(schema={name: contract.EVENTS[name] for name in contract.PLACE})
        return _Customer(rules, identities, own_identity, None, no_events, frozenset(raw))
    code = node["customer"].item()
    members = identities.nodes.filter(pl.col("customer") == code).select("kind", "value")
    own = (contract.CUSTOMER_ID, contract.ANONYMOUS_ID)
    raw_columns = [
        (pl.col(each) if each in own else pl.col(contract.IDENTITIES).map.get(each)).alias(each)
        for each in rules.identities.hashed
    ]
    rows = (
        with_customers(events, identities).filter(pl.col(CODE) == code).select(*contract.PLACE, *raw_columns).collect()
    )
    raw |= {text.strip() for each in rules.identities.hashed for text in rows[each].drop_nulls()}
    return _Customer(rules, identities, members, identities.keys[code], rows.select(contract.PLACE), frozenset(raw))


def _has_traces(lake: Lake, customer: _Customer) -> bool:
    """Whether anything names a customer without events, or an earlier run was interrupted: then there is work left."""
    named = any(customer.named(lake).values()) or _identities_in_state(lake, customer.values)
    return bool(named) or not all(is_settled(lake, table) for table in _TABLES)


def _unknown_identity(identity: str, customer: _Customer) -> DefinitionError:
    kind, _ = parse_identity(identity)
    kinds = customer.identities.nodes["kind"].unique().sort().to_list()
    advice = "check the identity; denied values belong to no customer"
    if kind not in customer.rules.identities.known_kinds:
        advice = f"add {kind!r} to kinds under [paths.identities]: no setting names it"
    return DefinitionError(
        f"No event carries this {kind}, nor does anything else in the lake.",
        expected=f"a kind among {', '.join(kinds) or '(no event has landed)'}, and a value that is not denied",
        do=(kind not in kinds and nearest(kind, kinds)) or advice,
    )


def _positions_sql(rows: pl.DataFrame) -> str | None:
    """SQL for the rows at these positions; without a part, for all rows of the message."""
    message = (contract.TOPIC, contract.PARTITION, contract.PART)
    groups = rows.group_by(message, maintain_order=True).agg(contract.OFFSET)
    each = [
        f"({contract.TOPIC} = {_sql_string(topic)} AND {contract.PARTITION} = {partition} AND "
        f'"{contract.OFFSET}" IN ({", ".join(map(str, offsets))})'
        + (")" if part is None else f" AND {contract.PART} = {part})")
        for topic, partition, part, offsets in groups.iter_rows()
    ]
    return " OR ".join(each) or None


def _sql_string(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _count(rows: pl.LazyFrame) -> int:
    return int(rows.select(pl.len()).collect(engine="streaming").item())


def _identities_in_state(lake: Lake, subset: pl.DataFrame | None = None) -> int:
    """How many identities the refresh state holds: all, or those given."""
    state = load_state(lake, generation_of(lake)) if holds_paths(lake) else None
    if state is None:
        return 0
    return len(state.nodes if subset is None else state.nodes.join(subset, on=["kind", "value"], how="semi"))


def _state_files(lake: Lake) -> set[str]:
    return set(files.listing(lake.table(MEMORY)))


def _drop_old_generations(lake: Lake) -> tuple[int, int]:
    """Removes earlier generations of the store; returns the number of files rewritten and removed."""
    current = generation_of(lake)
    return len(files.listing(f"{lake.paths}/{current}")), remove_generations(lake, current)
