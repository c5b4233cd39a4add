"""A named segment, and the column that says of every touch whether its customer was in the segment then."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, Self

import numpy as np
import polars as pl

from analytics.engine.conditions import STAGE_PREFIX, fill
from analytics.segments.named.conditions import Condition, with_fields
from analytics.segments.named.logic import AllOf, leaves
from analytics.segments.named.states import IN, OUT, UNKNOWN, Customers, States
from analytics.store.columns import STAGE, TOUCHPOINT
from analytics.store.encoding import Dictionaries
from analytics.store.frames import micros
from analytics.store.parts import Part
from analytics.store.paths import Paths
from expectations.errors import DefinitionError

MEMBERSHIP: Final = ("in", "out")
"""The words of a segment's column; null where it is not known whether the customer is a member."""
_CODES: Final = {IN: 0, OUT: 1, UNKNOWN: 2}


@dataclass(frozen=True, eq=False, init=False)
class Segment:
    """A named group of customers, with membership as of every instant: all of the `conditions` must hold.

    `version` is the version of the definition, and `hash` its digest: what is counted by another definition carries
    another hash. Raises `DefinitionError` for no name, no condition, and a version below 1.

    >>> from analytics import Did, DidNot
    >>> Segment("Lapsed", Did("buy"), DidNot("buy", within="60d")).text
    "all of (did 'buy'; did not 'buy' within 60d)"
    """

    name: str
    conditions: tuple[Condition, ...]
    version: int
    says: str

    def __init__(self, name: str, *conditions: Condition, version: int = 1, says: str = "") -> None:
        if not name.strip():
            raise DefinitionError("A segment has no name.", expected="a name")
        if isinstance(version, bool) or not isinstance(version, int) or version < 1:
            raise DefinitionError(
                "The version of a segment is a whole number.", expected="1 or more", found=str(version)
            )
        if not conditions:
            raise DefinitionError(f"Segment {name!r} has no condition.", expected="at least one")
        fill(self, name=name, conditions=tuple(conditions), version=version, says=says)

    @property
    def text(self) -> str:
        """The definition in words."""
        return self.conditions[0].text if len(self.conditions) == 1 else AllOf(*self.conditions).text

    @property
    def hash(self) -> str:
        """The digest of the definition, whatever its name: twelve hexadecimal digits.

        >>> from analytics import Did
        >>> Segment("a", Did("buy")).hash == Segment("b", Did("buy"), says="of ours").hash
        True
        """
        return hashlib.sha256(self.text.encode()).hexdigest()[:12]

    @property
    def touchpoints(self) -> frozenset[str]:
        """The touchpoints that the conditions count, and the stages, written `stage:NAME`."""
        prefix = {TOUCHPOINT: "", STAGE: STAGE_PREFIX}
        return frozenset(
            f"{prefix[step.on]}{word}"
            for condition in self.leaves
            for step in getattr(condition, "steps", ())
            if step.on in prefix
            for word in step.any_of
        )

    @property
    def leaves(self) -> Iterator[Condition]:
        """The conditions that are no combination of others, those of the segments it names among them."""
        for condition in self.conditions:
            for leaf in leaves(condition):
                yield from leaf.segment.leaves if isinstance(leaf, InSegment) else (leaf,)

    def checked(self, paths: Paths) -> Self:
        """The segment, bound to a store. Raises `DefinitionError` for a column that is not there or cannot be used,
        and warns of words that no touch has.
        """
        return with_fields(self, conditions=tuple(condition.checked(paths) for condition in self.conditions))

    def states(self, customers: Customers) -> States:
        """The states of the customers of a part."""
        return AllOf(*self.conditions).states(customers)


@dataclass(frozen=True, eq=False, init=False)
class InSegment:
    """Membership in another segment.

    >>> from analytics import Did
    >>> InSegment(Segment("Buyers", Did("buy"))).text
    "in 'Buyers' (did 'buy')"
    """

    segment: Segment

    def __init__(self, segment: Segment) -> None:
        fill(self, segment=segment)

    @property
    def text(self) -> str:
        """The condition in words, with the definition of the other segment."""
        return f"in {self.segment.name!r} ({self.segment.text})"

    def checked(self, paths: Paths) -> Self:
        """The condition, bound to a store."""
        return with_fields(self, segment=self.segment.checked(paths))

    def states(self, customers: Customers) -> States:
        """The states of the other segment."""
        return self.segment.states(customers)


