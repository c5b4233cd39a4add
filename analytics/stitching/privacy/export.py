"""Everything the lake holds about one customer, for the right of access: events, paths, attributes, quarantine."""

from __future__ import annotations

from typing import Final

import polars as pl

from analytics.stitching.privacy.kept.persona_members import members_named
from analytics.stitching.privacy.kept.snapshots import snapshots_named
from analytics.stitching.privacy.selection import SelectedCustomers, select_customers, unknown_identity
from analytics.store.columns import CUSTOMER
from analytics.store.manifest import holds_paths
from analytics.store.paths import Paths
from analytics.touches.rules import PathRules
from expectations import contract
from expectations.lake.layout import EVENTS, LINKS, PERSONAS, PROFILES, QUARANTINE, SNAPSHOTS, TOUCHES, Lake
from expectations.lake.tables import landed, scan

_PLACE: Final = list(contract.PLACE)


def customer_data(lake: Lake, identity: str, rules: PathRules | None = None) -> dict[str, pl.DataFrame]:
    """What the lake holds about the customer with an identity (`kind:value`), by table.

    `identities`: kind, value. `events`, `profiles`, `links` and `quarantine`: the rows as they landed, duplicates
    included, in order of time or position. `touches`: the customer's path as it is stored. `personas`: the persona that
    they were in when these were last found. `snapshots`: what was known of them at earlier times, and their chances,
    where a goal was predicted. Raises `DefinitionError` when nothing names the identity.
    """
    customer = select_customers(lake, [identity], rules or PathRules())
    tables = {
        "identities": customer.identities.select("kind", "value").sort("kind", "value"),
        EVENTS: _events(lake, customer),
        PROFILES: customer.rows(lake, PROFILES).collect(),
        LINKS: customer.rows(lake, LINKS).collect(),
        TOUCHES: _touches(lake, customer),
        QUARANTINE: _messages(lake, customer),
        PERSONAS: members_named(lake, customer.all_keys),
        SNAPSHOTS: snapshots_named(lake, customer.all_keys),
    }
    if all(frame.is_empty() for name, frame in tables.items() if name != "identities"):
        raise unknown_identity(lake, customer)
    return tables


def _events(lake: Lake, customer: SelectedCustomers) -> pl.DataFrame:
    days = customer.events[contract.EVENT_DATE].unique().implode()
    near = landed(lake).filter(pl.col(contract.EVENT_DATE).is_in(days, nulls_equal=True))
    own = near.join(customer.events.select(_PLACE).lazy(), on=_PLACE, how="semi", nulls_equal=True)
    return own.collect(engine="streaming").sort(contract.OCCURRED_AT, *_PLACE)


def _touches(lake: Lake, customer: SelectedCustomers) -> pl.DataFrame:
    if not holds_paths(lake):
        return pl.DataFrame()
    return Paths.open(lake).touches.filter(pl.col(CUSTOMER).is_in(customer.keys)).collect()


def _messages(lake: Lake, customer: SelectedCustomers) -> pl.DataFrame:
    places = customer.messages(lake)
    rows = scan(lake, QUARANTINE, contract.QUARANTINE)
    return rows.join(places.lazy(), on=places.columns, how="semi").collect().sort(places.columns)
