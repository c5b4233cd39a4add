"""The column `persona` of touches, and who is in which persona."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import Final, Self

import numpy as np
import polars as pl

from analytics.engine.run import on_parts
from analytics.segments.personas.fitted import FitPlacer, PersonaFit
from analytics.segments.personas.observation import FEW, OBJECTS, PLACED, PLACEMENTS, STILL, Ints, Observed
from analytics.segments.personas.rules import PersonaRules, RulePlacer
from analytics.store.columns import CUSTOMER
from analytics.store.encoding import Dictionaries
from analytics.store.parts import Part
from analytics.store.paths import Paths
from expectations.errors import DefinitionError

PERSONA: Final = "persona"
NO_RULE: Final = "no rule fits"
REASONS: Final = (*PLACEMENTS[1:], NO_RULE)
"""Why a customer is in no persona."""
MEMBERSHIP: Final = ("in", "out")

Portfolio = PersonaFit | PersonaRules
"""Personas of one portfolio: by clusters, or by rules."""


@dataclass(frozen=True, eq=False)
class BoundPersonas:
    """Personas bound to a store, as a column of its touches.

    With `only`, the column is called like that persona and says `in` or `out` of the customers in any persona.
    """

    names: tuple[str, ...]
    ids: tuple[str, ...]
    text: str
    observed: Observed
    placer: FitPlacer | RulePlacer = field(repr=False)
    only: str | None = None

    @classmethod
    def of(cls, paths: Paths, personas: Portfolio, only: str | None = None) -> Self:
        """Binds personas to paths. Raises `DefinitionError` as their `check` does."""
        personas.check(paths.stored)
        observed, placer = Observed.of(paths, personas.observation), personas.placer(paths)
        return cls(personas.names, personas.ids, personas.text, observed, placer, only)

    @property
    def name(self) -> str:
        """The name of the column."""
        return PERSONA if self.only is None else self.only

    @property
    def words(self) -> pl.Series:
        """The words of the column."""
        return pl.Series(self.name, self.names if self.only is None else MEMBERSHIP, dtype=pl.String)

    @property
    def definition(self) -> str:
        """What the personas are."""
        return f"{self.name} {self.text}"

    @property
    def touchpoints(self) -> frozenset[str]:
        """Nothing: personas tell how customers move, whatever comes of it."""
        return frozenset()

    def of_customers(self, part: Part) -> Ints:
        """The persona of each customer of a part; from -1 down the reasons for none, in the order of `REASONS`, then
        -4 for those who object to profiling.
        """
        customers = self.observed.customers(part)
        found = np.full(len(customers.placement), -1, np.int64)
        for placement, code in ((STILL, -1), (FEW, -2), (OBJECTS, -4)):
            found[customers.placement == placement] = code
        places = self.placer.place(customers)
        found[customers.placement == PLACED] = np.where(places < 0, -3, places)
        return found

    def codes(self, part: Part) -> pl.Series:
        """The code of every touch of a whole part; null for customers in no persona."""
        persona = part.once(("personas", self.observed, self.placer), lambda: self.of_customers(part))
        if self.only is not None:
            other = np.where(persona == self.names.index(self.only), 0, 1)
            persona = np.where(persona < 0, -1, other)
        each = np.repeat(np.where(persona < 0, -1, persona), np.diff(part.bounds()))
        column = pl.Series(self.name, np.maximum(each, 0), pl.UInt16)
        return column.set(pl.Series(each < 0), None) if len(column) else column


def with_personas(paths: Paths, personas: Portfolio, only: str | None = None) -> Paths:
    """The same paths with a text column `persona`: the name of the persona of the touch's customer, or null.

    Null is who is in no persona: still observed, with too few touches, whom no rule fits, or who objects to profiling.
    With `only`, the name of a persona, the column is called like it and says `in` or `out` instead. The persona of a
    customer is the same at all touches. Every measure takes the column as `by`, in `where` and as the `group` of
    `compare`. It is worked out part by part as it is read: a question that does not name it does not pay for it.

    Raises `DefinitionError` for a column of that name, a persona that is not there, and a fit that was made from other
    features, stages or touchpoint rules.

    >>> from analytics import PersonaRule, PersonaRules, TouchShare
    >>> rules = PersonaRules([PersonaRule("App", TouchShare("channel", "app", at_least=0.5)), PersonaRule("Others")])
    >>> visits = {"ann": "a@0d[channel=app] a@1d[channel=app] a@2d[channel=web]", "bo": "a@0d[channel=web]"}
    >>> with_personas(Paths.from_text(visits, end="60d"), rules).touches.collect()["persona"].to_list()
    ['App', 'App', 'App', None]
    """
    bound = BoundPersonas.of(paths, personas, only)
    if only is not None and only not in bound.names:
        expected = f"one of {', '.join(bound.names)}" if bound.names else "a fit with personas"
        raise DefinitionError(f"There is no persona {only!r}.", expected=expected)
    if bound.name in paths.stored.schema:
        raise DefinitionError(
            f"A column of the paths is called {bound.name!r} already.",
            do="give the column, or the persona, another name",
        )
    return paths.with_columns([bound])


def persona_members(paths: Paths, personas: Portfolio) -> pl.DataFrame:
    """Who is in which persona.

    One row per customer in a persona, by customer: `customer`, `persona` String: the id. Customers in no persona, and
    those who object to profiling, have no row; no touches give none. These are rows about single customers: they are
    never published. Raises `DefinitionError` as `with_personas` does.

    >>> from analytics import PersonaRule, PersonaRules
    >>> shop = Paths.from_text({"ann": "a@0d a@1d a@2d", "bo": "a@0d"}, end="60d")
    >>> persona_members(shop, PersonaRules([PersonaRule("Everybody")])).rows()
    [('ann', 'Everybody')]
    """
    bound = BoundPersonas.of(paths, personas)
    schema = {CUSTOMER: paths.schema[CUSTOMER], PERSONA: pl.String()}
    tables = on_parts(paths.stored, partial(_members, bound))
    return pl.concat([pl.DataFrame(schema=schema), *tables]).sort(CUSTOMER)


def _members(bound: BoundPersonas, part: Part, _: Dictionaries) -> pl.DataFrame:
    persona = bound.of_customers(part)
    inside = np.flatnonzero(persona >= 0)
    ids = pl.Series(PERSONA, bound.ids, dtype=pl.String).gather(persona[inside])
    return pl.DataFrame([part.whole.keys().gather(inside).alias(CUSTOMER), ids])
