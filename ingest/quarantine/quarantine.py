"""Reads the quarantine: counts of refused messages by reason, examples, and the rows of one message.

Quarantine keeps the original bytes, so a corrected mapping can read them again. Tombstones are only counted.
"""

from __future__ import annotations

import polars as pl

from expectations import contract
from expectations.lake import layout
from expectations.lake.layout import Lake
from ingest.landing.commit import scan
from ingest.message import Partition
from ingest.quarantine.masking import masked


def message_rows(lake: Lake, partition: Partition, offset: int) -> pl.DataFrame:
    """The quarantine rows of one message (columns of `contract.QUARANTINE`): one row per refused part, or one for the
    whole message; no rows if it is not in quarantine.
    """
    here = (pl.col(contract.TOPIC) == partition.topic) & (pl.col(contract.PARTITION) == partition.number)
    rows = scan(lake, layout.QUARANTINE).filter(here & (pl.col(contract.OFFSET) == offset))
    return rows.sort(contract.PART, nulls_last=False).collect()


def examples(lake: Lake, each: int = 3) -> pl.DataFrame:
    """The newest messages of every reason: topic, reason, field, partition, offset, shape (String: the masked message,
    see `ingest.quarantine.masking`); at most `each` rows per topic, reason and field.
    """
    group = [contract.TOPIC, "reason", "field"]
    newest = scan(lake, layout.QUARANTINE).sort(contract.RECEIVED_AT, contract.OFFSET, descending=True)
    subset = newest.group_by(group, maintain_order=True).head(each).collect()
    shapes = pl.Series("shape", [masked(raw) for raw in subset["raw"]], pl.String)
    return subset.select(*group, contract.PARTITION, contract.OFFSET).with_columns(shapes).sort(*group, contract.OFFSET)


def refusal_counts(lake: Lake) -> pl.DataFrame:
    """Count quarantined messages: topic, reason, field (String, null if no field is at fault), messages (Int64),
    first_at and last_at (times of receipt); most frequent first. An empty lake gives no rows.
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
