"""Personas by rules: an ordered list, of which each placed customer belongs to the first that fits."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from analytics.engine.conditions import fill
from analytics.segments.named.conditions import with_fields
from analytics.segments.named.segment import BoundSegment, Segment
from analytics.segments.named.states import IN
from analytics.segments.named.values import check_column, is_one_of
from analytics.segments.personas.observation import Ints, Observation, ObservedCustomers
from analytics.store.encoding import Dictionaries
from analytics.store.parts import decoded
from analytics.store.paths import Paths
from expectations.errors import DefinitionError


@dataclass(frozen=True, eq=False, init=False)
class TouchShare:
    """So large a share of a customer's touches in the observation has one of these values in a column, or a larger one.

    Touches without a value count as having none. Raises `DefinitionError` for no value, and a share outside 0 to 1.

    >>> TouchShare("channel", "app", at_least=0.3).text
    "30 % of touches with 'channel' 'app'"
    """

    column: str
    values: tuple[Any, ...]
    at_least: float

    def __init__(self, column: str, *values: Any, at_least: float) -> None:
        if not values:
            raise DefinitionError(f"A share of touches names values of {column!r}.", expected="at least one value")
        if isinstance(at_least, bool) or not isinstance(at_least, int | float) or not 0 < at_least <= 1:
            raise DefinitionError(
                "A share of touches lies between 0 and 1.", expected="at_least above 0, up to 1", found=str(at_least)
            )
        fill(self, column=column, values=tuple(values), at_least=float(at_least))

    @property
    def text(self) -> str:
        """The condition in words."""
        return f"{self.at_least * 100:.15g} % of touches with {self.column!r} {' or '.join(map(repr, self.values))}"

    def holds(self, customers: ObservedCustomers, words: Dictionaries) -> NDArray[np.bool_]:
        """Of which placed customers it holds."""
        rows, person = customers.touches()
        column = decoded(customers.part, [self.column], words)[self.column].gather(rows)
        hits = is_one_of(column, self.values).fill_null(False).cast(pl.Boolean).to_numpy()
        size = len(customers.placed)
        touches = np.bincount(person, minlength=size)
        found: NDArray[np.bool_] = np.bincount(person[hits], minlength=size) >= self.at_least * touches - 1e-9
        return found


@dataclass(frozen=True, eq=False)
class PersonaRule:
    """A persona by rule: customers who are in a segment at the end of their observation, or have a share of touches.

    Without either, everybody else: only the last rule may be such.
    """

    name: str
    when: Segment | TouchShare | None = None

    @property
    def text(self) -> str:
        """The rule in words."""
        return "everybody else" if self.when is None else self.when.text


@dataclass(frozen=True, eq=False, init=False)
class PersonaRules:
    """Personas by rules, in order: each placed customer belongs to the first that fits, or to none (`no rule fits`).

    Ids are the names. Raises `DefinitionError` for no rule, a rule without a name, two of one name, and a rule for
    everybody else that is not the last.

    >>> app = PersonaRule("App people", TouchShare("channel", "app", at_least=0.3))
    >>> PersonaRules([app, PersonaRule("Others")]).names
    ('App people', 'Others')
    """

    rules: tuple[PersonaRule, ...]
    observation: Observation

    def __init__(self, rules: Sequence[PersonaRule], observation: Observation | None = None) -> None:
        names = [rule.name for rule in rules]
        if not names or not all(name.strip() for name in names):
            raise DefinitionError("Personas by rules have rules with names.", expected="at least one", found=str(names))
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise DefinitionError(f"Two personas are called {twice[0]!r}.", expected="a name of its own for each")
        if early := [rule.name for rule in rules[:-1] if rule.when is None]:
            raise DefinitionError(
                f"Persona {early[0]!r} is for everybody else, and rules follow it.", do="put it last, or give it a rule"
            )
        fill(self, rules=tuple(rules), observation=observation or Observation())

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the personas, in order."""
        return tuple(rule.name for rule in self.rules)

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of the personas: their names."""
        return self.names

    @property
    def text(self) -> str:
        """The rules in words."""
        return "; ".join(f"{rule.name}: {rule.text}" for rule in self.rules)

    @property
    def definition(self) -> str:
        """The digest of the rules."""
        observation = (self.observation.length, self.observation.least, sorted(self.observation.left_out))
        return hashlib.sha256(f"{self.text} {observation}".encode()).hexdigest()[:12]

    def check(self, paths: Paths) -> Self:
        """Raises `DefinitionError` for a column that is not there; warns of words that no touch has."""
        for rule in self.rules:
            if isinstance(rule.when, TouchShare):
                check_column(paths.stored, rule.when.column, rule.when.values)
        return self

    def placer(self, paths: Paths) -> RulePlacer:
        """What gives the placed customers of a part to the first rule that fits."""
        self.check(paths)
        bound = [
            with_fields(rule, when=BoundSegment.of(paths, rule.when)) if isinstance(rule.when, Segment) else rule
            for rule in self.rules
        ]
        return RulePlacer(tuple(bound), paths.stored.dictionaries)


@dataclass(frozen=True, eq=False)
class RulePlacer:
    """Gives placed customers to the first rule that fits."""

    rules: tuple[Any, ...]
    stored: Dictionaries = field(repr=False)

    def place(self, customers: ObservedCustomers) -> Ints:
        """The position of the rule of each placed customer of a part; -1 where none fits."""
        found = np.full(len(customers.placed), -1, np.int64)
        for place in range(len(self.rules) - 1, -1, -1):
            found[self._holds(self.rules[place].when, customers)] = place
        return found

    def _holds(self, when: BoundSegment | TouchShare | None, customers: ObservedCustomers) -> NDArray[np.bool_]:
        if when is None:
            return np.ones(len(customers.placed), np.bool_)
        if isinstance(when, TouchShare):
            return when.holds(customers, self.stored)
        states = when.states(when.customers(customers.part))
        last = customers.last[states.person]
        member = (states.value == IN) & (states.since <= last) & (last < states.after)
        return np.isin(customers.placed, states.person[member])
