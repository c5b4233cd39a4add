"""Messages that are no events: what is kept of them, and how many there are for which reason.

The bytes are kept untouched, so that a mended parser can read them again. Tombstones are only counted.
"""

from __future__ import annotations

import polars as pl

from expectations import contract
from expectations.lake import layout
from expectations.lake.layout import Lake
from ingest.landing.commit import scan
from ingest.message import Partition
from ingest.quarantine.masking import masked


def message_rows(lake: Lake, place: Partition, offset: int) -> pl.DataFrame:
    """Why the message at one place was refused: one row for each part at fault, with the columns of
    `contract.QUARANTINE`; no rows when it is not in quarantine.
    """
    here = (pl.col(contract.TOPIC) == place.topic) & (pl.col(contract.PARTITION) == place.number)
    found = scan(lake, layout.QUARANTINE).filter(here & (pl.col(contract.OFFSET) == offset))
    return found.sort(contract.PART, nulls_last=False).collect()


def examples(lake: Lake, each: int = 3) -> pl.DataFrame:
    """The newest messages of every reason: topic, reason, field, partition, offset, shape (String: the message with its
    values masked, see `ingest.quarantine.masking`); at most `each` of a topic, reason and field.
    """
    group = [contract.TOPIC, "reason", "field"]
    newest = scan(lake, layout.QUARANTINE).sort(contract.RECEIVED_AT, contract.OFFSET, descending=True)
    some = newest.group_by(group, maintain_order=True).head(each).collect()
    shapes = pl.Series("shape", [masked(raw) for raw in some["raw"]], pl.String)
    return some.select(*group, contract.PARTITION, contract.OFFSET).with_columns(shapes).sort(*group, contract.OFFSET)


def refusal_counts(lake: Lake) -> pl.DataFrame:
    """How many messages are quarantined: topic, reason, field (String, null when no field is at fault), messages
    (Int64), first_at and last_at (time of receipt); most frequent first. An empty lake gives no rows.
    """
    received = pl.col(contract.RECEIVED_AT)
    return (
        scan(lake, layout.QUARANTINE)
        .group_by(contract.TOPIC, "reason", "field")
        .agg(
            pl.len().cast(pl.Int64).alias("messages"), received.min().alias("first_at"), received.max().alias("last_at")
        )
        .sort("messages", contract.TOPIC, "reason", "field", descending=[True, False, False, False])
        .collect()
    )