@dataclass(frozen=True, eq=False)
class BoundSegment:
    """A segment bound to a store, as a column of its touches: what is needed to tell who is a member.

    Customers who object to profiling are in no segment: of them nothing is known. `touchpoints` are those that the
    conditions count.
    """

    segment: Segment
    stored: Dictionaries = field(repr=False)
    objected: frozenset[str]
    end: int

    @classmethod
    def of(cls, paths: Paths, segment: Segment) -> Self:
        """Binds a segment to paths."""
        end = 0 if paths.end_of_data is None else micros(paths.end_of_data)
        stored = paths.stored
        return cls(segment.checked(stored), stored.dictionaries, paths.objected, end)

    @property
    def name(self) -> str:
        """The name of the column."""
        return self.segment.name

    @property
    def words(self) -> pl.Series:
        """The words of the column."""
        return pl.Series(self.name, MEMBERSHIP)

    @property
    def definition(self) -> str:
        """The name of the segment with its digest."""
        return f"{self.name} {self.segment.hash}"

    @property
    def touchpoints(self) -> frozenset[str]:
        """The touchpoints that the conditions count."""
        return self.segment.touchpoints

    def customers(self, part: Part) -> Customers:
        """The customers of a part, with all their touches."""
        return Customers(part.whole.held(), self.stored, self.end)

    def states(self, customers: Customers) -> States:
        """The states of the customers of a part, of whom those who object are left unknown."""
        states = self.segment.states(customers)
        if not self.objected:
            return states
        keys = customers.part.keys().cast(pl.String)
        return states.masked(keys.is_in(list(self.objected)).to_numpy())

    def codes(self, part: Part) -> pl.Series:
        """The code of every touch of a whole part; null where it is not known."""
        customers = self.customers(part)
        codes = np.array([_CODES[OUT], _CODES[UNKNOWN], _CODES[IN]], np.uint8)[
            self.states(customers).at_touches(customers)
        ]
        column = pl.Series(self.name, codes)
        return column.set(column == _CODES[UNKNOWN], None)


def bound_segments(paths: Paths, definitions: Segment | Iterable[Segment]) -> list[BoundSegment]:
    """The segments bound to paths. Raises `DefinitionError` for two of one name, or one called like a column."""
    segments = [definitions] if isinstance(definitions, Segment) else list(definitions)
    names = [segment.name for segment in segments]
    if doubled := [name for number, name in enumerate(names) if name in names[:number]]:
        raise DefinitionError(f"Two segments are called {doubled[0]!r}.", expected="a name of its own for each")
    if taken := [name for name in names if name in paths.stored.schema]:
        raise DefinitionError(
            f"A segment is called like a column of the paths: {taken[0]!r}.", do="give the segment another name"
        )
    return [BoundSegment.of(paths, segment) for segment in segments]


def with_segments(paths: Paths, definitions: Segment | Iterable[Segment]) -> Paths:
    """The same paths, with one more text column for each segment: `in`, `out`, or null where it is not known.

    The column is called like the segment, and says of each touch whether its customer was a member at that time, by
    all touches of the customer up to then, whatever the paths are cut to. Every measure takes it as `by`, in `where`,
    and as the `group` of `compare`. It is worked out part by part as it is read: a question that does not name it does
    not pay for it. Only scores (`Rfm`) are counted over all customers at once. Who objects to profiling is null.

    Raises `DefinitionError` for two segments of one name, a name that is a column already, and as the conditions do;
    warns of a touchpoint that no touch has (`UnknownWordWarning`). A funnel whose breakdown takes another value than at
    the entry warns when the segment counts a touchpoint of a later step (`ChosenByOutcomeWarning`).

    >>> from analytics import Did
    >>> shop = Paths.from_text({"ann": "buy@0d buy@20d visit@61d", "bo": "visit@0d"})
    >>> twice = Segment("Two buys in 60 days", Did("buy", at_least=2, within="60d"))
    >>> with_segments(shop, twice).touches.collect()["Two buys in 60 days"].to_list()
    ['out', 'in', 'out', 'out']
    """
    return paths.with_columns(bound_segments(paths, definitions))
