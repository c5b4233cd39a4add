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
    Attribution,
    Goal,
    PathRules,
    Paths,
    PersonaFit,
    PersonaRules,
    ReleaseSettings,
    Segment,
    Watch,
    answer_all,
    answered,
    attribution,
    channel_lateness,
    erasures,
    flow_cells,
    goal_attainment,
    goal_rate,
    goal_routes,
    goal_window,
    landed_offsets,
    main_goal,
    on_spark,
    stage_funnel,
    step_matrix,
    summary,
    together,
    touch_effects,
    transitions,
    usage,
    variants,
    voice,
    with_costs,
)
from expectations.errors import StorageError
from expectations.lake.layout import EVENTS, Lake
from reports.privacy import flow, restated
from reports.privacy.credit import publishable_credit
from reports.privacy.goals import publishable_families, publishable_goals
from reports.privacy.paths import publishable_moves, publishable_paths, publishable_positions, publishable_use
from reports.privacy.rules import small
from reports.privacy.stages import WITHHELD, is_total_withheld, publishable_stages, publishable_voice
from reports.privacy.steps import CellCounts, Steps, coarse
from reports.privacy.watches import Incidents
from reports.questions import scope
from reports.questions.answers import Answers, Facts, GoalDefinition, Origin, OwnedDefinition
from reports.questions.cube import Cube, build_cube, published_counts
from reports.questions.definitions import definition_hashes, definitions_hash
from reports.questions.money import amount_of, currency_of, money_of
from reports.questions.people import groups
from reports.questions.people.asked import PeopleSettings
from reports.questions.people.people import people_of
from reports.questions.problems import weeks
from reports.questions.problems.act_first import problems
from reports.questions.problems.drivers import group_drivers
from reports.questions.problems.incidents import incidents_of, marked_weeks, steps_of, watched
from reports.questions.problems.pains import trouble_of
from reports.questions.products import Products, targets_of
from reports.questions.quality import evidence
from reports.questions.runs import Known, events_of, versions_of
from reports.questions.time import pacing, periods
from reports.questions.time.releases import releases_of
from reports.settings import ReportSettings

__all__ = [
    "Goal",
    "OwnedDefinition",
    "PathRules",
    "PeopleSettings",
    "PersonaFit",
    "PersonaRules",
    "Products",
    "ReleaseSettings",
    "Segment",
    "Watch",
    "answers_about",
    "answers_of",
]
"""With `Goal` and `PathRules`, so that whoever publishes a report need not import analytics."""

_POSITIONS: Final = 8
_CREDITED: Final[dict[str, Any]] = {"models": ("last", "linear", "markov"), "top": 20}
"""What credit is asked of, for so many channels."""


def answers_of(
    lake: Lake,
    settings: ReportSettings,
    rules: PathRules,
    goals: Sequence[Goal] = (),
    earlier: CellCounts | None = None,
    *,
    segments: Sequence[Segment] = (),
    personas: PersonaRules | PersonaFit | None = None,
    watches: Sequence[Watch] = (),
    releases: ReleaseSettings | None = None,
    products: Products | None = None,
    people: PeopleSettings | None = None,
    costs: pl.DataFrame | None = None,
    session: Any = None,
    known: Known | None = None,
) -> Answers | None:
    """All results of the report over a lake's path store, or null when the store holds no touch.

    The first of `goals` is the one that ends journeys; without any it is that of the rules. Counts are in steps from
    those of `earlier` reports (`reports.privacy.steps`). Each of `segments` is a column that breakdowns may name, and
    so is `persona`, with `personas`. `watches` are watched besides what is watched anyway, `releases` says where marks
    of releases come from, `products` are the journeys with targets, `people` says what else is asked about customers,
    and `costs` what channels cost. With a `session` of Spark, its cluster counts. `known` is what an earlier report
    knew of the lake: its results are made again.

    Raises `DefinitionError` when a breakdown is not a text column of the store, or when the requested days hold no
    touch.
    """
    erased = erasures(lake)  # before the paths are opened: who is erased later may be in them
    try:
        paths = Paths.open(lake) if known is None else known.paths
    except StorageError as error:
        if "no path store" in error.what:
            return None
        raise
    whole = paths = paths if session is None else on_spark(paths, session)
    paths = paths.with_segments(segments) if len(paths) else paths
    paths = paths if personas is None or not len(paths) else paths.with_personas(personas)
    within = scope.within(paths, settings)
    if not len(paths):
        return None
    if not len(within):
        raise scope.no_such_days(paths, settings)
    steps = Steps(settings.k, earlier)
    events = events_of(lake, paths) if known is None else known.events
    lateness = channel_lateness(lake, paths.end_of_data, events) if paths.end_of_data else {}
    also: dict[str, Any] = {"watched_in": (paths, lateness), "watches": watches, "releases": releases, "costs": costs}
    answers = answers_about(within, settings, rules, goals, steps, **also)
    if products is not None:
        stored = paths if paths.definition else paths.defined_by(rules.definition)
        answers = replace(answers, targets=targets_of(stored, products, settings, steps))
    goal = _main_goal(whole, rules, goals)
    described = people_of(whole, settings, people or PeopleSettings(), steps, goal=goal, published=answers)
    found = evidence(lake, settings.k, settings.zone, events, known.until if known else None)
    read: Mapping[str, Any] = (
        known.read if known else {"versions": versions_of(paths), "offsets": _offsets(lake, paths)}
    )
    origin = replace(answers.origin, **read, erasures=erased, refused=found.version)
    landed, refused = steps.count("landed", ("events",), found.events), restated.refused_in_steps(found.refused, steps)
    late = coarse(found.late, landed, settings.k) if steps.moved("landed") else found.late
    seen = replace(found, events=landed, refused=refused, late=late)
    return replace(
        answers,
        origin=origin,
        evidence=seen,
        people=described,
        counts=dict(steps.counts),
        rounded=steps.rounded,
    )


