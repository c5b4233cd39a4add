"""Why did a goal rate, or the conversion of a funnel, move in a period? What the measures of change say of it.

Nothing is counted anew: which stage and which segment by `goal_change` (of a funnel by `change`), who drops there by
`drivers`, what else was unusual on these days by `watch`, the changes that were noted, and the data that are missing or
late.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import partial
from statistics import NormalDist
from typing import Any, ClassVar, Final

import polars as pl

from analytics.engine.conditions import Step
from analytics.engine.goals import Goal, GoalWords, as_goal
from analytics.engine.local.calendar import zone_named
from analytics.engine.run import on_parts
from analytics.engine.units import goal_window
from analytics.funnels.definition import Funnel
from analytics.goals.goal_rate import goal_rate
from analytics.goals.stage_funnel import Stages
from analytics.monitoring.arrivals import over_and_arrived, waited_for
from analytics.monitoring.change import FAMILY_SIGN, Families, change, families_of, spans_given
from analytics.monitoring.change_parts import PERIODS_COMPARED
from analytics.monitoring.products.definition import JourneyNote
from analytics.monitoring.products.goal_change import goal_change
from analytics.monitoring.products.moved import LEVEL, told_of
from analytics.monitoring.releases import release_marks
from analytics.monitoring.watch import WatchRun, watch
from analytics.segments.drivers import drivers
from analytics.segments.factors import MET, UNKNOWN, YES
from analytics.statistics.corrections import benjamini_hochberg
from analytics.statistics.intervals import difference_interval, normal_quantile
from analytics.store.columns import STAGE, TIME, TOUCHPOINT
from analytics.store.encoding import Dictionaries
from analytics.store.frames import as_utc
from analytics.store.parts import Part, decoded
from analytics.store.paths import Paths
from expectations.config.durations import duration
from expectations.errors import DefinitionError, nearest

WEEK: Final = "week"
"""The factor that says when a touch was: it is what is compared."""
AGAINST: Final = 4
"""The periods before, taken together, that a period is compared with."""
NORMAL: Final = NormalDist()
WHY: Final = pl.Schema(
    {
        "kind": pl.String(),
        "source": pl.String(),
        "name": pl.String(),
        "effect": pl.String(),
        "by": pl.String(),
        "group": pl.List(pl.String()),
        "before": pl.Float64(),
        "after": pl.Float64(),
        "difference": pl.Float64(),
        "low": pl.Float64(),
        "high": pl.Float64(),
        "p_corrected": pl.Float64(),
        "clear": pl.Boolean(),
        "customers_before": pl.Int64(),
        "customers_after": pl.Int64(),
        "since": TIME,
        "until": TIME,
    }
)
Span = tuple[date, date]


def why(
    paths: Paths,
    of: GoalWords | Funnel,
    *,
    period: Span | None = None,
    before: Span | None = None,
    after: Span | None = None,
    against: int = AGAINST,
    by: Families = "*",
    stages: Sequence[str] | None = None,
    window: str | timedelta | None = None,
    timezone: str = "UTC",
    notes: Sequence[JourneyNote] = (),
    releases: pl.DataFrame | None = None,
    watched: WatchRun | Callable[[], WatchRun] | None = None,
    lateness: Mapping[str, timedelta] | None = None,
    least: int = 0,
) -> pl.DataFrame:
    """Why a goal rate moved, or the conversion of a funnel: what is beyond its interval, and what was looked at.

    `of` is the goal, or a funnel, whose steps are then the stages below and whose entrants are those who begin.
    `period` is compared with the `against` periods of its length just before it, taken together; or `before` and
    `after` say both. A period is from its start (inclusive) to its end (exclusive) of beginning; dates, and times
    without a zone, are those of `timezone`. `by` (by default every attribute and context column of at most 50 values),
    `stages` and `window` are those of `goal_change`. `notes` are changes that were made, `releases` the rows of
    `release_marks`, by default those of `app_version`. `watched` is what `watch` has found, or what asks it, by
    default here, with the `lateness` of every channel (`channel_lateness`). A segment, or a level, of fewer than
    `least` customers in a period is withheld and counted, and so is a version of fewer in all; none in a period may be
    said.

    Rows, in this order:

    - `change`: the goal rate `before` and `after` (always there, `clear` if its interval leaves out 0);
    - `step`, `segment`: the stage, and the mix or rate of a segment (of a funnel: at a step), that `moved` would tell;
      each beyond its interval;
    - `driver`: of those who stood before that stage (or the one that adds most, if none is clear), the level whose drop
      rate, less that of everyone else, moved most between the periods, the way of the stage: `after` and `before` are
      these differences. It is clear for `drivers` in the period `after`, its own move leaves out 0, corrected over all
      levels, it is no column of the segment already told, no week, and no touchpoint of a stage, which is on the way;
    - `incident`: alerts of `watch` on days of the period `after`, those with most goals at stake first; `name` is the
      alert;
    - `note`: changes noted, and releases, in the period `after`, or in as much time before it; `name` says what, `by`
      which column, and `customers_after` how many customers have that version;
    - `data`: channels whose data are missing or late (`name`) on days of a period, and one without a name if late
      events may still come;
    - `unchanged` (columns of which nothing is told; of `drivers` the stage, of `watch` no name), `too_few` (rows
      without an interval, `customers_after` says how many), `withheld` (likewise), `not_tested` (what could not be
      asked).

    Columns: `kind`, `source` String (the measure behind the row), `name` String (of a change the goal, of a step the
    stage, of a driver the stage, of `unchanged` the column), `effect` String (as in `goal_change`; of a driver its
    `explained_by`), `by` String and `group` List(String) (the columns joined by " × ", and their values), `before`,
    `after`, `difference`, `low`, `high` (95 %), `p_corrected` Float64, `clear` Boolean, `customers_before`,
    `customers_after` Int64, `since`, `until` Datetime(us, UTC). No touches give no rows. Raises `DefinitionError` for a
    goal that no touch has, with the nearest name; for a period that lies behind the data or in which nobody begins; and
    as `goal_change` does.

    >>> from datetime import date
    >>> visits = {f"c{n}": f"look@{n % 60}d" + " buy@59d" * (n % 60 >= 31) for n in range(600)}
    >>> january, february = (date(2024, 1, 1), date(2024, 2, 1)), (date(2024, 2, 1), date(2024, 2, 29))
    >>> found = why(Paths.from_text(visits, end="100d"), "buy", before=january, after=february)
    >>> found.filter(kind="change")["before", "after", "clear"].row(0)
    (0.0, 1.0, True)
    """
    spans = _spans(period, before, after, against)
    if not len(paths) or paths.end_of_data is None:
        return pl.DataFrame(schema=WHY)
    zone = zone_named(timezone)
    first, second = ((as_utc(start, zone), as_utc(end, zone)) for start, end in spans)
    _check_begun(second, paths.end_of_data)
    answer: _Answer
    if isinstance(of, Funnel):
        definition = _funnel(of, stages, window)
        horizon = goal_window(paths, None)
        rows = change(paths, definition, before=first, after=second, by=by).to_dicts()
        changed = _staged_rows(rows, definition)
        answer = _OfFunnel(paths, _name(definition), (first, second), definition.window, least, definition)
    else:
        goal = as_goal(of)
        _check_goal(paths, goal)
        horizon = goal_window(paths, goal.horizon if window is None and isinstance(of, Goal) else window)
        changed = goal_change(paths, of, before=first, after=second, by=by, stages=stages, window=horizon).to_dicts()
        if not changed:
            _nobody(paths, of, (first, second), horizon)
        found = Stages.of(paths, stages, of)
        answer = _OfGoal(paths, goal.name, (first, second), horizon, least, goal, found)
    if watched is None:
        watched = partial(watch, paths, timezone=timezone, horizon=horizon, lateness=lateness)
    run = watched if isinstance(watched, WatchRun) else watched()
    told = [
        *answer.moved(changed, {FAMILY_SIGN.join(family): family for family in families_of(paths, by)}),
        *answer.incidents(run),
        *answer.notes(
            [(as_utc(note.on, zone), note.what) for note in notes],
            release_marks(paths) if releases is None else releases,
        ),
        *answer.data(run, lateness or {}),
        *answer.rest,
    ]
    return pl.DataFrame([{**dict.fromkeys(WHY), **row} for row in told], schema=WHY, orient="row")


def _spans(period: Span | None, before: Span | None, after: Span | None, against: int) -> tuple[Span, Span]:
    """The periods before and after."""
    if period is not None and before is None and after is None:
        _, (start, end) = spans_given(period, period)
        if against < 1:
            raise DefinitionError("A period is compared with others.", expected="against 1 or more", found=str(against))
        return (start - against * (end - start), start), (start, end)
    if period is None and before is not None and after is not None:
        return spans_given(before, after)
    raise DefinitionError("Two periods are compared.", expected="period alone, or before and after")


def _check_goal(paths: Paths, goal: Goal) -> None:
    """Check that a touch has one of the steps of the goal."""
    known = {name: paths.values_of(name).to_list() if name in paths.schema else [] for name in (TOUCHPOINT, STAGE)}
    asked = [(TOUCHPOINT, word) for word in goal.touchpoints] + [(STAGE, word) for word in goal.stages]
    if not any(word in known[on] for on, word in asked):
        on, word = asked[0]
        raise DefinitionError(
            f"No {on} is called {word!r}.", where=f"goal {goal.name!r}", do=nearest(word, map(str, known[on]))
        )


def _check_begun(after: tuple[datetime, datetime], end_of_data: datetime) -> None:
    if after[0] >= end_of_data:
        raise DefinitionError(
            "The period after begins behind the end of the data.",
            expected=f"a period before {_time(end_of_data)}",
            found=f"{_time(after[0])} to {_time(after[1])}",
        )


def _nobody(paths: Paths, of: GoalWords, spans: Sequence[tuple[datetime, datetime]], window: timedelta) -> None:
    """Raise the error that names the period in which no journey begins."""
    for name, (start, end) in zip(PERIODS_COMPARED, spans, strict=True):
        if not goal_rate(paths, of, start=start, end=end, window=window)["mature"].sum():
            raise DefinitionError(
                f"No journey begins in the period {name}.",
                expected="journeys in both periods",
                found=f"none from {_time(start)} to {_time(end)}",
                do="choose other days",
            )


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def _funnel(definition: Funnel, stages: Sequence[str] | None, window: str | timedelta | None) -> Funnel:
    """The funnel that is asked: within the window, whatever it is broken down by."""
    if stages is not None:
        raise DefinitionError("A funnel has steps, and no stages.", expected="stages with a goal alone")
    within = definition.window if window is None else duration(window)
    return replace(definition, by=(), window=within)


def _name(definition: Funnel) -> str:
    return " → ".join(definition.name_of(number) for number in range(1, len(definition.steps) + 1))


def _staged_rows(rows: list[dict[str, Any]], definition: Funnel) -> list[dict[str, Any]]:
    """The rows of `change` as those of `goal_change`: a step is a stage, and a segment's part is at one."""
    return [
        {
            **row,
            "stage": None if row["step"] is None else definition.name_of(row["step"]),
            "effect": "stage" if row["effect"] == "step" else row["effect"],
        }
        for row in rows
    ]


