"""Runs every query of a report against the path store and passes each result through the privacy rules.

Comparisons that analytics has no measure for (a group against the rest, a period against the one before) are computed
from its counts and statistics.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, timedelta
from fnmatch import fnmatchcase
from functools import partial
from typing import Any, Final

import polars as pl

from analytics import (
    Asking,
    Goal,
    PathRules,
    Paths,
    answered,
    erasures,
    flow_cells,
    goal_attainment,
    goal_rate,
    goal_window,
    landed_offsets,
    main_goal,
    on_spark,
    stage_funnel,
    step_matrix,
    summary,
    together,
    transitions,
    usage,
    variants,
    voice,
)
from expectations.errors import StorageError
from expectations.lake.layout import EVENTS, Lake
from reports.privacy import flow, restated
from reports.privacy.goals import publishable_goals
from reports.privacy.paths import publishable_moves, publishable_paths, publishable_positions, publishable_use
from reports.privacy.rules import small
from reports.privacy.stages import WITHHELD, is_total_withheld, publishable_stages, publishable_voice
from reports.privacy.steps import CellCounts, Steps, coarse
from reports.questions import groups, pacing, periods, scope
from reports.questions.answers import Answers, Facts, GoalDefinition, Origin
from reports.questions.cube import Cube, build_cube, published_counts
from reports.questions.definitions import definition_hashes, definitions_hash
from reports.questions.money import amount_of, currency_of, money_of
from reports.questions.problems import weeks
from reports.questions.problems.act_first import goals_later, problems
from reports.questions.problems.falls import group_falls
from reports.questions.quality import evidence
from reports.settings import ReportSettings

__all__ = ["Goal", "PathRules", "answers_about", "answers_of"]
"""With `Goal` and `PathRules`, so that whoever publishes a report need not import analytics."""

_POSITIONS: Final = 8


def answers_of(
    lake: Lake,
    settings: ReportSettings,
    rules: PathRules,
    goals: Sequence[Goal] = (),
    earlier: CellCounts | None = None,
    *,
    session: Any = None,
) -> Answers | None:
    """All results of the report over a lake's path store, or null when the store holds no touch.

    The first of `goals` is the one that ends journeys; without any it is that of the rules. Counts are in steps from
    those of `earlier` reports (`reports.privacy.steps`). With a `session` of Spark, its cluster counts.

    Raises `DefinitionError` when a breakdown is not a text column of the store, or when the requested days hold no
    touch.
    """
    erased = erasures(lake)  # before the paths are opened: who is erased later may be in them
    try:
        paths = Paths.open(lake)
    except StorageError as error:
        if "no path store" in error.what:
            return None
        raise
    paths = paths if session is None else on_spark(paths, session)
    within = scope.within(paths, settings)
    if not len(paths):
        return None
    if not len(within):
        raise scope.no_such_days(paths, settings)
    steps = Steps(settings.k, earlier)
    answers = answers_about(within, settings, rules, goals, steps)
    origin = replace(answers.origin, versions=_versions(paths), offsets=_offsets(lake, paths), erasures=erased)
    found = evidence(lake, settings.k, settings.zone)
    events, refused = steps.count("landed", ("events",), found.events), restated.refused_in_steps(found.refused, steps)
    late = coarse(found.late, events, settings.k) if steps.moved("landed") else found.late
    seen = replace(found, events=events, refused=refused, late=late)
    return replace(answers, origin=origin, evidence=seen, counts=dict(steps.counts), rounded=steps.rounded)


def answers_about(
    paths: Paths,
    settings: ReportSettings,
    rules: PathRules,
    goals: Sequence[Goal] = (),
    steps: Steps | None = None,
) -> Answers:
    """All results of the report over these paths, which hold at least one touch; counts in `steps` if given."""
    steps = steps or Steps(settings.k)
    scope.check_breakdowns(paths, settings.segments)
    paths = paths if paths.definition else paths.defined_by(rules.definition)
    goal, facts, hashes = (
        _main_goal(paths, rules, goals),
        _facts(paths, settings),
        definition_hashes(settings, rules, goals),
    )
    value = None if settings.value is None else amount_of(settings, settings.value)
    total = partial(stage_funnel, goal=goal, window=settings.window, value=value, returns=settings.returns)
    window = goal_window(paths, settings.window)
    counts, act, cells, changes = answered(
        paths,
        together(
            _one(total),
            _act_counts(settings, facts, goal),
            _cube_counts(settings),
            periods.period_changes(window, settings, facts, goal),
        ),
    )
    stages = restated.stages_in_steps(publishable_stages(counts, settings.k, settings.least), steps)
    if is_total_withheld(counts, settings.k):
        facts = replace(facts, journeys=None)
    asked = answered(paths, _where_to_act(settings, goal, stages, steps, act))
    segments, published = asked["segments"], _facts_in_steps(facts, steps)
    return Answers(
        facts=published,
        goal=goal.name,
        window=window,
        currency=currency_of(paths, value),
        stages=stages,
        **asked,
        flow=restated.flow_in_steps(_flow(paths, settings, rules), steps),
        **_routes(paths, settings, stages, published.journeys, steps),
        used=restated.shares_in_steps(_used(paths, window, settings, facts), steps, "used", ("stage", "touchpoint")),
        attained=restated.goals_in_steps(_attained(paths, goal, goals, stages, settings), steps),
        definitions=_definitions(paths, goal, goals, settings),
        linked=restated.linked_in_steps(_linked(paths), published.touches, steps),
        stage_numbers=_stage_numbers(paths, rules),
        goals=frozenset(rules.goal),
        cube=_cube(cells, stages, segments, settings),
        **_pacing(paths, window, settings, facts, stages=stages, steps=steps),
        changes=restated.changes_in_steps(changes, steps),
        **_voice(paths, settings, rules, facts, steps),
        origin=Origin(definitions_hash(hashes), _versions(paths), definition=hashes),
    )


def problems_of(
    paths: Paths, settings: ReportSettings, rules: PathRules, goals: Sequence[Goal] = ()
) -> pl.DataFrame | None:
    """The problems of *Where to act first* alone, as the report shows them (`reports.questions.problems.act_first`)."""
    goal = _main_goal(paths, rules, goals)
    total = partial(stage_funnel, goal=goal, window=settings.window)
    counts, act = answered(paths, together(_one(total), _act_counts(settings, _facts(paths, settings), goal)))
    stages = publishable_stages(counts, settings.k, settings.least)
    found = answered(paths, _where_to_act(settings, goal, stages, Steps(settings.k), act))
    listed: pl.DataFrame | None = found["problems"]
    return listed


def _one(question: partial[pl.DataFrame]) -> Asking[pl.DataFrame]:
    """The answer of a single question."""
    answers = yield {None: question}
    return answers[None]


def _act_counts(settings: ReportSettings, facts: Facts, goal: Goal) -> Asking[list[pl.DataFrame | None]]:
    """The groups against all others, and how many journeys go on from step to step, by week and by day."""
    asked = [groups.segment_differences(settings, goal), weeks.step_counts(settings, facts, goal)]
    if settings.segments:
        asked.append(weeks.step_counts(settings, facts, goal, "day"))
    found = yield from together(*asked)
    return [*found, None][:3]


def _where_to_act(
    settings: ReportSettings, goal: Goal, stages: pl.DataFrame, steps: Steps, counts: Sequence[pl.DataFrame | None]
) -> Asking[dict[str, Any]]:
    """The groups against all others, the weeks, and the problems in both, of `_act_counts`: fields of `Answers`."""
    differences, weekly, daily = counts
    segments = restated.segments_in_steps(differences, stages, steps)
    published = restated.weeks_in_steps(weeks.step_conversion(weekly, settings), steps)
    fallen = yield from group_falls(settings, daily, goal, goals_later(stages))
    return {"segments": segments, "weeks": published, "problems": problems(stages, segments, published, fallen)}


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


def _cube_counts(settings: ReportSettings) -> Asking[dict[tuple[str, ...], pl.DataFrame]]:
    """The mature journeys of the stage funnel by group and by week in which they begin: a fine and a coarse cube."""
    explored = _explored(settings)
    weekly = partial(stage_funnel, window=settings.window, period="week", timezone=settings.timezone)
    counted = partial(weekly, columns=("reached", "customers"))
    return (yield {columns: partial(counted, by=columns) for columns in (explored, explored[:1]) if columns})


def _cube(
    counts: Mapping[tuple[str, ...], pl.DataFrame],
    stages: pl.DataFrame,
    segments: pl.DataFrame | None,
    settings: ReportSettings,
) -> Cube | None:
    """The cube of `_cube_counts`."""
    columns = _explored(settings)
    if not columns:
        return None
    published = published_counts(stages, segments, [settings.name_of(column) for column in columns])
    of_groups = {by: table.filter(~pl.col("is_total")) for by, table in counts.items()}
    return build_cube(of_groups.__getitem__, stages["name"].to_list(), columns, settings.k, published)


def _explored(settings: ReportSettings) -> tuple[str, ...]:
    """The columns of the cube: those configured, otherwise device and channel, otherwise the first two."""
    usual = [name for name in ("device", "channel") if name in settings.segments]
    asked = [name for name in settings.explore if name in settings.segments]
    return tuple(asked or dict.fromkeys([*usual, *settings.segments]))[:2]


def _flow(paths: Paths, settings: ReportSettings, rules: PathRules) -> flow.Flow | None:
    if "journey" not in paths.schema:
        return None
    cells = flow_cells(
        paths, depth=settings.flow_depth, top=settings.flow_top, collapse=settings.collapse, window=settings.window
    )
    return flow.publishable_flow(cells, set(rules.goal), settings.k)


def _routes(
    paths: Paths, settings: ReportSettings, stages: pl.DataFrame, journeys: int | None, steps: Steps
) -> dict[str, Any]:
    """Whole paths, positions and moves; empty where touches have no journey."""
    if "journey" not in paths.schema:
        return {}
    collapse = settings.collapse
    whole_paths = variants(paths, min_units=settings.least, collapse=collapse, window=settings.window)
    mature = goal_rate(paths, window=settings.window)["mature"][0]
    is_rounded = journeys is None or stages.select("direct", "late", "open").null_count().row(0) != (0, 0, 0)
    matrix = step_matrix(paths, _POSITIONS, collapse=collapse)
    positions = publishable_positions(matrix, settings.k, is_rounded=is_rounded)
    return {
        "paths": restated.shares_in_steps(
            publishable_paths(whole_paths, mature, settings.k, settings.least),
            steps,
            "paths",
            ("route", "ended"),
            whole=stages["entered"][0],
        ),
        "positions": restated.shares_in_steps(
            positions, steps, "positions", ("position", "kind", "touchpoint"), whole=journeys
        ),
        "moves": restated.moves_in_steps(publishable_moves(transitions(paths, collapse=collapse), settings.k), steps),
    }


def _pacing(
    paths: Paths, window: timedelta, settings: ReportSettings, facts: Facts, *, stages: pl.DataFrame, steps: Steps
) -> dict[str, Any]:
    """Time to the goal and the share that has reached it by day; empty where touches have no journey."""
    column = "device" if "device" in settings.segments else next(iter(settings.segments), None)
    if not pacing.has_journeys(paths):
        return {}
    k, min_journeys, total = settings.k, settings.least, pacing.summary(paths, window)
    times = pacing.times_to_goal(paths, total, window, k=k, min_journeys=min_journeys)
    pace, curves = (
        pacing.pace(total, k=k, min_journeys=min_journeys),
        pacing.incidence(paths, column, window=window, k=k, min_journeys=min_journeys),
    )
    published = restated.times_in_steps(times, steps)
    if pace is not None and published is not None and steps.moved("times"):
        pace = replace(pace, journeys=stages["reached"][-1] or int(published["journeys"].sum()))
    return {
        "pace": pace,
        "pace_shift": periods.pace_shift(paths, window, settings, facts),
        "times": published,
        "incidence": restated.incidence_in_steps(curves, steps),
        "incidence_by": None if column is None else settings.name_of(column),
    }


def _used(paths: Paths, window: timedelta, settings: ReportSettings, facts: Facts) -> pl.DataFrame | None:
    """Customers by stage and touchpoint, of the journeys that the stage funnel counts: mature, and not direct."""
    if "stage" not in paths.schema:
        return None
    young = facts.end_of_data.astimezone(UTC) - window + timedelta.resolution
    mature = paths.begun_between(end=young).of_journeys()
    counted = ~pl.col("direct").fill_null(False) if "direct" in paths.schema else None
    used = usage(mature, by="stage", where=counted).filter(~pl.col("is_total"), pl.col("stage").is_not_null())
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


def _voice(paths: Paths, settings: ReportSettings, rules: PathRules, facts: Facts, steps: Steps) -> dict[str, Any]:
    """Survey satisfaction by stage, where the data holds survey answers."""
    if not {"survey", "score", "stage"} <= set(paths.schema):
        return {}
    satisfaction = voice(paths, by="stage").filter(~pl.col("is_total") & pl.col("stage").is_not_null())
    order = {name: number for number, name in enumerate(dict.fromkeys(stage.name for stage in rules.stages))}
    satisfaction = satisfaction.sort(pl.col("stage").replace_strict(order, default=len(order)), maintain_order=True)
    publishable = restated.voice_in_steps(publishable_voice(satisfaction, settings.k, settings.least), steps)
    return {"voice": publishable, "voice_shifts": periods.voice_shifts(paths, settings, facts)}


def _facts(paths: Paths, settings: ReportSettings) -> Facts:
    row: dict[str, Any] = summary(paths).row(0, named=True)
    counts = {name: None if small(row[name] or 0, settings.k) else row[name] or 0 for name in ("customers", "journeys")}
    first, end = (time.astimezone(settings.zone) for time in (row["first_at"], row["end_of_data"] or row["last_at"]))
    return Facts(row["touches"], **counts, first_at=first, end_of_data=end)


def _facts_in_steps(facts: Facts, steps: Steps) -> Facts:
    """The totals with counts as they may be published."""
    names = ("customers", "journeys")
    counts: dict[str, Any] = {name: steps.count("facts", (name,), getattr(facts, name)) for name in names}
    touches = steps.count("facts", ("touches",), facts.touches)
    return replace(facts, touches=facts.touches if touches is None else touches, **counts)


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