def answers_about(
    paths: Paths,
    settings: ReportSettings,
    rules: PathRules,
    goals: Sequence[Goal] = (),
    steps: Steps | None = None,
    *,
    watched_in: tuple[Paths, Mapping[str, timedelta]] | None = None,
    watches: Sequence[Watch] = (),
    releases: ReleaseSettings | None = None,
    costs: pl.DataFrame | None = None,
) -> Answers:
    """All results of the report over these paths, which hold at least one touch; counts in `steps` if given.

    `watched_in` are the paths that are watched, where these are only some of them, and the lateness of channels;
    `watches` is what is watched besides, `releases` says where marks of releases come from, `costs` what channels cost.
    """
    steps = steps or Steps(settings.k)
    scope.check_breakdowns(paths, settings.segments)
    paths = paths if paths.definition else paths.defined_by(rules.definition)
    goal, facts, hashes = (
        _main_goal(paths, rules, goals),
        _facts(paths, settings),
        definition_hashes(settings, rules, goals, [column.definition for column in paths.derived.values()]),
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
    everything, lateness = watched_in or (paths, {})
    everything = everything if everything.definition else everything.defined_by(rules.definition)
    incidents = incidents_of(watched(everything, settings, window, lateness, watches), settings)
    trouble = trouble_of(paths, settings, goal, steps, stages=stages, goals=(goal, *goals[1:]))
    asked = answered(paths, _where_to_act(settings, goal, stages, steps, (*act, incidents, (trouble.costly, window))))
    segments, published = asked["segments"], _facts_in_steps(facts, steps)
    return Answers(
        facts=published,
        goal=goal.name,
        window=window,
        currency=currency_of(paths, value),
        stages=stages,
        **asked,
        releases=releases_of(everything, releases or ReleaseSettings(), settings, facts),
        flow=restated.flow_in_steps(_flow(paths, settings, rules), steps),
        **_routes(paths, settings, stages, published.journeys, steps),
        **_credit_and_families(
            paths, goal, window, settings, costs=costs, facts=facts, winners=counts["customers"][-1]
        ),
        used=restated.shares_in_steps(_used(paths, window, settings, facts), steps, "used", ("stage", "touchpoint")),
        pains=trouble.costly,
        friction=trouble.met,
        attained=restated.goals_in_steps(_attained(paths, goal, goals, stages, settings), steps),
        definitions=_definitions(paths, goal, goals, settings),
        linked=restated.linked_in_steps(_linked(paths), published.touches, steps),
        stage_numbers=_stage_numbers(paths, rules),
        goals=frozenset(rules.goal),
        cube=_cube(cells, stages, segments, settings),
        **_pacing(paths, window, settings, facts, stages=stages, steps=steps),
        changes=restated.changes_in_steps(changes, steps),
        **_voice(paths, settings, rules, facts, steps),
        origin=Origin(definitions_hash(hashes), versions_of(paths), definition=hashes),
    )


def problems_of(
    paths: Paths, settings: ReportSettings, rules: PathRules, goals: Sequence[Goal] = ()
) -> pl.DataFrame | None:
    """The problems of *Where to act first* alone, as the report shows them (`reports.questions.problems.act_first`)."""
    goal = _main_goal(paths, rules, goals)
    total = partial(stage_funnel, goal=goal, window=settings.window)
    counts, act = answered(paths, together(_one(total), _act_counts(settings, _facts(paths, settings), goal)))
    stages = publishable_stages(counts, settings.k, settings.least)
    window = goal_window(paths, settings.window)
    incidents = incidents_of(watched(paths, settings, window), settings)
    steps = Steps(settings.k)
    costly = trouble_of(paths, settings, goal, steps, stages=stages, goals=(goal, *goals[1:])).costly
    found = answered(paths, _where_to_act(settings, goal, stages, steps, (*act, incidents, (costly, window))))
    listed: pl.DataFrame | None = found["problems"]
    return listed


def _one(question: partial[pl.DataFrame]) -> Asking[pl.DataFrame]:
    """The answer of a single question."""
    answers = yield {None: question}
    return answers[None]


def _act_counts(
    settings: ReportSettings, facts: Facts, goal: Goal
) -> Asking[tuple[pl.DataFrame | None, pl.DataFrame | None]]:
    """The groups against all others, and how many journeys go on from step to step, by week."""
    asked = (groups.segment_differences(settings, goal), weeks.step_counts(settings, facts, goal))
    differences, weekly = yield from together(*asked)
    return differences, weekly


def _where_to_act(
    settings: ReportSettings,
    goal: Goal,
    stages: pl.DataFrame,
    steps: Steps,
    found: tuple[pl.DataFrame | None, pl.DataFrame | None, Incidents, tuple[pl.DataFrame | None, timedelta]],
) -> Asking[dict[str, Any]]:
    """The groups against all others, the weeks, and the problems, of `_act_counts`, the incidents and the pains: of
    `Answers`.
    """
    differences, weekly, incidents, met = found
    segments = restated.segments_in_steps(differences, stages, steps)
    published = restated.weeks_in_steps(weeks.step_conversion(weekly, settings), steps)
    costly = steps_of(incidents, stages)
    drivers = yield from group_drivers(settings, goal, segments)
    return {
        "segments": segments,
        "weeks": marked_weeks(published, costly),
        "incidents": incidents,
        "problems": (yield from problems(settings, goal, stages, costly, drivers, met=met)),
    }


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


def _credit_and_families(
    paths: Paths,
    goal: Goal,
    window: timedelta,
    settings: ReportSettings,
    *,
    costs: pl.DataFrame | None,
    facts: Facts,
    winners: int,
) -> dict[str, Any]:
    """The credit of channels for the main goal, and the families of routes to it, which `winners` customers reach.

    Its value is its own, or else that of the report.
    """
    value = settings.value if goal.value is None else goal.value
    worth = goal.model_copy(update={"value": value})
    money = money_of(settings, [value] if isinstance(value, str) else [])
    routes = goal_routes(paths, worth, window=settings.window, money=money) if "journey" in paths.schema else None
    brought = None if routes is None else routes.select(pl.col("value", "largest_value").sum()).row(0)
    is_told = brought is not None and 2 * brought[1] <= brought[0] and brought[0] > 0
    column = amount_of(settings, value) if isinstance(value, str) and costs is not None else None
    spent = None if costs is None or settings.first_day or settings.last_day else (costs, facts)
    return {
        "credit": _credit(
            paths, Attribution(goal, lookback=window, value=column, **_CREDITED), settings, spent, is_told
        ),
        "families": None if routes is None else publishable_families(routes, winners, settings.k, settings.least),
    }


def _credit(
    paths: Paths,
    asked: Attribution,
    settings: ReportSettings,
    spent: tuple[pl.DataFrame, Facts] | None,
    is_worth_told: bool,
) -> pl.DataFrame | None:
    """The channels with their credit for the main goal, and with the goal rates of paths with and without them.

    `spent` are the costs of channels, and the days of the data. `is_worth_told`: no customer brings most of the value.
    """
    if "channel" not in paths.schema or len(paths.values_of("channel")) < 2:
        return None
    questions = {of: partial(of, definition=asked) for of in (attribution, touch_effects)}
    found = answer_all(paths, questions)
    credit = found[attribution]
    if spent is not None:
        costs, facts = spent
        last = facts.end_of_data - timedelta(microseconds=1)
        credit = with_costs(credit, costs, facts.first_at.date(), last.date())
    return publishable_credit(credit, found[touch_effects], settings.k, settings.least, is_worth_told=is_worth_told)


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
