"""Conditions that combine others, by Kleene's logic of true, false and not known."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

from analytics.engine.conditions import fill
from analytics.segments.named.conditions import Condition, with_fields
from analytics.segments.named.states import Customers, States, combined
from analytics.store.paths import Paths
from expectations.errors import DefinitionError


@dataclass(frozen=True, eq=False, init=False)
class _Several:
    """Conditions that are taken together."""

    conditions: tuple[Condition, ...]
    word: str = "all"

    def __init__(self, *conditions: Condition) -> None:
        if not conditions:
            raise DefinitionError(f"`{self.word}` has no condition.", expected="at least one")
        fill(self, conditions=tuple(conditions))

    @property
    def text(self) -> str:
        """The condition in words."""
        return f"{self.word} of ({'; '.join(one.text for one in self.conditions)})"

    def checked(self, paths: Paths) -> Self:
        """The condition, bound to a store."""
        return with_fields(self, conditions=tuple(one.checked(paths) for one in self.conditions))


class AllOf(_Several):
    """All of these conditions: false where one is false, else not known where one is not known.

    >>> from analytics import Attribute, Did
    >>> AllOf(Did("buy"), Attribute("tier", "gold")).text
    "all of (did 'buy'; attribute 'tier' is 'gold')"
    """

    word = "all"

    def states(self, customers: Customers) -> States:
        """The lowest state."""
        return combined([one.states(customers) for one in self.conditions], highest=False)


class AnyOf(_Several):
    """Any of these conditions: true where one is true, else not known where one is not known.

    >>> from analytics import Did
    >>> AnyOf(Did("buy"), Did("call")).text
    "any of (did 'buy'; did 'call')"
    """

    word = "any"

    def states(self, customers: Customers) -> States:
        """The highest state."""
        return combined([one.states(customers) for one in self.conditions], highest=True)


class NoneOf(_Several):
    """None of these conditions: the opposite of `AnyOf`, and not known where that is not known.

    >>> from analytics import Did
    >>> NoneOf(Did("buy")).text
    "none of (did 'buy')"
    """

    word = "none"

    def states(self, customers: Customers) -> States:
        """The opposite of the highest state."""
        return ~combined([one.states(customers) for one in self.conditions], highest=True)


def leaves(condition: Condition) -> Iterator[Condition]:
    """The conditions that are no combination of others, in order."""
    if isinstance(condition, _Several):
        for one in condition.conditions:
            yield from leaves(one)
    else:
        yield condition
