"""Finds customers by any of their identities, with everything of theirs in the lake: identities, events, messages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

import polars as pl

from analytics.identity.columns import CODE
from analytics.identity.links import PAIR, known_identity, parse_identity
from analytics.identity.resolution import salted
from analytics.identity.sources import kinds_in, sources_of
from analytics.stitching.privacy.quarantine import messages_naming
from analytics.stitching.privacy.resolved import Resolved, resolve
from analytics.stitching.refresh_state import RefreshState
from analytics.store.columns import CUSTOMER
from analytics.touches.rules import PathRules
from analytics.touches.watermark import activity
from expectations import contract
from expectations.errors import DefinitionError, nearest
from expectations.lake.layout import EVENTS, LINKS, PROFILES, QUARANTINE, Lake
from expectations.lake.matching import conditions
from expectations.lake.tables import landed, landed_beside, scan

TABLES: Final = (PROFILES, LINKS, QUARANTINE, EVENTS)
IDENTITIES: Final = pl.Schema({CUSTOMER: pl.String(), "kind": pl.String(), "value": pl.String()})
PLACES: Final = pl.Schema(
    {CUSTOMER: pl.String()}
    | {name: contract.EVENTS[name] for name in (*contract.PLACE, contract.EVENT_DATE, contract.OCCURRED_AT)}
)
_SCHEMAS: Final = {PROFILES: contract.PROFILES, LINKS: contract.LINKS}
_IDENTITY_COLUMNS: Final = {PROFILES: (("identity_kind", "identity"),), LINKS: (PAIR[:2], PAIR[2:])}
_OWN: Final = (contract.CUSTOMER_ID, contract.ANONYMOUS_ID)
_KINDS: Final = "_kinds"


@dataclass(frozen=True)
class Remembered:
    """Where a selection was made from what the last stitching remembers: that, and what it takes to forget it.

    `base` is the generation, and `files` names the files that its events were in. `codes` are the customers' nodes.
    `minutes` has topic, partition, minute (since 1970) and time of the customers' events, as the watermark reads them,
    and `kinds` how many events carry each kind of identity of the map.
    """

    base: str
    files: frozenset[str]
    state: RefreshState
    codes: pl.Series
    minutes: pl.DataFrame
    kinds: pl.DataFrame


@dataclass(frozen=True)
class SelectedCustomers:
    """Some customers and what the lake holds of them.

    - `asked`: the identities that name them, as written. `unknown`: those that no event carries.
    - `identities`: customer (key), kind, value; an identity that no event carries is a customer by itself.
    - `events`: customer, where each event lies (`contract.PLACE`, event_date), and when it occurred.
    - `raw`: addresses as they were sent, where only their hashes are identities.
    - `remembered`: what the paths know of the customers; None where they were found by reading all events.
    """

    rules: PathRules
    asked: tuple[str, ...]
    unknown: tuple[str, ...]
    identities: pl.DataFrame
    events: pl.DataFrame
    raw: frozenset[str]
    remembered: Remembered | None = field(default=None, compare=False, repr=False)

    @property
    def summary(self) -> pl.DataFrame:
        """One row per customer, the most events first: customer, identities, logins, events, first_at, last_at.

        `logins` counts the values of unique kinds; without a unique kind, those of `customer_id`.
        """
        unique = self.rules.identities.unique_kinds or [contract.CUSTOMER_ID]
        each = self.identities.group_by(CUSTOMER).agg(
            pl.len().cast(pl.Int64).alias("identities"),
            pl.col("kind").is_in(unique).sum().cast(pl.Int64).alias("logins"),
        )
        at = pl.col(contract.OCCURRED_AT)
        events = self.events.group_by(CUSTOMER).agg(
            pl.len().cast(pl.Int64).alias("events"), at.min().alias("first_at"), at.max().alias("last_at")
        )
        both = each.join(events, on=CUSTOMER, how="left").with_columns(pl.col("events").fill_null(0))
        return both.sort("events", CUSTOMER, descending=[True, False])

    @property
    def keys(self) -> list[str]:
        """The keys of the customers in the paths."""
        return self.identities[CUSTOMER].unique().sort().to_list()

    @property
    def all_keys(self) -> list[str]:
        """The keys that the customers have in the paths, and had by any of their identities before these were one."""
        named = self.identities.select(pl.concat_str("kind", pl.lit(":"), "value")).to_series()
        return sorted({*self.keys, *salted(named, self.rules.identities.salt)})

    def rows(self, lake: Lake, table: str) -> pl.LazyFrame:
        """The rows of profiles or links that name one of the customers."""
        frame = scan(lake, table, _SCHEMAS[table])
        return frame.filter(pl.any_horizontal(self._is_named_in(*end) for end in _IDENTITY_COLUMNS[table]))

    def messages(self, lake: Lake) -> pl.DataFrame:
        """The positions of quarantined messages that name one of the customers."""
        lower = self.identities.filter(pl.col("kind").is_in(self.rules.identities.lower))["value"]
        values = dict.fromkeys(self.identities["value"], False) | dict.fromkeys([*lower, *self.raw], True)
        return messages_naming(lake, values)

    def conditions(self, lake: Lake, table: str) -> Iterator[str]:
        """SQL conditions for the customers' rows of a table."""
        if table == EVENTS:
            places = self.events.select(contract.EVENT_DATE, *contract.PLACE)
            known = [column for column in places if column.null_count() < len(column)]  # old tables have no part
            yield from conditions(pl.DataFrame(known), contract.OFFSET) if known else ()
        elif table == QUARANTINE:
            yield from conditions(self.messages(lake), contract.OFFSET)
        else:
            for kind, value in _IDENTITY_COLUMNS[table]:
                yield from conditions(self._as_written(lake, table, kind, value), value)

    def counts(self, lake: Lake, known: frozenset[str] = frozenset()) -> dict[str, int]:
        """How many rows of each table name one of the identities; rows of events may belong to other customers.

        Files of events that are `known` to name none are not read.
        """
        rules = self.rules.identities
        carries = pl.any_horizontal(
            source.value.is_in(self.identities.filter(kind=source.kind)["value"].implode())
            for source in sources_of(self._keys_of_map(), rules)
        )
        return {
            **{table: _count(self.rows(lake, table)) for table in _IDENTITY_COLUMNS},
            QUARANTINE: len(self.messages(lake)),
            EVENTS: _count(landed_beside(lake, known).filter(carries)),
        }

    def _keys_of_map(self) -> list[str]:
        """The keys of the map of identities that may hold one of the identities."""
        hashed = self.rules.identities.hashed
        named = set(self.identities["kind"])
        return sorted(kind for kind in self.rules.identities.known_kinds if hashed.get(kind, kind) in named)

    def _is_named_in(self, kind: str, value: str) -> pl.Expr:
        rules = self.rules.identities
        normal, known = rules.normal(pl.col(value), pl.col(kind)), pl.col(kind).replace(rules.hashed)
        each = self.identities.group_by("kind", maintain_order=True).agg("value")
        matches = [(known == name) & normal.is_in(values) for name, values in each.select("kind", "value").iter_rows()]
        return pl.any_horizontal(matches).fill_null(False)

    def _as_written(self, lake: Lake, table: str, kind: str, value: str) -> pl.DataFrame:
        """Kind and value, as written, of the rows that name one of the identities."""
        rows = scan(lake, table, _SCHEMAS[table]).filter(self._is_named_in(kind, value))
        return rows.select(kind, value).unique(maintain_order=True).collect()


