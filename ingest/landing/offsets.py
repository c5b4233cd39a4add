"""Decides where to resume and whether to stop, from offsets alone; storage is not touched.

The lake is the only store of offsets. The events table keeps one transaction version per partition, under the name that
`application` builds. Version v states that every record below offset v is decided: landed, or quarantined before.
"""

from __future__ import annotations

from hashlib import sha256
from typing import NamedTuple

from expectations.errors import LandingError
from ingest.message import Partition


class Claim(NamedTuple):
    """The offset change of one partition in one commit: from `base` (None: no offset yet) to `next`."""

    application: str
    base: int | None
    next: int


def application(pipeline: str, topic_id: str, partition: int) -> str:
    """The name under which the lake stores a partition's offset. A recreated topic has another id, so another name.

    >>> application("journeys", "6f2c", 3)
    'ingest/journeys/6f2c/3'
    """
    return f"ingest/{pipeline}/{topic_id}/{partition}"


def generation(pipeline: str, topic: str) -> str:
    """The name under which the lake stores the id of the topic that was read last."""
    return f"generation/{pipeline}/{topic}"


def fingerprint(topic_id: str) -> int:
    """Hash a topic id to a number that fits a transaction version (63 bits)."""
    return int.from_bytes(sha256(topic_id.encode()).digest()[:8]) >> 1


def check_generation(topic: str, topic_id: str, remembered: int | None, *, new_generation: bool) -> bool:
    """Whether the topic's id still has to be stored.

    Raises LandingError if the topic was recreated since it was last read, unless `new_generation` accepts that.
    """
    if remembered == fingerprint(topic_id):
        return False
    if remembered is not None and not new_generation:
        raise LandingError(
            f"Topic {topic} is not the one that was read before: it was deleted and recreated.",
            where=f"topic {topic}, id {topic_id}",
            expected="the topic whose offsets the lake holds",
            found="another topic of the same name; its offsets start again",
            do="run once with --new-generation to read the new topic from its beginning; what was landed stays",
        )
    return True


def resume(partition: Partition, landed: int | None, beginning: int, *, accept_gap: bool) -> int:
    """The offset to resume from: the landed one, or the beginning of a partition that has none.

    Raises LandingError if the broker has deleted records that were not landed, unless `accept_gap` skips them.

    >>> resume(Partition("orders", 0), 120, 0, accept_gap=False)
    120
    """
    if landed is None:
        return beginning
    if landed >= beginning:
        return landed
    if accept_gap:
        return beginning
    raise LandingError(
        f"{beginning - landed} records of {partition} were deleted by the broker before they were landed.",
        where=f"topic {partition.topic}, partition {partition.number}",
        expected=f"offset {landed}, where landing stopped",
        found=f"the oldest record is at offset {beginning}",
        do="recover them from elsewhere, or run once with --accept-gap to go on without them",
    )


def offset_missing(partition: Partition, landed: int) -> LandingError:
    """The error for a lake that was replaced while we landed in it: continuing would leave a gap in the new one."""
    return LandingError(
        f"The lake no longer says how far {partition} has landed.",
        where=f"topic {partition.topic}, partition {partition.number}",
        expected=f"offset {landed}, which this consumer has landed up to",
        found="no offset: the tables were deleted, or others are in their place",
        do="bring the lake back; or start again, to fill the new one with all that the brokers still hold",
    )


def check_end(partition: Partition, position: int, highwater: int | None) -> None:
    """Raise LandingError if the partition ends before our position: the broker has lost records that we landed.

    The topic is the same, so neither --accept-gap nor --new-generation applies.
    """
    if highwater is not None and position > highwater:
        raise LandingError(
            f"Partition {partition} ends before the place where landing stopped.",
            where=f"topic {partition.topic}, partition {partition.number}",
            expected=f"an end at offset {position} or after",
            found=f"the end is at offset {highwater}",
            do="start again in a minute, as a new leader may still be catching up; else the broker has lost records"
            " that the lake has (a restored disk, an unclean election), or is too old to tell topics apart: find out,"
            " then name a new [ingest] pipeline, which reads from the beginning; readers count each event id once",
        )
