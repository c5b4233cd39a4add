"""Runs every query of a report against the path store and passes each result through the privacy rules.

Comparisons that analytics has no measure for (a group against the rest, a period against the one before) are computed
from its counts and statistics.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from fnmatch import fnmatchcase
from functools import cache
from typing import Any, Final

import polars as pl

from analytics import (
    Goal,
    PathRules,
    Paths,
    flow_routes,
    goal_attainment,
    goal_rate,
    goal_window,
    landed_offsets,
    main_goal,
    stage_funnel,
    step_matrix,
    summary,
    transitions,
    usage,
    variants,
    voice,
)
from expectations.errors import StorageError
from expectations.lake.layout import EVENTS, Lake
from reports.privacy import flow
from reports.privacy.goals import publishable_goals
from reports.privacy.paths import publishable_moves, publishable_paths, publishable_positions, publishable_use
from reports.privacy.stages import OUTCOMES, WITHHELD, publishable_stages, publishable_voice, totals
from reports.questions import groups, pacing, periods, scope, weeks
from reports.questions.act_first import problems
from reports.questions.answers import Answers, Facts, GoalDefinition, Origin
from reports.questions.cube import Cube, build_cube, published_counts
from reports.questions.money import amount_of, currency_of, money_of, rates_text
from reports.questions.quality import evidence
from reports.settings import ReportSettings

__all__ = ["Goal", "PathRules", "answers_about", "answers_of", "definitions_hash"]
"""With `Goal` and `PathRules`, so that whoever publishes a report need not import analytics."""

_POSITIONS: Final = 8


def answers_of(lake: Lake, settings: ReportSettings, rules: PathRules, goals: Sequence[Goal] = ()) -> Answers | None:
    """All results of the report over a lake's path store, or null when the store holds no touch.

    The first of `goals` is the one that ends journeys; without any it is that of the rules. Raises `DefinitionError`
    when a breakdown is not a text column of the store, or when the requested days hold no touch.
    """
    try:
        paths = Paths.open(lake)
    except StorageError as error:
        if "no path store" in error.what:
            return None
        raise
    within = scope.within(paths, settings)
    if not len(paths):
        return None
    if not len(within):
        raise scope.no_such_days(paths, settings)
    answers = answers_about(within, settings, rules, goals)
    origin = replace(answers.origin, versions=_versions(paths), offsets=_offsets(lake, paths))
    return replace(answers, origin=origin, evidence=evidence(lake, settings.k, settings.zone))


def answers_about(paths: Paths, settings: ReportSettings, rules: PathRules, goals: Sequence[Goal] = ()) -> Answers:
    """All results of the report over these paths, which hold at least one touch."""
    scope.check_breakdowns(paths, settings.segments)
    paths = paths if paths.definition else paths.defined_by(rules.definition)
    goal, facts = _main_goal(paths, rules, goals), _facts(paths, settings)
    value = None if settings.value is None else amount_of(settings, settings.value)
    counts = stage_funnel(paths, goal=goal, window=settings.window, value=value, returns=settings.returns)
    window = goal_window(paths, settings.window)
    stages = publishable_stages(counts, settings.k, settings.least)
    segments = groups.segment_differences(paths, settings, goal)
    weekly = weeks.step_conversion(paths, settings, facts, goal)
    return Answers(
        facts=facts,
        goal=goal.name,
        window=window,
        currency=currency_of(paths, value),
        stages=stages,
        segments=segments,
        flow=_flow(paths, settings, rules),
        **_routes(paths, settings),
        used=_used(paths, settings),
        weeks=weekly,
        problems=problems(stages, segments, weekly),
        attained=_attained(paths, goal, goals, stages, settings),
        definitions=_definitions(paths, goal, goals, settings),
        linked=_linked(paths),
        stage_numbers=_stage_numbers(paths, rules),
        goals=frozenset(rules.goal),
        cube=_cube(paths, stages, segments, settings),
        **_pacing(paths, window, settings, facts),
        changes=periods.period_changes(paths, window, settings, facts, goal),
        **_voice(paths, settings, rules, facts),
        origin=Origin(definitions_hash(settings, rules, goals), _versions(paths)),
    )


def _main_goal(paths: Paths, rules: PathRules, goals: Sequence[Goal]) -> Goal:
    """The goal that ended the journeys of these paths, with the name that it has now."""
    named = goals[0] if goals else main_goal(rules.goal)
    return named.model_copy(update={"steps": paths.definition.goal}) if paths.definition else named


def _attained(
    paths: Paths, main: Goal, goals: Sequence[Goal], stages: pl.DataFrame, settings: ReportSettings
) -> pl.DataFrame | None:
    """What share of journeys reaches each goal of journeys.toml; null where it has none."""
    if not goals:
        return None
    asked = [main, *goals[1:]]
    money = money_of(settings, [goal.value for goal in asked if isinstance(goal.value, str)])
    found = goal_attainment(paths, asked, window=settings.window, money=money)
    hidden = stages.filter(kind="goal", state=WITHHELD)["name"].to_list()
    return publishable_goals(found, [goal.steps for goal in asked], hidden, settings.k, settings.least)


def _definitions(
    paths: Paths, main: Goal, goals: Sequence[Goal], settings: ReportSettings
) -> tuple[GoalDefinition, ...]:
    """What every goal means."""
    return tuple(
        GoalDefinition(
            goal.name,
            goal.steps,
            goal_window(paths, goal.horizon if goal.horizon is not None else settings.window),
            *(goal.owner, goal.reviewed, goal.says),
        )
        for goal in (main, *goals[1:])
    )


def _cube(paths: Paths, stages: pl.DataFrame, segments: pl.DataFrame | None, settings: ReportSettings) -> Cube | None:
    """The mature journeys of the stage funnel by group and by week in which they begin."""
    columns = _explored(settings)
    if not columns:
        return None

    @cache
    def counts(by: tuple[str, ...]) -> pl.DataFrame:
        return stage_funnel(paths, window=settings.window, by=by, period="week", timezone=settings.timezone).filter(
            ~pl.col("is_total")
        )

    published = published_counts(stages, segments, [settings.name_of(column) for column in columns])
    return build_cube(counts, stages["name"].to_list(), columns, settings.k, published)


def _explored(settings: ReportSettings) -> tuple[str, ...]:
    """The columns of the cube: those configured, otherwise device and channel, otherwise the first two."""
    usual = [name for name in ("device", "channel") if name in settings.segments]
    asked = [name for name in settings.explore if name in settings.segments]
    return tuple(asked or dict.fromkeys([*usual, *settings.segments]))[:2]


def definitions_hash(settings: ReportSettings, rules: PathRules, goals: Sequence[Goal] = ()) -> str:
    """A short hash of all definitions; equal settings and rates give an equal hash, wherever their file lies."""
    report = settings.model_dump(mode="json", exclude={"rates"}) | {"rates": rates_text(settings)}
    text = json.dumps([report, *(each.model_dump(mode="json") for each in (rules, *goals))], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:10]


def _flow(paths: Paths, settings: ReportSettings, rules: PathRules) -> flow.Flow | None:
    if "journey" not in paths.schema:
        return None
    routes = flow_routes(
        paths, depth=settings.flow_depth, top=settings.flow_top, collapse=settings.collapse, window=settings.window
    )
    rated = routes.with_columns(units="mature", converted="reached").filter(pl.col("mature") > 0)
    return flow.publishable_flow(rated, set(rules.goal), settings.k)


def _routes(paths: Paths, settings: ReportSettings) -> dict[str, Any]:
    """Whole paths, positions and moves; empty where touches have no journey."""
    if "journey" not in paths.schema:
        return {}
    collapse = settings.collapse
    whole_paths = variants(paths, min_units=settings.least, collapse=collapse, window=settings.window)
    mature = goal_rate(paths, window=settings.window)["mature"][0]
    return {
        "paths": publishable_paths(whole_paths, mature, settings.least),
        "positions": publishable_positions(step_matrix(paths, _POSITIONS, collapse=collapse), settings.k),
        "moves": publishable_moves(transitions(paths, collapse=collapse), settings.k),
    }


def _pacing(paths: Paths, window: timedelta, settings: ReportSettings, facts: Facts) -> dict[str, Any]:
    """Time to the goal and the share that has reached it by day; empty where touches have no journey."""
    column = "device" if "device" in settings.segments else next(iter(settings.segments), None)
    if not pacing.has_journeys(paths):
        return {}
    k, min_journeys, total = settings.k, settings.least, pacing.summary(paths, window)
    return {
        "pace": pacing.pace(total, min_journeys),
        "pace_shift": periods.pace_shift(paths, window, settings, facts),
        "times": pacing.times_to_goal(paths, total, window, k=k, min_journeys=min_journeys),
        "incidence": pacing.incidence(paths, column, window=window, k=k, min_journeys=min_journeys),
        "incidence_by": None if column is None else settings.name_of(column),
    }


def _used(paths: Paths, settings: ReportSettings) -> pl.DataFrame | None:
    """Customers by stage and touchpoint."""
    if "stage" not in paths.schema:
        return None
    used = usage(paths, by="stage").filter(~pl.col("is_total"), pl.col("stage").is_not_null())
    return publishable_use(used.rename({"customers_of_group": "of"}), settings.k)


def _linked(paths: Paths) -> pl.DataFrame | None:
    row = summary(paths).row(0, named=True)
    shares = {name.removeprefix("linked_"): share for name, share in row.items() if name.startswith("linked_")}
    if any(share is None for share in shares.values()):
        return None
    return pl.DataFrame({"way": list(shares), "share": [round(share, 4) for share in shares.values()]})


def _stage_numbers(paths: Paths, rules: PathRules) -> dict[str, int]:
    """The stage number of every touchpoint that a stage rule matches."""
    names = list(dict.fromkeys(stage.name for stage in rules.stages))
    numbers: dict[str, int] = {}
    for touchpoint in paths.values_of("touchpoint").to_list():
        for rule in rules.stages:
            if touchpoint not in numbers and any(fnmatchcase(touchpoint, pattern) for pattern in rule.touchpoints):
                numbers[touchpoint] = names.index(rule.name)
    return numbers


def _voice(paths: Paths, settings: ReportSettings, rules: PathRules, facts: Facts) -> dict[str, Any]:
    """Survey satisfaction by stage, where the data holds survey answers."""
    if not {"survey", "score", "stage"} <= set(paths.schema):
        return {}
    satisfaction = voice(paths, by="stage").filter(~pl.col("is_total") & pl.col("stage").is_not_null())
    order = {name: number for number, name in enumerate(dict.fromkeys(stage.name for stage in rules.stages))}
    satisfaction = satisfaction.sort(pl.col("stage").replace_strict(order, default=len(order)), maintain_order=True)
    publishable = publishable_voice(satisfaction, settings.k, settings.least)
    return {"voice": publishable, "voice_shifts": periods.voice_shifts(paths, settings, facts)}


def _facts(paths: Paths, settings: ReportSettings) -> Facts:
    row: dict[str, Any] = summary(paths).row(0, named=True)
    counts = totals({name: row[name] or 0 for name in ("customers", "journeys", *OUTCOMES)}, settings.k)
    first, end = (time.astimezone(settings.zone) for time in (row["first_at"], row["end_of_data"] or row["last_at"]))
    return Facts(row["touches"], **counts, first_at=first, end_of_data=end)


def _offsets(lake: Lake, paths: Paths) -> dict[str, dict[int, int]]:
    """The last offset of every partition when the paths were stitched."""
    version = paths.built_from.get(EVENTS)
    offsets: dict[str, dict[int, int]] = {}
    last_offsets = landed_offsets(lake, version if isinstance(version, int) else None)
    for topic, partition, last in last_offsets.iter_rows():
        offsets.setdefault(topic, {})[partition] = last
    return offsets


def _versions(paths: Paths) -> dict[str, str]:
    """Versions of the inputs; long hashes are cut to ten characters."""
    return {str(name): str(value)[:10] for name, value in paths.built_from.items() if isinstance(value, str | int)}