def select_customers(lake: Lake, asked: Sequence[str], rules: PathRules) -> SelectedCustomers:
    """The customers with these identities (`kind:value`), resolved as stitching resolves them.

    Reads the identities of all events once, whatever the number of customers. Raises `DefinitionError` for a text
    that is no identity, and for a value on the deny list, which belongs to no customer.
    """
    wanted = [(text, *parse_identity(known_identity(text, rules))) for text in dict.fromkeys(asked)]
    named = pl.DataFrame(wanted, schema=["asked", "kind", "value"], orient="row")
    for kind in named["kind"].unique():
        if not named.filter(pl.col("kind") == kind, rules.identities.denied(pl.col("value"), kind)).is_empty():
            raise DefinitionError(f"This value of {kind} is on the deny list: denied values belong to no customer.")
    resolved = resolve(lake, rules)
    near = resolved.nodes.filter(pl.col("value").is_in(named["value"].implode()))
    found = named.join(near, on=["kind", "value"], how="left", maintain_order="left")
    codes = found["customer"].drop_nulls().unique()
    known = resolved.nodes.filter(pl.col("customer").is_in(codes.implode()))
    known = known.select(resolved.keys(known["customer"]), "kind", "value")
    unknown = found.filter(pl.col("customer").is_null())
    alone = unknown.select(pl.concat_str("kind", pl.lit(":"), "value").alias(CUSTOMER), "kind", "value").unique()
    rows, raw, remembered = _events_of(resolved, codes, rules)
    raw |= {value for kind, value in map(parse_identity, asked) if kind in rules.identities.hashed}
    return SelectedCustomers(
        rules,
        tuple(found["asked"]),
        tuple(unknown["asked"]),
        pl.concat([known, alone]),
        rows,
        frozenset(raw),
        remembered,
    )


