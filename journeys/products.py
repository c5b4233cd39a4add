"""`[[journeys]]` of journeys.toml: the definitions, what their numbers are made by, and their history in the lake."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final

from expectations.errors import DefinitionError, nearest
from journeys.app import paths_on
from journeys.segmented import PREFIX as SEGMENT
from journeys.segmented import columns_of, keep_versions, segments_in

if TYPE_CHECKING:
    import polars as pl

    from analytics import Goal, JourneyProduct, Paths
    from journeys.settings import Settings
    from reports.questions.ask import OwnedDefinition, Products

VERSIONS_OF_JOURNEYS: Final = "journeys.json"
"""The file of the lake with the digest of every version of a journey that has been checked."""
RULES: Final = ("goal", "stages", "touchpoints", "journeys", "order of touches", "identity rules")
"""The parts of the definitions of paths that decide what journeys reach."""


def products_in(settings: Settings, names: Sequence[str] = ()) -> list[JourneyProduct]:
    """The journeys of the configuration, or those of these names.

    Raises `ConfigurationError` for a goal, a segment or a stage that the configuration has not, and `DefinitionError`
    with the nearest name for a journey that is not there.
    """
    written = {each.name: each for each in settings.journeys}
    for name in names:
        if name not in written:
            expected = f"one of {', '.join(written)}" if written else "[[journeys]] in journeys.toml, which has none"
            raise DefinitionError(f"There is no journey {name!r}.", expected=expected, do=nearest(name, written))
    chosen = {name: written[name] for name in names} if names else written
    segments = segments_in(settings) if any(each.members for each in chosen.values()) else {}
    goals = _goals_in(settings)
    stages = list(dict.fromkeys(stage.name for stage in settings.paths.stages))
    for index, each in enumerate(written.values()):
        if each.name in chosen:
            settings.check_known(("journeys", index, "goal"), "goal", [each.goal], list(goals))
            settings.check_known(
                ("journeys", index, "for"), "segment", [each.members] if each.members else [], list(segments)
            )
            settings.check_known(("journeys", index, "stages"), "stage", each.stages or (), stages)
    return [each.definition(goals, segments) for each in chosen.values()]


def _goals_in(settings: Settings) -> dict[str, Goal]:
    """The goals by name; one without a horizon has that of the report."""
    from analytics import duration

    goals, window = settings.goals or (settings.main_goal,), settings.report.window
    if window is None:
        return {goal.name: goal for goal in goals}
    horizon = duration(window)
    return {goal.name: goal.model_copy(update={"horizon": goal.horizon or horizon}) for goal in goals}


def made_by(settings: Settings) -> str:
    """The digest of the rules by which journeys are made: numbers made by other rules are no series with these."""
    from reports.questions.definitions import definition_hashes, definitions_hash

    parts = definition_hashes(settings.report, settings.paths)
    return definitions_hash({name: parts[name] for name in RULES})


def of_report(settings: Settings, *, is_filtered: bool) -> Products | None:
    """What a report asks about the journeys; a filtered report asks nothing, as cohorts are of all journeys."""
    from reports.questions.ask import Products

    if is_filtered or not settings.journeys:
        return None
    by = {each.name: tuple(columns_of(split_of(settings, each.name))) for each in settings.journeys}
    return Products(tuple(products_in(settings)), by, made_by(settings))


def split_of(settings: Settings, name: str) -> tuple[str, ...]:
    """The columns by which what moved in a journey is split: its own, or those of the report."""
    (own,) = (each.by for each in settings.journeys if each.name == name)
    return settings.report.segments if own is None else own


def owned_in(settings: Settings, words: Iterable[str]) -> list[OwnedDefinition]:
    """The segments among these words, the journeys, and the funnels that are watched, with who is responsible."""
    from reports.questions.ask import OwnedDefinition

    named = {word.removeprefix(SEGMENT) for word in words if word.startswith(SEGMENT)}
    named |= {each.members for each in settings.journeys}
    segments = [each for each in settings.segments if each.name in named]
    of_journeys = [
        OwnedDefinition("journey", each.name, each.version, each.owner, each.reviewed, each.says or each.purpose)
        for each in settings.journeys
    ]
    watched = {each.funnel for each in settings.watches}
    funnels = [each for name, each in settings.funnels.items() if name in watched]
    return [
        *(OwnedDefinition("segment", one.name, one.version, one.owner, one.reviewed, one.says) for one in segments),
        *of_journeys,
        *(OwnedDefinition("funnel", one.name, None, one.owner, one.reviewed, one.says) for one in funnels),
    ]


def record_journeys(settings: Settings, run: str, at: datetime, on: str | None = None) -> int:
    """Adds what is told of the targets of all journeys to the history of the lake; returns how many rows were added."""
    from analytics import erasures

    definitions = products_in(settings)
    if not definitions:
        return 0
    erased, paths = erasures(settings.lake), paths_on(settings, on)
    if paths.end_of_data is None:
        return 0
    return record(settings, paths, cohorts_of(settings, paths, definitions), run=run, at=at, erased=erased)


def cohorts_of(settings: Settings, paths: Paths, definitions: Sequence[JourneyProduct]) -> pl.DataFrame:
    """The rows of `analytics.product_cohorts`, in the zone of the report."""
    from analytics import check_product, product_cohorts

    for definition in definitions:
        check_product(paths, definition)
    return product_cohorts(paths, definitions, timezone=settings.report.timezone, made_by=made_by(settings))


def record(settings: Settings, paths: Paths, table: pl.DataFrame, *, run: str, at: datetime, erased: int) -> int:
    """Adds the rows of `cohorts_of` that tell anything new to the history; returns how many these are."""
    from analytics import record_products

    assert paths.end_of_data is not None
    return record_products(settings.lake, table, run=run, at=at, end_of_data=paths.end_of_data, erased=erased)


def check_product_versions(settings: Settings) -> None:
    """Keeps the digest of every version of a journey in the lake.

    Raises `ConfigurationError` for a definition that is no longer that of its version.
    """
    versions = [(each.name, each.version, each.hash) for each in products_in(settings)]
    keep_versions(settings, "journeys", VERSIONS_OF_JOURNEYS, versions)
