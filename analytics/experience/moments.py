"""Micro-moments: what do customers want in their short visits on a phone, and do they find it?

A **moment** is a session on a handheld device of at most three minutes with two touches or more. One touch is a
**glance**: its length is 0 because nothing followed. A longer session is a **sitting**. The device of a session is that
of its first touch. The **intent** of a session is the first, in their order, of which it has a touchpoint.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from analytics.engine.analysis import Cells, answer, measured_by
from analytics.engine.conditions import Step, Words, several
from analytics.engine.distributions import DISTRIBUTION, distributions, durations
from analytics.engine.goals import GoalTouches, GoalWords, as_goal, main_goal, warn_of_unknown_goal
from analytics.engine.matching import Matcher, has_bit, matcher_of
from analytics.engine.notices.unknown_words import levels_to_caller, unknown_steps, warn_of_unknown
from analytics.engine.partials import add_up, numbered, sums_by_customer, totals_first
from analytics.engine.run import run
from analytics.engine.units import are_followed, unit_columns, units_of, window_of
from analytics.experience.intents import HANDHELD, UNCLEAR, Intent
from analytics.experience.neighbours import NONE, Flags, Ints, lies_within, row_after
from analytics.paths.view import Breakdown, By
from analytics.statistics.shares import customer_columns, customers_of, share_columns, square_columns
from analytics.store.columns import AT, SESSION, TOUCHPOINT
from analytics.store.encoding import Dictionaries
from analytics.store.frames import micros
from analytics.store.parts import Part
from analytics.store.paths import Paths
from expectations.config.durations import duration
from expectations.errors import DefinitionError

KINDS: Final = ("moment", "glance", "sitting", "not handheld")
FOLLOWED: Final = timedelta(days=7)
"""How long a session must have been followed by data to be mature, unless an intent looks further ahead."""
MAX_INTENTS: Final = 20
DAY: Final = timedelta(days=1)
RATES: Final = {
    "there": "mature",
    "useful": "judged",
    "quick": "timed",
    "back_1d": "mature",
    "back_7d": "mature",
    "reached": "followed",
}
"""The counts that are shares, and what each is a share of."""
NAMES: Final = {name: "goal_rate" if name == "reached" else f"{name}_rate" for name in RATES}
NOT: Final = {name: f"not_{name}" for name in ("there", "useful", "quick")}
BEHIND: Final = {f"customers_{name}": name for pair in NOT.items() for name in pair}
"""The columns of distinct customers, and the counts that they stand behind."""
COUNTS: Final = ("sessions", *dict.fromkeys(name for pair in RATES.items() for name in reversed(pair)))
WAIT: Final = " useful after"


@dataclass(frozen=True)
class SessionSpans:
    """The sessions of a part, in order: first row, row after the last, and first row of the next customer."""

    starts: Ints
    ends: Ints
    own_end: Ints
    begin: Ints
    person: NDArray[np.uint32]

    def wait_to(self, chosen: Ints, times: Ints, row: Ints) -> Ints:
        """The time from the first touch of each chosen session to these rows, of which some are `NONE`."""
        return np.where(row == NONE, NONE, times[row] - self.begin[chosen])

    def next_session(self, chosen: Ints) -> Ints:
        """The time from the first touch of each of these sessions to the customer's next; else `NONE`."""
        wait = np.full(len(chosen), NONE)
        same = self.person[chosen[1:]] == self.person[chosen[:-1]]
        wait[:-1][same] = (self.begin[chosen[1:]] - self.begin[chosen[:-1]])[same]
        return wait