@dataclass
class _Answer:
    """The rows of one question; `rest` is what was looked at, and is not told. `source` is what says what moved."""

    source: ClassVar[str]
    paths: Paths
    name: str
    spans: tuple[tuple[datetime, datetime], tuple[datetime, datetime]]
    window: timedelta
    least: int

    def asked_at(self, stage: str) -> tuple[Funnel, int] | None:
        """The funnel of which `drivers` are asked at a stage, and the step; None where none can be asked."""
        raise NotImplementedError

    def __post_init__(self) -> None:
        self.rest: list[dict[str, Any]] = []

    def moved(self, rows: list[dict[str, Any]], families: Mapping[str, tuple[str, ...]]) -> Iterator[dict[str, Any]]:
        """The change, the stage and the segment that are worth a sentence, and the driver at the stage."""
        shown = [row for row in rows if row["is_total"] or self._is_shown(row)]
        told = {number: row for row, number in zip(shown, told_of(shown, families), strict=True) if number}
        others = [row for row in told.values() if row["effect"] != "total"]
        yield self._part("change", shown[0], (), clear=shown[0] in told.values())
        yield from (self._part("step", row, families.get(row["family"], ())) for row in others if _is_stage(row))
        segments = [row for row in others if not _is_stage(row)]
        yield from (self._part("segment", row, families[row["family"]]) for row in segments)
        of_stages = [row for row in reversed(shown) if row["is_total"] and _is_stage(row)]
        of_stages.sort(key=lambda row: (self.asked_at(row["stage"]) is None, -abs(row["contribution"])))
        at = next(filter(_is_stage, others), of_stages[0])
        columns = {name for row in others for name in families.get(row["family"], ())}
        yield from self._driver(at, columns)
        for name in families:
            if not any(row["family"] == name for row in others):
                self.rest.append({"kind": "unchanged", "source": self.source, "name": name})
        self._count("too_few", self.source, sum(not row["enough"] for row in shown if row["effect"] == "rate"))
        self._count("withheld", self.source, sum(row["effect"] == "rate" and row not in shown for row in rows))

    def _is_shown(self, row: Mapping[str, Any]) -> bool:
        """Whether in each period nobody, or enough, are behind a row."""
        return all(not row[name] or row[name] >= self.least for name in ("customers_before", "customers_after"))

    def _part(self, kind: str, row: Mapping[str, Any], family: Sequence[str], *, clear: bool = True) -> dict[str, Any]:
        """A row of `goal_change`."""
        return {
            **{"kind": kind, "source": self.source, "clear": clear, "effect": row["effect"], "by": row["family"]},
            "name": self.name if kind == "change" else row["stage"],
            "group": [None if row[name] is None else str(row[name]) for name in family] if family else None,
            "difference": row["contribution"],
            **{end: row[f"contribution_{end}"] for end in ("low", "high")},
            **{name: row[name] for name in ("before", "after", "p_corrected", "customers_before", "customers_after")},
        }

    def _driver(self, at: Mapping[str, Any], told: set[str]) -> Iterator[dict[str, Any]]:
        """The level whose distance from the others at a stage moved most, the way of the stage, if one did clearly."""
        stage, asked = at["stage"], self.asked_at(at["stage"])
        tables = []
        for start, end in self.spans if asked else ():
            assert asked is not None
            funnel, step = asked
            rows = drivers(self.paths, replace(funnel, start=start, end=end), step=step, together=False).to_dicts()
            tables.append({(row["factor"], row["level"]): row for row in rows if row["kind"] in ("attribute", "met")})
        on_the_way = _staged(self.paths) if tables else frozenset()
        left_out = told if WEEK in self.paths.schema else {*told, WEEK}
        found = []
        for key, row in tables[1].items() if tables else ():
            then, touchpoint = tables[0].get(key), key[0].removeprefix(MET)
            if key[0] in left_out or key[1] == UNKNOWN or then is None or not (row["enough"] and then["enough"]):
                continue
            if key[0] != touchpoint and (touchpoint in on_the_way or key[1] != YES):
                continue
            low, high = difference_interval(*_estimate(row), *_estimate(then))
            gap = row["difference"] - then["difference"]
            error = float(high - low) / (2 * normal_quantile(0.95))
            p_value = 2 * NORMAL.cdf(-abs(gap) / error) if error > 0 else 1.0
            found.append((row, then, gap, float(low), float(high), p_value))
        corrected = benjamini_hochberg([each[-1] for each in found])
        if not found:
            self.rest.append({"kind": "not_tested", "source": "drivers", "name": stage})
        clear = [
            (each, float(p))
            for each, p in zip(found, corrected, strict=True)
            if p < LEVEL and (each[3] > 0 if at["contribution"] < 0 else each[4] < 0) and _stands_out(each[0])
        ]
        shown = [one for one in clear if min(one[0][0]["customers"], one[0][1]["customers"]) >= self.least]
        self._count("withheld", "drivers", len(clear) - len(shown))
        if not shown:
            if found:
                self.rest.append({"kind": "unchanged", "source": "drivers", "name": stage})
            return
        (row, then, gap, lowest, highest, _), p = max(shown, key=lambda one: abs(one[0][2]) * one[0][0]["customers"])
        yield {
            **{"kind": "driver", "source": "drivers", "name": stage, "clear": True, "effect": row["explained_by"]},
            **{"by": row["factor"], "group": [row["level"]], "before": then["difference"], "after": row["difference"]},
            **{"difference": gap, "low": lowest, "high": highest, "p_corrected": p},
            **{"customers_before": then["customers"], "customers_after": row["customers"]},
        }

    def incidents(self, run: WatchRun) -> Iterator[dict[str, Any]]:
        """The alerts of the days of the period after."""
        alerts = run.alerts.filter(pl.col("rule") != "missing").filter(_meets(*self.spans[1]))
        stake = pl.max_horizontal("goals_at_stake_low", -pl.col("goals_at_stake_high"))
        for row in alerts.sort(stake, "since", "alert", descending=[True, False, False], nulls_last=True).to_dicts():
            seen, whole = row["seen"], 1 if row["of"] is None else row["of"]
            after = seen / whole if whole and seen is not None else None
            yield {
                **{"kind": "incident", "source": "watch", "name": row["alert"], "effect": row["rule"], "clear": True},
                **{"by": row["by"], "group": None if row["group"] is None else [row["group"]]},
                **{"before": row["expected"], "low": row["expected_low"], "high": row["expected_high"]},
                "after": after,
                "difference": None if after is None or row["expected"] is None else after - row["expected"],
                **{"p_corrected": row["p_corrected"], "customers_after": row["customers"]},
                **{"since": row["since"], "until": row["until"]},
            }
        if not run.tests or run.tested_until is None or run.tested_until < self.spans[1][0]:
            self.rest.append({"kind": "not_tested", "source": "watch"})
        elif alerts.is_empty():
            self.rest.append({"kind": "unchanged", "source": "watch"})
        for name in run.unwatched:
            self.rest.append({"kind": "not_tested", "source": "watch", "name": name})

    def notes(self, notes: Sequence[tuple[datetime, str]], releases: pl.DataFrame) -> Iterator[dict[str, Any]]:
        """The changes that were noted, and releases, in the period after, or in as much time before it."""
        start, end = self.spans[1]
        for at, what in sorted(set(notes)):
            if start - (end - start) <= at < end:
                yield {"kind": "note", "source": "journeys", "name": what, "since": at, "until": at}
        there = releases.filter(pl.col("at").is_between(start - (end - start), end, closed="left"))
        shown = there.filter((pl.col("customers") >= self.least) | pl.col("customers").is_null())
        for row in shown.to_dicts():
            yield {
                **{"kind": "note", "source": "release_marks", "name": row["name"], "by": row["column"]},
                **{"customers_after": row["customers"], "since": row["at"], "until": row["at"]},
            }
        self._count("withheld", "release_marks", there.height - shown.height)

    def data(self, run: WatchRun, lateness: Mapping[str, timedelta]) -> Iterator[dict[str, Any]]:
        """Channels whose data are missing or late in a period, and whether late events may still come."""
        there = pl.lit(value=False)
        for span in self.spans:
            there |= _meets(*span)
        missing = run.alerts.filter(rule="missing").select(pl.col("name").alias("channel"), "since", "until")
        every = pl.concat([run.not_tested.select(missing.columns), missing]).filter(there).unique()
        for row in every.sort("since", "channel").to_dicts():
            yield {
                **{"kind": "data", "source": "watch", "name": row["channel"]},
                **{"since": row["since"], "until": row["until"]},
            }
        end, waited = self.spans[1][1], waited_for(dict.fromkeys(lateness, 1), lateness)
        assert self.paths.end_of_data is not None
        if not over_and_arrived(end, self.paths.end_of_data, window=self.window, waited=waited):
            yield {"kind": "data", "source": "channel_lateness", "until": end + self.window + waited}

    def _count(self, kind: str, source: str, number: int) -> None:
        if number:
            self.rest.append({"kind": kind, "source": source, "customers_after": number})


