"""To which customer would another tool assign an event? Stitching rules of other products, for reconciling numbers.

| function | product and rule |
| --- | --- |
| `last_person` | Adobe, field-based: the person last seen on the device; a replay also looks forward |
| `last_login` | Adobe, shared devices, last authentication: all events of a device go to its last login |
| `person_of_graph` | Adobe, graph-based: the person that a given graph assigns to the device at the time |
| `first_user` | Mixpanel, simplified merge: a device belongs to its first user |
| `unique_components` | Snowplow: components that never join two values of a unique identifier |

Unlike our own stitching, these rules depend on the order in which events happen. Each takes a frame and returns it, in
the same order, with the column `stitched` (String). Events at one instant are read in the order of the frame.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import polars as pl

from analytics.store.columns import AT

STITCHED = "stitched"


def last_person(
    events: pl.DataFrame,
    *,
    replay: bool = False,
    replayed_at: datetime | None = None,
    lookback: timedelta | None = None,
    forgotten: Sequence[str] = (),
) -> pl.DataFrame:
    """Adobe's field-based stitching: columns `device`, `person` (String, may be null) and `at`.

    Live, an event gets the person last seen on its device, or the device itself before any person was seen. A `replay`
    assigns those earlier events to the first person seen after them: all of them, or those of the `lookback` before
    `replayed_at` (by default the time of the last event). Of several persons at one instant the smallest is used.
    Events of `forgotten` persons, whose privacy request was carried out, fall back to the device.

    >>> from datetime import datetime
    >>> at = [datetime(2024, 1, day) for day in (1, 2, 3)]
    >>> events = pl.DataFrame({"device": "d", "person": [None, "Bob", None], "at": at})
    >>> last_person(events)["stitched"].to_list()
    ['d', 'Bob', 'Bob']
    >>> last_person(events, replay=True)["stitched"].to_list()
    ['Bob', 'Bob', 'Bob']
    """
    rows = events.with_row_index("_row").sort(AT, maintain_order=True)
    seen = pl.col("person").min().over("device", AT)
    person = pl.coalesce("person", seen.forward_fill().over("device"))
    if replay:
        moment = pl.col(AT).max() if replayed_at is None else pl.lit(replayed_at).cast(events.schema[AT])
        later = pl.when(pl.col(AT) <= moment).then(seen).backward_fill().over("device")
        recent = pl.lit(True) if lookback is None else pl.col(AT) >= moment - lookback
        person = pl.coalesce(person, pl.when(recent, pl.col(AT) <= moment).then(later))
    return _fall_back_to_device(rows.with_columns(person.alias(STITCHED)), forgotten).sort("_row").drop("_row")


def last_login(events: pl.DataFrame, *, forgotten: Sequence[str] = ()) -> pl.DataFrame:
    """Adobe's last authentication on shared devices: columns `device`, `person` (String, may be null) and `at`.

    All events of a device, even those that name another person, go to the person of its last login; without a login
    they stay with the device. Of several persons at the last instant the smallest is used; `forgotten` is as in
    `last_person`.

    >>> from datetime import datetime
    >>> at = [datetime(2024, 1, day) for day in (1, 2, 3)]
    >>> events = pl.DataFrame({"device": "d", "person": ["Ann", "Bob", None], "at": at})
    >>> last_login(events)["stitched"].to_list()
    ['Bob', 'Bob', 'Bob']
    """
    logins = (
        events.drop_nulls("person")
        .group_by("device")
        .agg(pl.col("person").filter(pl.col(AT) == pl.col(AT).max()).min().alias(STITCHED))
    )
    return _fall_back_to_device(events.join(logins, on="device", how="left", maintain_order="left"), forgotten)


def _fall_back_to_device(rows: pl.DataFrame, forgotten: Sequence[str]) -> pl.DataFrame:
    """Replaces missing and forgotten persons by the device."""
    person = pl.when(~pl.col(STITCHED).is_in(list(forgotten))).then(STITCHED)
    return rows.with_columns(pl.coalesce(person, "device").alias(STITCHED))


def person_of_graph(
    events: pl.DataFrame,
    graph: pl.DataFrame,
    *,
    replayed_at: datetime | None = None,
    lookback: timedelta | None = None,
    forgotten: Sequence[str] = (),
) -> pl.DataFrame:
    """Adobe's graph-based stitching: columns `device`, `at`; of the graph device, valid_from, persons (List(String)).

    An event gets the person that the graph assigned to its device at the time (of several the smallest), or else the
    device. A replay at `replayed_at` uses the graph of that moment for all events, or for those of the `lookback`
    before it. Events of `forgotten` persons fall back to the device.
    """
    persons = graph.sort("valid_from", maintain_order=True).select(
        "device", pl.col("valid_from").cast(events.schema[AT]), pl.col("persons").list.min().alias(STITCHED)
    )
    asked_at = pl.col(AT)
    if replayed_at is not None:
        moment = pl.lit(replayed_at).cast(events.schema[AT])
        recent = pl.lit(True) if lookback is None else pl.col(AT) >= moment - lookback
        asked_at = pl.when(recent, pl.col(AT) <= moment).then(moment).otherwise(pl.col(AT))
    rows = events.with_row_index("_row").with_columns(asked_at.alias("_asked")).sort("_asked", maintain_order=True)
    joined = rows.join_asof(
        persons, left_on="_asked", right_on="valid_from", by="device", strategy="backward", check_sortedness=False
    )
    return _fall_back_to_device(joined, forgotten).sort("_row").select(*events.columns, STITCHED)


def first_user(events: pl.DataFrame) -> pl.DataFrame:
    """Mixpanel's simplified merge: columns `device`, `user` (String, either may be null) and `at`.

    An event with a user belongs to that user. An event with only a device belongs to the device's first user, at
    whatever time that user appeared, or to `device:<device>` if no user ever logged in on it.

    >>> from datetime import datetime
    >>> at = [datetime(2024, 1, day) for day in (1, 2, 3)]
    >>> events = pl.DataFrame({"device": ["d", "d", "e"], "user": [None, "ann", None], "at": at})
    >>> first_user(events)["stitched"].to_list()
    ['ann', 'ann', 'device:e']
    """
    rows = events.with_row_index("_row").sort(AT, maintain_order=True)
    bound = pl.when(pl.col("device").is_not_null()).then(pl.col("user").drop_nulls().first().over("device"))
    user = pl.coalesce("user", bound, pl.concat_str(pl.lit("device:"), "device"))
    return rows.with_columns(user.alias(STITCHED)).sort("_row").drop("_row")


def unique_components(events: pl.DataFrame, unique: Sequence[str] = ()) -> pl.DataFrame:
    """Snowplow's identities: columns `ids` (Map or Struct of identifier kind to value) and `at`.

    Identifiers of one event belong to one person; if they belonged to several, the oldest person takes them all. Two
    values of a `unique` kind never belong to one person: an event that would join them goes to the person of its
    unique identifier, and its other identifiers start a new, anonymous person. Persons are `person_1`, `person_2`, ...
    in order of creation. Runs as one pass over the events in Python: meant for reconciliation, not for large data.
    """
    rows = events.with_row_index("_row").sort(AT, maintain_order=True)
    people = _PersonGraph(frozenset(unique))
    numbers = [people.assign(_identifiers(ids)) for ids in rows["ids"].to_list()]
    names = [f"person_{people.now(number)}" for number in numbers]
    return rows.with_columns(pl.Series(STITCHED, names, pl.String)).sort("_row").drop("_row")


Identifier = tuple[str, str]


class _PersonGraph:
    """The person of each identifier, updated event by event."""

    def __init__(self, unique: frozenset[str]) -> None:
        self.unique = unique
        self.holder: dict[Identifier, int] = {}
        self.merged: dict[int, int] = {}
        self.made = 0

    def assign(self, identifiers: Sequence[Identifier]) -> int:
        """Assigns an event's identifiers to one person and returns that person."""
        holders = sorted({self.holder[each] for each in identifiers if each in self.holder})
        if self._conflict(identifiers, holders):
            return self._divide(identifiers)
        person = holders[0] if holders else self._new()
        for younger in holders[1:]:
            self.merged[younger] = person
        for each, holder in self.holder.items():
            if holder in holders:
                self.holder[each] = person
        self.holder.update(dict.fromkeys(identifiers, person))
        return person

    def now(self, person: int) -> int:
        """The person that a person was finally merged into."""
        while person in self.merged:
            person = self.merged[person]
        return person

    def _new(self) -> int:
        self.made += 1
        return self.made

    def _conflict(self, identifiers: Sequence[Identifier], holders: Sequence[int]) -> bool:
        """Whether one person would have two values of a unique kind."""
        held = {each for each, holder in self.holder.items() if holder in holders} | set(identifiers)
        kinds = [kind for kind, _ in held if kind in self.unique]
        return len(kinds) != len(set(kinds))

    def _divide(self, identifiers: Sequence[Identifier]) -> int:
        """Assigns the event to its unique identifier; identifiers of other persons start a new person."""
        own = [each for each in identifiers if each[0] in self.unique]
        if not own:
            return min(self.holder[each] for each in identifiers if each in self.holder)
        person = self.holder[own[0]] if own[0] in self.holder else self._new()
        rest = [each for each in identifiers if each[0] not in self.unique and self.holder.get(each) != person]
        self.holder[own[0]] = person
        if rest:
            self.holder.update(dict.fromkeys(rest, self._new()))
        return person


def _identifiers(ids: object) -> list[Identifier]:
    """Kind and value of the identifiers of one event, whether polars returns a map or a struct."""
    pairs = ids.items() if isinstance(ids, Mapping) else [(e["key"], e["value"]) for e in ids or ()]  # type: ignore[attr-defined]
    return [(str(kind), str(value)) for kind, value in pairs if value is not None]
