"""Finds personas among customers' real paths: how many, by which features, and which are those of the fit before.

Reports use the fit in force; a new one is made on purpose, and keeps the identity of personas by the members that they
share (`match_personas`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final

import numpy as np
import polars as pl

from analytics.engine.run import on_parts
from analytics.segments.personas.column import persona_members
from analytics.segments.personas.features import (
    CHANNEL,
    DEFAULT,
    ENTRY,
    RHYTHM,
    SHARES,
    Feature,
    FeatureReader,
    Floats,
    family_scales,
    known_families,
    named,
    rooted,
    used_features,
)
from analytics.segments.personas.fitted import CANDIDATES, FittedPersona, PersonaFit, digest_of_features
from analytics.segments.personas.matching import (
    FEWEST,
    MIN_PLACED,
    MOST,
    is_stable,
    match_personas,
    persona_count,
)
from analytics.segments.personas.observation import Ints, Observation, Observed, ObservedCustomers
from analytics.store.encoding import Dictionaries
from analytics.store.parts import Part
from analytics.store.paths import Paths
from expectations.errors import DefinitionError

MOST_DRAWN: Final = 20_000
"""Groups are found among so many placed customers at most, drawn by the hash of their key."""
MOST_FORCED: Final = 12
DISTINCT: Final = 0.5
"""A feature distinguishes a persona from this difference on, in standard deviations."""


def fit_personas(
    paths: Paths,
    *,
    features: Sequence[str] = DEFAULT,
    never: Sequence[str] = (),
    k: int | None = None,
    observation: Observation | None = None,
    zone: str = "UTC",
    seed: int = 0,
    after: PersonaFit | None = None,
    members: pl.DataFrame | None = None,
) -> PersonaFit:
    """Finds personas: groups of customers who move alike in their observation.

    `features` are families (`analytics.segments.personas.features`): `channel`, `device`, `touchpoint`, `stage`,
    `rhythm`, `movement`, `entry`; those that the paths lack are left out. One of `never` is refused. The number of
    groups is the largest of 2 to 8 that is stable (`persona_count`), or `k`. Groups are found among at most 20,000
    placed customers, drawn by the hash of their key, the same at every run; who objects to profiling is not among them.
    Fewer than 500 placed customers, and groups that are no more stable than chance, give a fit without personas.

    With `after`, the fit before, and its `members` (`customer`, `persona`: the id; `persona_members`), groups that hold
    the same people keep the id (`match_personas`); others get a new one. A persona is named after what distinguishes it
    most: its channel, then its device, touchpoint or rhythm.

    The memory taken is that of the drawn customers and of one part per core. Raises `DefinitionError` for an unknown
    feature, one of `never`, none that the paths have, a `k` of 1 or above 12, or above the customers that differ.

    >>> shop = Paths.from_text({"ann": "look@0d look@1d look@2d", "bo": "look@0d"}, end="60d")
    >>> fit_personas(shop).placed, fit_personas(shop).personas
    (1, ())
    """
    if k is not None and (isinstance(k, bool) or not FEWEST <= k <= MOST_FORCED):
        raise DefinitionError(
            "So many personas cannot be asked for.", expected=f"k of 2 to {MOST_FORCED}", found=str(k)
        )
    observation = observation or Observation()
    families = known_families(paths, features, never)
    reader, bound = FeatureReader.of(paths, zone), Observed.of(paths, observation)
    use, hashes = _first_pass(paths, reader, bound, families)
    placed = len(hashes)
    columns = used_features(reader, use, families, placed)
    entered, *halves = (rooted(columns, raw) for raw in _drawn(paths, reader, bound, columns, hashes))
    scales = family_scales(columns, entered)
    kept = np.flatnonzero(scales > 0)
    empty = PersonaFit(
        number=1 if after is None else after.number + 1,
        families=families,
        observation=observation,
        zone=zone,
        features=tuple(columns[i] for i in kept),
        scales=tuple(scales[kept].tolist()),
        centres=(),
        personas=(),
        candidates=pl.DataFrame(schema=CANDIDATES),
        placed=placed,
        drawn=len(entered),
        end_of_data=paths.end_of_data,
        definition=digest_of_features(paths, families, observation, zone),
        rules=paths.built_from.get("rules"),
        dropped=tuple(columns[i] for i in np.flatnonzero(scales == 0)),
        retired=() if after is None else after.retired,
        forced=k is not None,
    )
    found = _found(empty, [points[:, kept] / scales[kept] for points in (entered, *halves)], k, seed)
    return found if after is None else _identified(found, after, paths, members)


def _found(empty: PersonaFit, scaled: Sequence[Floats], k: int | None, seed: int) -> PersonaFit:
    """The fit with its groups, the largest first; `scaled` are the customers drawn, and halves of their sessions."""
    entered, *halves = scaled
    if k is None and (empty.placed < MIN_PLACED or not entered.size):
        return empty
    from analytics.segments.personas.clusters import grouped, shuffled_jaccards, split_half

    points = entered.astype(np.float32)
    groups = {} if not entered.size else grouped(points, [k] if k is not None else range(FEWEST, MOST + 1), seed)
    if k is not None and k not in groups:
        raise DefinitionError(
            "There are more personas than customers that differ.", expected="a smaller k", found=str(k)
        )
    rows: list[dict[str, Any]] = [
        {
            "k": number,
            "min_jaccard": float(own.jaccard.min()),
            "mean_jaccard": float(own.jaccard.mean()),
            "shuffled_jaccard": None,
            "split_half": split_half(halves[0], halves[1], own.centres),
            "smallest_share": own.smallest_share,
        }
        for number, own in groups.items()
    ]
    stable = [row["k"] for row in rows if is_stable({**row, "shuffled_jaccard": 0.0}, empty.placed)]
    shuffled = shuffled_jaccards(points, stable, seed)
    rows = [{**row, "shuffled_jaccard": shuffled.get(row["k"])} for row in rows]
    chosen = k if k is not None else persona_count(rows, empty.placed)
    candidates = pl.DataFrame([{**row, "chosen": row["k"] == chosen} for row in rows], schema=CANDIDATES)
    if chosen is None:
        return replace(empty, candidates=candidates)
    own = groups[chosen]
    order = np.argsort(-np.bincount(own.labels, minlength=chosen), kind="stable")
    labels = np.argsort(order)[own.labels]
    names = _names(empty.features, entered, labels, chosen)
    return replace(
        empty,
        candidates=candidates,
        centres=tuple(tuple(own.centres[i].tolist()) for i in order),
        personas=tuple(
            FittedPersona(f"p{place + 1}", name, float(own.jaccard[i]))
            for place, (name, i) in enumerate(zip(names, order, strict=True))
        ),
    )


def _identified(fit: PersonaFit, after: PersonaFit, paths: Paths, members: pl.DataFrame | None) -> PersonaFit:
    """The fit whose groups have the ids of the personas that they are."""
    was = persona_members(paths, after) if members is None else members
    if paths.objected:
        was = was.filter(~pl.col("customer").cast(pl.String).is_in(list(paths.objected)))
    now = persona_members(paths, fit)
    same = match_personas(was.select("customer", "persona"), now.select("customer", "persona"))
    known = dict(same.drop_nulls(["group", "persona"]).select("group", "persona").iter_rows())
    used = {*after.ids, *after.retired}
    fresh = (f"p{number}" for number in range(1, len(used) + len(fit.personas) + 1) if f"p{number}" not in used)
    personas = tuple(replace(persona, id=known.get(persona.id) or next(fresh)) for persona in fit.personas)
    kept = {persona.id for persona in personas}
    retired = (*after.retired, *(own for own in after.ids if own not in kept))
    return replace(fit, personas=personas, retired=tuple(dict.fromkeys(retired)))


def _names(features: Sequence[Feature], entered: Floats, labels: Ints, k: int) -> list[str]:
    """A name for each group from what distinguishes it: a channel, then the largest of the other features."""
    sizes = np.bincount(labels, minlength=k)
    sums = np.stack([np.bincount(labels, weights=column, minlength=k) for column in entered.T], axis=1)
    others = (sums.sum(axis=0) - sums) / np.maximum(len(labels) - sizes, 1)[:, None]
    differences = (sums / np.maximum(sizes, 1)[:, None] - others) / np.maximum(entered.std(axis=0), 1e-12)
    taken: list[str] = []
    for group in range(k):
        words = _words(features, differences[group])
        options = [", ".join(words[:size]) for size in range(min(2, len(words)), len(words) + 1)] if words else []
        name = next((option for option in options if option not in taken), "")
        taken.append(name or f"group {group + 1}")
    return taken


def _words(features: Sequence[Feature], differences: Floats) -> list[str]:
    """The words of a group: its channel first, then one of each other family of values, the largest first."""
    order = np.argsort(-differences, kind="stable")
    there = [features[i] for i in order if differences[i] >= DISTINCT]
    words: dict[str, str] = {}
    for family in (CHANNEL, *(family for family, _ in there if family not in (CHANNEL, ENTRY))):
        first = next((feature for feature in there if feature[0] == family), None)
        if first is not None and family in (*SHARES, RHYTHM):
            words.setdefault(family, named(first) if family != RHYTHM else f"more {named(first)}")
    return list(words.values())


def _first_pass(
    paths: Paths, reader: FeatureReader, bound: Observed, families: Sequence[str]
) -> tuple[pl.DataFrame, NDArrayU64]:
    """How many placed customers use each value, and the hashes of the placed customers."""
    found = on_parts(paths.stored, partial(_use, reader, bound, tuple(families)))
    tables = [table for table, _ in found]
    empty = pl.DataFrame(schema={"family": pl.String, "value": pl.String, "customers": pl.Int64})
    hashes = np.concatenate([np.zeros(0, np.uint64), *(own for _, own in found)])
    return pl.concat([empty, *tables]), hashes


def _use(
    reader: FeatureReader, bound: Observed, families: tuple[str, ...], part: Part, _: Dictionaries
) -> tuple[pl.DataFrame, NDArrayU64]:
    customers = bound.customers(part)
    return reader.use(customers, families), hashed(customers)


def _drawn(
    paths: Paths, reader: FeatureReader, bound: Observed, features: Sequence[Feature], hashes: NDArrayU64
) -> list[Floats]:
    """The features of the customers drawn, by their hashes, and those of the halves of their sessions."""
    if not features or not len(hashes):
        return [np.zeros((0, len(features)))] * 3
    highest = np.partition(hashes, MOST_DRAWN - 1)[MOST_DRAWN - 1] if len(hashes) > MOST_DRAWN else hashes.max()
    found = on_parts(paths.stored, partial(_features, reader, bound, tuple(features), int(highest)))
    order = np.argsort(np.concatenate([own for own, _ in found]), kind="stable")
    return [np.concatenate([tables[place] for _, tables in found])[order] for place in range(3)]


def _features(
    reader: FeatureReader, bound: Observed, features: tuple[Feature, ...], highest: int, part: Part, _: Dictionaries
) -> tuple[NDArrayU64, tuple[Floats, ...]]:
    customers = bound.customers(part)
    own = hashed(customers)
    wanted = own <= np.uint64(highest)
    return own[wanted], (
        reader.read(customers, features, wanted),
        *reader.halves(customers, features, wanted),
    )


NDArrayU64 = np.ndarray[Any, np.dtype[np.uint64]]


def hashed(customers: ObservedCustomers) -> NDArrayU64:
    """A number for the key of each placed customer, the same at every run and in every place."""
    keys = customers.keys.gather(customers.placed).to_list()
    digests = b"".join(hashlib.blake2b(key.encode(), digest_size=8).digest() for key in keys)
    return np.frombuffer(digests, np.uint64)
