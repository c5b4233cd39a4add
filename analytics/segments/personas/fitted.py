"""A fit: personas found once among customers' real paths, and kept, so that numbers move because people do.

A fit holds the features, their scales, the centres, and which group is which persona. Customers are given to the
nearest centre.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final, Self

import numpy as np
import polars as pl

from analytics.segments.personas.features import (
    Feature,
    FeatureReader,
    Floats,
    known_families,
    rooted,
)
from analytics.segments.personas.observation import Ints, Observation, ObservedCustomers
from analytics.store.paths import Paths
from expectations.config.digest import digest_of
from expectations.errors import DefinitionError, nearest

CANDIDATES: Final = pl.Schema(
    {
        "k": pl.Int64(),
        "min_jaccard": pl.Float64(),
        "mean_jaccard": pl.Float64(),
        "shuffled_jaccard": pl.Float64(),
        "split_half": pl.Float64(),
        "smallest_share": pl.Float64(),
        "chosen": pl.Boolean(),
    }
)


@dataclass(frozen=True)
class FittedPersona:
    """A persona of a fit: its `id` for good, its name by what distinguishes it, and how stable its group is."""

    id: str
    name: str
    stability: float


@dataclass(frozen=True, eq=False)
class PersonaFit:
    """Personas found among real paths. `personas` are in the order of `centres`; none where no groups are stable.

    `scales` divide the rooted features; `dropped` are features in which nobody varies. `candidates` has one row per
    number of groups that was tried; `placed` and `drawn` say among how many customers. `retired` are the ids of earlier
    fits that no group has any more. `definition` is the digest of what the features mean, `rules` that of the rules
    that made the touches: a fit made from others than the present ones is refused (`check`).
    """

    number: int
    families: tuple[str, ...]
    observation: Observation
    zone: str
    features: tuple[Feature, ...]
    scales: tuple[float, ...]
    centres: tuple[tuple[float, ...], ...]
    personas: tuple[FittedPersona, ...]
    candidates: pl.DataFrame
    placed: int
    drawn: int
    end_of_data: datetime | None
    definition: str
    rules: str | None = None
    dropped: tuple[Feature, ...] = ()
    retired: tuple[str, ...] = ()
    forced: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the personas, in order."""
        return tuple(persona.name for persona in self.personas)

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of the personas, in order."""
        return tuple(persona.id for persona in self.personas)

    @property
    def text(self) -> str:
        """What the personas are, for the definition of a column."""
        return f"fit {self.number} {self.definition} {self.centres}"

    def renamed(self, names: Mapping[str, str]) -> Self:
        """The same fit with other names, by id. Raises `DefinitionError` for an id it has not, and two of one name."""
        if unknown := [name for name in names if name not in self.ids]:
            raise DefinitionError(
                f"No persona has the id {unknown[0]!r}.",
                expected=f"one of {', '.join(self.ids)}" if self.ids else "a fit with personas",
                do="it is retired" if unknown[0] in self.retired else nearest(unknown[0], self.ids),
            )
        personas = tuple(replace(persona, name=names.get(persona.id, persona.name)) for persona in self.personas)
        found = [persona.name for persona in personas]
        if twice := sorted({name for name in found if found.count(name) > 1}):
            raise DefinitionError(f"Two personas are called {twice[0]!r}.", expected="a name of its own for each")
        return replace(self, personas=personas)

    def check(
        self,
        paths: Paths,
        *,
        features: Sequence[str] | None = None,
        observation: Observation | None = None,
        zone: str | None = None,
    ) -> Self:
        """Raises `DefinitionError` when the fit was made from other stages or touchpoint rules, or other features.

        `features`, `observation` and `zone` are those of the configuration, by default as they were.
        """
        families = self.families if features is None else known_families(paths, features)
        now = digest_of_features(paths, families, observation or self.observation, zone or self.zone)
        rules = paths.built_from.get("rules")
        if now != self.definition or (None not in (rules, self.rules) and rules != self.rules):
            raise DefinitionError(
                f"Fit {self.number} of the personas was made from other features, stages or touchpoint rules.",
                expected=f"those of digest {self.definition}",
                found=now if now != self.definition else "other rules of [paths]",
                do="fit anew: journeys personas fit",
            )
        return self

    def placer(self, paths: Paths) -> FitPlacer:
        """What gives the placed customers of a part to the nearest centre."""
        reader = FeatureReader.of(paths, self.zone)
        return FitPlacer(reader, self.features, np.array(self.scales), np.array(self.centres), len(self.personas))

    def as_plain(self) -> dict[str, Any]:
        """The fit as plain data, without a single customer."""
        observation = {**asdict(self.observation), "length": self.observation.length.total_seconds()}
        own = {name: getattr(self, name) for name in _PLAIN}
        return own | {
            "observation": observation,
            "personas": [asdict(persona) for persona in self.personas],
            "candidates": self.candidates.to_dicts(),
            "end_of_data": self.end_of_data and self.end_of_data.isoformat(),
        }

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Self:
        """The fit of plain data."""
        given = plain["observation"]
        length, words = timedelta(seconds=given["length"]), tuple(given["left_out"])
        end = plain["end_of_data"]
        return cls(
            number=plain["number"],
            families=tuple(plain["families"]),
            observation=Observation(length, given["least"], words),
            zone=plain["zone"],
            features=tuple((family, value) for family, value in plain["features"]),
            scales=tuple(plain["scales"]),
            centres=tuple(tuple(centre) for centre in plain["centres"]),
            personas=tuple(FittedPersona(**persona) for persona in plain["personas"]),
            candidates=pl.DataFrame(plain["candidates"], schema=CANDIDATES),
            placed=plain["placed"],
            drawn=plain["drawn"],
            end_of_data=end and datetime.fromisoformat(end),
            definition=plain["definition"],
            rules=plain["rules"],
            dropped=tuple((family, value) for family, value in plain["dropped"]),
            retired=tuple(plain["retired"]),
            forced=plain["forced"],
        )


_PLAIN: Final = (
    *("number", "families", "zone", "features", "scales", "centres", "placed", "drawn", "definition", "dropped"),
    *("rules", "retired", "forced"),
)


@dataclass(frozen=True, eq=False)
class FitPlacer:
    """Gives placed customers to the nearest centre."""

    reader: FeatureReader = field(repr=False)
    features: tuple[Feature, ...]
    scales: Floats
    centres: Floats
    size: int

    def place(self, customers: ObservedCustomers) -> Ints:
        """The persona of each placed customer of a part; -1 where there are none."""
        if not self.size:
            return np.full(len(customers.placed), -1, np.int64)
        from analytics.segments.personas.clusters import nearest_centre

        raw = self.reader.read(customers, self.features)
        return nearest_centre(rooted(self.features, raw) / self.scales, self.centres)


def digest_of_features(paths: Paths, families: Sequence[str], observation: Observation, zone: str) -> str:
    """The digest of what features mean: families, observation, local time and stages."""
    known = paths.definition
    meaning = [
        sorted(families),
        observation.length.total_seconds(),
        observation.least,
        sorted(observation.left_out),
        zone,
        list(known.stages) if known else [],
    ]
    return digest_of(meaning)