def _events_of(
    resolved: Resolved, codes: pl.Series, rules: PathRules
) -> tuple[pl.DataFrame, set[str], Remembered | None]:
    """Where the events of some customers lie, the addresses in them, and what it takes to forget them."""
    if codes.is_empty() and resolved.state is None:
        return pl.DataFrame(schema=PLACES), set(), None
    columns = [
        (pl.col(kind) if kind in _OWN else pl.col(contract.IDENTITIES).map.get(kind)).alias(f"_raw_{kind}")
        for kind in rules.identities.hashed
    ]
    places = [name for name in PLACES if name != CUSTOMER]
    kinds = pl.col(contract.IDENTITIES).map.keys().alias(_KINDS)
    own = resolved.events_of(codes) if len(codes) else resolved.events_of(codes).head(0)
    rows = own.select(CODE, *places, contract.RECEIVED_AT, *columns, kinds).collect(engine="streaming")
    raw = {text.strip() for name in rows.columns if name.startswith("_raw_") for text in rows[name].drop_nulls()}
    found = rows.with_columns(resolved.keys(rows[CODE])).select(PLACES.names())
    if resolved.state is None:
        return found, raw, None
    each = rows.select(pl.col(_KINDS).explode().alias("kind")).drop_nulls().group_by("kind")
    counts = each.agg(pl.len().cast(pl.Int64).alias("events"))
    return found, raw, Remembered(resolved.base, resolved.files, resolved.state, codes, activity(rows.lazy()), counts)


def unknown_identity(lake: Lake, selection: SelectedCustomers) -> DefinitionError:
    """The error for identities that nothing in the lake names."""
    kinds = [
        *_OWN,
        *kinds_in(landed(lake)).filter(pl.col("kind").is_in(selection.rules.identities.known_kinds))["kind"],
    ]
    kind, _ = parse_identity(selection.asked[0])
    advice = "check the identity; denied values belong to no customer"
    if kind not in selection.rules.identities.known_kinds:
        advice = f"add {kind!r} to kinds under [paths.identities]: no setting names it"
    return DefinitionError(
        f"No event carries this {kind}, nor does anything else in the lake.",
        expected=f"a kind among {', '.join(kinds)}, and a value that is not denied",
        do=(kind not in kinds and nearest(kind, kinds)) or advice,
    )


def _count(rows: pl.LazyFrame) -> int:
    return int(rows.select(pl.len()).collect(engine="streaming").item())