@dataclass(frozen=True, eq=False)
class Moments:
    """Counts sessions by intent and kind. `places` are the bits of the matcher for every rule; -1 without one."""

    SCHEMA: ClassVar[pl.Schema] = answer(
        intent=pl.String,
        kind=pl.String,
        customers=pl.Int64,
        **dict.fromkeys((*COUNTS, *BEHIND), pl.Int64),
        share_of_sessions=pl.Float64,
        **{f"{name}{end}": pl.Float64 for name in NAMES.values() for end in ("", "_low", "_high")},
        median_useful=pl.Duration("us"),
    )
    CELLS: ClassVar[Cells | None] = None
    BOUND: ClassVar[int] = 1 << 20
    """The waits take up to 20 kB a row."""

    intents: tuple[Intent, ...]
    matcher: Matcher
    places: dict[str, int]
    goal: GoalTouches | None
    by: Breakdown
    longest: int
    device: str
    handheld: tuple[int, ...]
    load_seconds: str | None
    slow: float
    horizon: int
    end: datetime | None
    session_columns: tuple[str, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """The stored columns that are read."""
        own = [AT, self.device, *self.session_columns, *self.matcher.columns, *self.by.columns]
        goal = self.goal.columns if self.goal else ()
        return tuple(dict.fromkeys([*own, *goal, *([self.load_seconds] if self.load_seconds else [])]))

    @property
    def schema(self) -> dict[str, Any]:
        """The columns of a partial."""
        squares = [name for pair in RATES.items() for name in square_columns(*pair)]
        counts = dict.fromkeys(("customers", *COUNTS, *squares, *map(customers_of, BEHIND.values())), pl.Int64)
        return {**self.by.keys, " intent": pl.Int64, " kind": pl.Int64, **counts, WAIT: DISTRIBUTION}

    def partial(self, part: Part, words: Dictionaries) -> pl.DataFrame:
        """The counts of one part."""
        spans = self._sessions(part, words)
        if not len(spans.starts):
            return pl.DataFrame(schema=self.schema)
        times = part.times()
        codes, bits = self.matcher.match(part, part.read(self.matcher.columns), words)
        met = bits[codes]
        intent = self._intents(met, spans)
        useful, judged, wait = self._useful(met, intent, spans, times)
        values = self._values(part, met, spans, times)
        mature = values["mature"]
        values |= {"judged": judged & mature, "useful": useful & mature}
        counts = {name: values[name] for name in COUNTS}
        counts |= {other: values[RATES[name]] & ~values[name] for name, other in NOT.items()}
        asked: dict[str, Any] = {"shares": [*RATES.items()], "people_of": [*BEHIND.values()]}
        shown = useful & mature & (wait >= 0)
        kind = self._kinds(part, spans, times)
        tables = []
        for groups in self.by.keyed(part, words, spans.starts):
            keys, cell = numbered(groups.with_columns(pl.Series(" intent", intent), pl.Series(" kind", kind)))
            sums = sums_by_customer(cell, spans.person, counts, len(keys), **asked)
            waits = distributions(cell[shown], wait[shown], len(keys)).alias(WAIT)
            tables.append(pl.concat([keys, sums], how="horizontal").with_columns(waits).select(*self.schema))
        return pl.concat(tables)

    def _sessions(self, part: Part, words: Dictionaries) -> SessionSpans:
        units = units_of(part, part.read(self.session_columns), SESSION, words)
        bounds, times = part.bounds(), part.times()
        ends = np.append(units.starts[1:], bounds[-1])
        return SessionSpans(units.starts, ends, bounds[units.people + 1], times[units.starts], units.people)

    def _intents(self, met: NDArray[np.uint64], spans: SessionSpans) -> Ints:
        """The number of the intent of each session; that of `unclear` is the number of intents."""
        has = np.bitwise_or.reduceat(met, spans.starts)
        found = np.full(len(has), len(self.intents))
        for number in range(len(self.intents) - 1, -1, -1):
            found[has_bit(has, number)] = number
        return found

    def _kinds(self, part: Part, spans: SessionSpans, times: Ints) -> Ints:
        """The number of the kind of each session, in `KINDS`."""
        device = part.read([self.device])[self.device].gather(spans.starts)
        held = device.is_in(list(self.handheld)).fill_null(False).to_numpy()
        length = times[spans.ends - 1] - spans.begin
        kind = np.where(spans.ends - spans.starts == 1, 1, np.where(length <= self.longest, 0, 2))
        return np.where(held, kind, 3)

    def _values(self, part: Part, met: NDArray[np.uint64], spans: SessionSpans, times: Ints) -> dict[str, Flags]:
        """What each session counts for, but for its use."""
        every = np.arange(len(spans.starts))
        again = spans.next_session(every)
        mature = are_followed(spans.begin, self._followed, self.end)
        has = np.bitwise_or.reduceat(met, spans.starts)
        there = has_bit(met[spans.starts], self.places["entries"]) & ~has_bit(has, self.places["errors"])
        timed, slow = self._pages(part, spans)
        followed = are_followed(spans.begin, self.horizon, self.end) & (self.goal is not None)
        goal = np.zeros(0, np.int64) if self.goal is None else np.flatnonzero(self.goal.marked(part))
        to_goal = spans.wait_to(every, times, row_after(goal, spans.starts, spans.own_end))
        return {
            "sessions": np.ones(len(every), np.bool_),
            "mature": mature,
            "there": there & (spans.ends - spans.starts > 1) & mature,
            "timed": timed & mature,
            "quick": timed & ~slow & mature,
            "back_1d": lies_within(again, micros(DAY)) & mature,
            "back_7d": lies_within(again, micros(FOLLOWED)) & mature,
            "followed": followed,
            "reached": lies_within(to_goal, self.horizon) & followed,
        }

    @property
    def _followed(self) -> int:
        """The time after which a session is mature."""
        return max(micros(FOLLOWED), *(micros(each.within or FOLLOWED) for each in self.intents))

    def _pages(self, part: Part, spans: SessionSpans) -> tuple[Flags, Flags]:
        """Which sessions have a page whose time to load is known, and which one that was slow."""
        if self.load_seconds is None:
            nothing = np.zeros(len(spans.starts), np.bool_)
            return nothing, nothing
        seconds = part.read([self.load_seconds])[self.load_seconds].cast(pl.Float64).to_numpy()
        known, slow = ~np.isnan(seconds), seconds > self.slow
        return np.logical_or.reduceat(known, spans.starts), np.logical_or.reduceat(slow, spans.starts)

    def _useful(
        self, met: NDArray[np.uint64], intent: Ints, spans: SessionSpans, times: Ints
    ) -> tuple[Flags, Flags, Ints]:
        """Which sessions were useful, of which that is known, and the time to the first useful touch (else -1)."""
        useful, judged = np.zeros((2, len(intent)), np.bool_)
        waits = np.full(len(intent), -1)
        for number, rule in enumerate(self.intents):
            chosen = np.flatnonzero(intent == number)
            if rule.useful:
                rows = np.flatnonzero(has_bit(met, self.places[f"useful {number}"]))
                limit = (spans.ends if rule.within is None else spans.own_end)[chosen]
                wait = spans.wait_to(chosen, times, row_after(rows, spans.starts[chosen], limit))
                waits[chosen] = wait
                within = np.inf if rule.within is None else micros(rule.within)
                useful[chosen] = lies_within(wait, within)
            elif rule.unless:
                rows = np.flatnonzero(has_bit(met, self.places[f"unless {number}"]))
                later = row_after(rows, spans.ends[chosen], spans.own_end[chosen])
                wait = spans.wait_to(chosen, times, later)
                within = micros(rule.within or FOLLOWED)
                came_back = lies_within(wait, within) | lies_within(spans.next_session(chosen), within)
                useful[chosen] = ~came_back
            judged[chosen] = bool(rule.useful or rule.unless)
        return useful, judged, waits

    def merge(self, partials: Sequence[pl.DataFrame]) -> pl.DataFrame:
        """Adds up the counts of parts."""
        return add_up(partials, [*self.by.keys, " intent", " kind"], self.schema)

    def finish(self, merged: pl.DataFrame) -> pl.DataFrame:
        """The columns of `moments`."""
        names = pl.Series([*(each.name for each in self.intents), UNCLEAR], dtype=pl.String)
        shares = [column for part, whole in RATES.items() for column in share_columns(merged, NAMES[part], part, whole)]
        answered = merged.with_columns(
            names.gather(merged[" intent"]).alias("intent"),
            pl.Series(KINDS).gather(merged[" kind"]).alias("kind"),
            (pl.col("sessions") / pl.col("sessions").sum().over(*self.by.keys)).alias("share_of_sessions"),
            *shares,
            *customer_columns(BEHIND),
            *durations(merged[WAIT], {"median_useful": 0.5}),
        )
        if self.places["entries"] < 0:
            unknown = [name for name in self.SCHEMA if name.startswith("there_rate")]
            answered = answered.with_columns(pl.lit(None, pl.Float64).alias(name) for name in unknown)
        return totals_first(answered, self.by.names, " intent", " kind").select(*self.by.names, *self.SCHEMA)

    def exactly(self, merged: pl.DataFrame) -> Self:  # noqa: ARG002
        """The same: a median of many waits is right to 1 in 1,000."""
        return self


@measured_by(Moments)
def moments(
    paths: Paths,
    intents: Sequence[Intent],
    *,
    longest: str | timedelta = "3m",
    by: By = (),
    device: str = "device",
    handheld: Words = HANDHELD,
    entries: Words = (),
    errors: Words | None = None,
    load_seconds: str | None = None,
    slow: float = 3.0,
    goal: GoalWords | None = None,
) -> pl.DataFrame:
    """Counts sessions by what customers want in them (`Intent`, the first that fits) and by kind.

    A session whose first touch has a `device` that is not `handheld`, or none, is of the kind `not handheld`. Of the
    others one of a single touch is a `glance`, one of at most `longest` from its first to its last touch (exactly so
    long counts) a `moment`, and a longer one a `sitting`. Sessions of no intent are `unclear`. All windows begin at the
    first touch of the session, and end with it.

    Columns: those of `by` (the value at the session's first touch); `is_total` Boolean (rows over all groups come
    first, with null in `by`); `intent`, `kind` String; Int64: `customers` (distinct), `sessions`; `mature` (begun 7
    days, or the longest `within` of an intent, before the end of the data); `there` (mature ones that begin with one of
    the touchpoints `entries`, and have another touch and no error); `judged`, `useful` (mature ones of an intent that
    says what is useful, and those that were); `timed`, `quick` (mature ones with a known time to load, and those
    without a page of more than `slow` seconds); `back_1d`, `back_7d` (mature ones after which the customer begins
    another session so soon); `followed`, `reached` (begun the goal's horizon before the end of the data, and those with
    a touch of the goal from their first touch on within it), and distinct customers with sessions that are `there`,
    `useful`, `quick`, or are not though they count (`customers_there`, `customers_not_there` and so on). Float64:
    `share_of_sessions` (of all of the group), and with Wilson intervals, judged by customers, `there_rate`,
    `useful_rate`, `quick_rate`, `back_1d_rate`, `back_7d_rate`, `goal_rate` with `_low` and `_high`; each is null
    where its whole is 0, `there_rate` also without `entries`. `median_useful` Duration(us): from the first
    touch to the first useful one, of more than 1,000 sessions right to 1 in 1,000. Rows for what occurs, intents and
    kinds in their order; no session gives no rows.

    `errors` are touchpoints (default: those with `error` in their name); `load_seconds` is the column of the time to
    load; `goal` is by default the one that ends journeys. Raises `DefinitionError` for no intents, more than 20 or two
    of one name, an unknown column, paths without sessions or devices, and a length that is not above 0; warns of a
    touchpoint in two intents, of which the first holds, and of a word that no touch has (`UnknownWordWarning`).

    >>> from analytics import Paths
    >>> text = {"ann": "search@0s[session=1,device=mobile] product@40s[session=1,device=mobile]"}
    >>> know = Intent(name="know", touchpoints=["search", "product"], useful=["product"])
    >>> moments(Paths.from_text(text, end="8d"), [know])["intent", "kind", "sessions", "useful"].rows()
    [('know', 'moment', 1, 1)]
    """
    rules, length = _checked(intents), duration(longest)
    paths.require(SESSION, *([load_seconds] if load_seconds else []))
    if length <= timedelta():
        raise DefinitionError("A moment takes some time.", expected="longest above 0, such as 3m", found=str(longest))
    if device not in paths.schema:
        raise DefinitionError(
            "Which sessions are handheld is not known.",
            expected=f"a column {device!r}",
            found=", ".join(paths.columns),
            do="add the column to context of [paths], or name another one",
        )
    if load_seconds is not None and not paths.schema[load_seconds].is_numeric():
        found = f"{load_seconds!r}, which is {paths.schema[load_seconds]}"
        raise DefinitionError("A time to load is a number.", expected="a column of seconds", found=found)
    devices = paths.values_of(device).cast(pl.String)
    target = _goal_of(paths, goal)
    matcher, places = _matcher(paths, rules, entries, errors)
    asked = Moments(
        rules,
        matcher,
        places,
        None if target is None else GoalTouches.of(paths, target),
        Breakdown.of(paths, by, [*Moments.SCHEMA]),
        micros(length),
        device,
        tuple(devices.is_in(list(several("handheld", handheld))).arg_true().to_list()),
        load_seconds,
        slow,
        micros(window_of(paths, target.horizon if target else None, SESSION)),
        paths.end_of_data,
        tuple(unit_columns(paths.schema, SESSION)),
    )
    return run(paths, asked)


def _checked(intents: Sequence[Intent]) -> tuple[Intent, ...]:
    """The intents, each with a name of its own; warns of touchpoints in two of them."""
    names = [each.name for each in intents]
    if not 0 < len(names) <= MAX_INTENTS or len(set(names)) < len(names):
        raise DefinitionError(
            "Moments are told by intents.",
            expected=f"1 to {MAX_INTENTS} intents, each with a name of its own",
            found=", ".join(names) or "none",
        )
    first: dict[str, str] = {}
    for each in intents:
        for touchpoint in dict.fromkeys(each.touchpoints):
            if touchpoint in first:
                text = (
                    f"{touchpoint!r} is in two intents: a session with it is {first[touchpoint]!r}, not {each.name!r}"
                )
                warnings.warn(text, stacklevel=levels_to_caller())
            first.setdefault(touchpoint, each.name)
    return tuple(intents)


def _goal_of(paths: Paths, goal: GoalWords | None) -> Any:
    """The goal asked for, else the one that ends journeys; None where the paths have none."""
    if goal is None:
        return main_goal(paths.definition.goal) if paths.definition else None
    asked = as_goal(goal)
    warn_of_unknown_goal(paths, asked)
    return asked


def _matcher(
    paths: Paths, intents: Sequence[Intent], entries: Words, errors: Words | None
) -> tuple[Matcher, dict[str, int]]:
    """What finds the touches of every rule, and the bit of each rule by its name; -1 without one."""
    if errors is None:
        names = paths.values_of(TOUCHPOINT).cast(pl.String)
        errors = tuple(names.filter(names.str.to_lowercase().str.contains("error")))
    rules: dict[str, Words] = {f"intent {number}": each.touchpoints for number, each in enumerate(intents)}
    rules |= {f"useful {number}": each.useful for number, each in enumerate(intents)}
    rules |= {f"unless {number}": each.unless for number, each in enumerate(intents)}
    rules |= {"entries": entries, "errors": errors}
    steps = {name: Step(words) if words else None for name, words in rules.items()}
    warn_of_unknown(unknown_steps(paths, [step for step in steps.values() if step]))
    return matcher_of(steps)