@dataclass
class _OfGoal(_Answer):
    """Of a goal: of those who stood before a stage, who went on."""

    source: ClassVar[str] = "goal_change"
    goal: Goal
    stages: Stages

    def asked_at(self, stage: str) -> tuple[Funnel, int] | None:
        """The touches before a stage, then those of it or behind it."""
        steps = self._steps(stage)
        return None if steps is None else (Funnel(steps, window=self.window), 2)

    def _steps(self, stage: str) -> list[Step] | None:
        """The touches before a stage of the funnel, and those of it or behind it; None where no touch says so."""
        names = self.stages.steps
        place = names.index(stage)
        if not self.stages.staged:
            first = Step("*")
        elif place == 0:
            return None
        else:
            first = Step(names[place - 1], on=STAGE)
        if place < len(names) - 1:
            return [first, Step(self.stages.names[place:], on=STAGE)]
        if self.goal.touchpoints and self.goal.stages:
            return None
        return [first, Step(self.goal.stages, on=STAGE) if self.goal.stages else Step(self.goal.touchpoints)]


@dataclass
class _OfFunnel(_Answer):
    """Of a funnel: of those at the step before."""

    source: ClassVar[str] = "change"
    definition: Funnel

    def asked_at(self, stage: str) -> tuple[Funnel, int] | None:
        """The funnel itself, where it counts what `drivers` can."""
        if self.definition.count != "customers":
            return None
        numbers = range(2, len(self.definition.steps) + 1)
        return self.definition, next(number for number in numbers if self.definition.name_of(number) == stage)


