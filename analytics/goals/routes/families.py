"""Families of routes to a goal: rules in order, of which each journey belongs to the first that fits."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from analytics.engine.conditions import STAGE_PREFIX
from analytics.engine.goals import DIRECT, OTHER, AtLeast, Goal, Route
from analytics.engine.notices.unknown_words import unknown_words, warn_of_unknown
from analytics.paths.pattern_grammar import Pattern
from analytics.paths.pattern_search import matching, searchable
from analytics.store.columns import SESSION, STAGE, TOUCHPOINT
from analytics.store.paths import Paths
from expectations.errors import DefinitionError

CHANNEL: Final = "channel"
PEOPLE: Final = ("branch", "call", "call_center", "call_centre", "chat", "phone", "store")
"""Channels in which a person helps, where the paths have them."""
Flags = NDArray[np.bool_]
Ints = NDArray[np.int64]


def default_routes(channels: Sequence[str], *, has_sessions: bool) -> list[Route]:
    """The families where none are named: helped or alone, one visit or several, one channel or several.

    What the paths cannot tell is left out: help without a channel in which a person helps, visits without sessions,
    channels where there is one.

    >>> [route.name for route in default_routes(["web", "store"], has_sessions=False)]
    ['helped, several channels', 'helped, one channel', 'alone, several channels', 'alone, one channel']
    """
    people = tuple(channel for channel in channels if channel.lower() in PEOPLE)
    choices: list[list[tuple[str, dict[str, object]]]] = []
    if people:
        choices.append([("helped", {"through": people}), ("alone", {"without": people})])
    if has_sessions:
        choices.append([("one visit", {"visits": 1}), ("several visits", {"visits": AtLeast(at_least=2)})])
    if len(channels) > 1:
        choices.append([("several channels", {"crosses": 2}), ("one channel", {})])
    routes = []
    for chosen in product(*choices):
        rules = {name: value for _, rule in chosen for name, value in rule.items()}
        if rules:
            routes.append(Route.model_validate({"name": ", ".join(name for name, _ in chosen), **rules}))
    return routes


@dataclass(frozen=True, eq=False)
class RouteFamilies:
    """Families bound to a store."""

    families: tuple[Route, ...]
    columns: tuple[str, ...]
    patterns: Mapping[str, Pattern]
    """The patterns of those families that have one, by name."""

    @classmethod
    def of(cls, paths: Paths, goal: Goal, routes: Sequence[Route] | None) -> RouteFamilies:
        """The families, by default those of `default_routes`; warns of a word that nothing is called.

        Raises `DefinitionError` for two families of one name, a family that names the goal, a pattern that cannot be
        parsed, and visits or channels that the paths do not have.
        """
        words = {name: paths.dictionaries.get(name, pl.Series([], dtype=pl.String)) for name in _WORDS}
        if routes is None:
            channels = words[CHANNEL].cast(pl.String).to_list()
            routes = default_routes(channels, has_sessions=SESSION in paths.schema)
        names = [route.name for route in routes]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise DefinitionError(f"Two routes are called {twice[0]!r}.", expected="a name of its own for each")
        patterns = {route.name: searchable(route.pattern) for route in routes if route.pattern is not None}
        for route in routes:
            named = (*route.words, *(patterns[route.name].names if route.name in patterns else ()))
            if own := [word for word in named if word in goal.steps]:
                raise DefinitionError(
                    f"Route {route.name!r} names the goal.",
                    expected="what lies before the goal",
                    found=own[0],
                    do="leave it out: every family is told with its goal rate",
                )
            unknown = [word for word in named if not _is_known(word, words)]
            warn_of_unknown(unknown_words(paths, TOUCHPOINT, unknown))
            paths.require(*([CHANNEL] if route.crosses else []), *([SESSION] if route.visits else []))
        sessions = [SESSION] if any(route.visits for route in routes) else []
        return cls(tuple(routes), (*(name for name in _WORDS if name in paths.schema), *sessions), patterns)

    @property
    def names(self) -> list[str]:
        """The names of all families of an answer, in order."""
        return [*(route.name for route in self.families), OTHER, DIRECT]

    def numbers(self, touches: pl.DataFrame, unit: Ints, times: Ints, direct: Flags) -> Ints:
        """The number of the family of each unit, in the order of `names`.

        `touches` are those before the goal, as text, in order; `unit` is the unit of each, `times` are microseconds.
        """
        units = len(direct)
        met = _Met(touches, unit, times, units, self.patterns)
        number = np.full(units, len(self.families))
        for place in range(len(self.families) - 1, -1, -1):
            number[met.fits(self.families[place])] = place
        number[direct] = len(self.families) + 1
        return number


_WORDS: Final = (TOUCHPOINT, CHANNEL, STAGE)


def _is_known(word: str, words: dict[str, pl.Series]) -> bool:
    if word.startswith(STAGE_PREFIX):
        return word.removeprefix(STAGE_PREFIX) in words[STAGE]
    return word in words[TOUCHPOINT] or word in words[CHANNEL]


@dataclass(frozen=True)
class _Met:
    """What the units of a part met before the goal."""

    touches: pl.DataFrame
    unit: Ints
    times: Ints
    units: int
    patterns: Mapping[str, Pattern]

    def fits(self, route: Route) -> Flags:
        """Which units meet all rules of a family."""
        found = np.ones(self.units, np.bool_)
        for rule in self._rules(route):
            found &= rule()
        return found

    def _rules(self, route: Route) -> Iterator[Callable[[], Flags]]:
        if route.entered:
            yield lambda: self._any(self._named(route.entered) & self._firsts)
        if route.through:
            yield lambda: self._any(self._named(route.through))
        if route.without:
            yield lambda: ~self._any(self._named(route.without))
        if route.crosses is not None:
            yield lambda: self._distinct(CHANNEL) >= (route.crosses or 0)
        match route.visits:
            case int(exactly):
                yield lambda: self._distinct(SESSION) == exactly
            case AtLeast(at_least=least):
                yield lambda: self._distinct(SESSION) >= least
        if route.pattern is not None:
            yield lambda: self._matches(self.patterns[route.name])

    @property
    def _firsts(self) -> Flags:
        return np.append(True, self.unit[1:] != self.unit[:-1])[: len(self.unit)]

    def _any(self, touches: Flags) -> Flags:
        return np.bincount(self.unit[touches], minlength=self.units) > 0

    def _matches(self, pattern: Pattern) -> Flags:
        bounds = np.searchsorted(self.unit, np.arange(self.units + 1))
        return matching(pattern, [self._named([name]) for name in pattern.names], bounds, self.times)

    def _named(self, words: Sequence[str]) -> Flags:
        """Which touches one of the words names."""
        plain = [word for word in words if not word.startswith(STAGE_PREFIX)]
        stages = [word.removeprefix(STAGE_PREFIX) for word in words if word.startswith(STAGE_PREFIX)]
        named = {TOUCHPOINT: plain, CHANNEL: plain, STAGE: stages}
        hits = [pl.col(column).is_in(named[column]) for column in _WORDS if column in self.touches.columns]
        return self.touches.select(pl.any_horizontal(hits).fill_null(False)).to_series().to_numpy()

    def _distinct(self, column: str) -> Ints:
        """How many values of a column the touches of each unit have."""
        pairs = self.touches.select(pl.Series("unit", self.unit), column).drop_nulls().unique()
        return np.bincount(pairs["unit"].to_numpy(), minlength=self.units)