def _staged(paths: Paths) -> frozenset[str]:
    """The touchpoints of stages: to have met one is to be further on the way, and moves nobody."""
    if STAGE not in paths.schema:
        return frozenset()
    return frozenset(word for found in on_parts(paths, _staged_in) for word in found.drop_nulls())


def _staged_in(part: Part, words: Dictionaries) -> pl.Series:
    """The touchpoints of stages in a part."""
    frame = decoded(part, [TOUCHPOINT, STAGE], words)
    return frame.filter(pl.col(STAGE).is_not_null())[TOUCHPOINT].cast(pl.String).unique()


def _is_stage(row: Mapping[str, Any]) -> bool:
    return bool(row["effect"] == "stage")


def _estimate(row: Mapping[str, Any]) -> tuple[float, tuple[float, float]]:
    return row["difference"], (row["low"], row["high"])


def _stands_out(row: Mapping[str, Any]) -> bool:
    """Whether a row of `drivers` is clear, also among customers who are otherwise alike."""
    low, high = (row["low"], row["high"]) if row["adjusted"] is None else (row["adjusted_low"], row["adjusted_high"])
    return bool(row["p_corrected"] is not None and row["p_corrected"] < LEVEL and (low > 0 or high < 0))


def _meets(start: datetime, end: datetime) -> pl.Expr:
    """Whether the days of a row share any with a period."""
    return (pl.col("since") < end) & (pl.col("until") >= start)
