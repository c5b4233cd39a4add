"""What to watch besides what is watched without being asked: a funnel, a goal, a pair of touchpoints, or a metric."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final, Literal

from analytics.engine.conditions import fill, one_of
from analytics.engine.goals import Goal
from analytics.engine.notices.unknown_words import unknown_words
from analytics.experience.voice import SCORE, SURVEY
from analytics.funnels.definition import Funnel
from analytics.funnels.saved import check_step_words
from analytics.monitoring.watching.watch_counts import CHANNEL, LOAD_SECONDS, MAX_VALUES, Pair, is_watchable
from analytics.store.columns import STAGE, TOUCHPOINT
from analytics.store.paths import Paths
from expectations.errors import DefinitionError, nearest

FLOOR: Final = 0.05
FLOOR_OF_COUNTS: Final = 0.2
LEVEL: Final = 0.01
VOLUMES: Final = (TOUCHPOINT, CHANNEL)
SHARES_OF_TOUCHES: Final = ("errors", "slow pages")
WORSE_UP: Final = (*SHARES_OF_TOUCHES, SURVEY)
"""Fewer errors, slow pages and low answers are no alert."""
PERIODS_OF_TARGET: Final = {"day": 7, "week": 4}
Rule = Literal["unusual", "target"]
WatchPeriod = Literal["day", "week"]
Direction = Literal["both", "down", "up"]
Metric = str
"""A metric as a watch names it: `touchpoint:NAME`, `channel:NAME`, `survey:NAME`, `errors` or `slow pages`."""


@dataclass(frozen=True, eq=False, init=False)
class Watch:
    """One thing to watch, with its owner and its bounds.

    `of` is a `Funnel` (each step of those at the step before), a `Goal` (of journeys), a `Pair` (of journeys with its
    source), or a metric: `touchpoint:NAME` and `channel:NAME` (touches), `survey:NAME` (the share of low answers),
    `errors` or `slow pages` (shares). It is watched in all and by the columns `by`; with `only` (a column and its
    value) for this group alone. Rules:

    - `unusual`: off its own past, by `floor` (0.05 of a share, 0.2 of a count) at least, with a corrected p-value below
      `level`; `direction` tells only falls (down), or only rises (up). By default both, of errors, slow pages and low
      answers up.
    - `target`: the 95 % interval of the last `periods` complete periods (7 days, 4 weeks) lies wholly on the wrong side
      of `target`: below it, or with direction `up` (that of errors, slow pages and low answers) above it.

    Raises `DefinitionError` for no name, another rule, period or direction, bounds outside 0 and 1, a target without
    its rule or of touches, a funnel that does not count customers or is not mature, and a metric that is none.

    >>> Watch("Checkout", Pair("Cart", "Paid", timedelta(days=1)), by=["device"]).floor
    0.05
    """

    name: str
    of: Funnel | Goal | Pair | Metric
    rule: Rule
    period: WatchPeriod
    by: tuple[str, ...]
    only: tuple[str, str] | None
    floor: float
    direction: Direction
    target: float | None
    periods: int
    level: float
    owner: str

    def __init__(
        self,
        name: str,
        of: Funnel | Goal | Pair | Metric,
        *,
        rule: Rule = "unusual",
        period: WatchPeriod = "day",
        by: Sequence[str] = (),
        only: tuple[str, str] | None = None,
        floor: float | None = None,
        direction: Direction | None = None,
        target: float | None = None,
        periods: int | None = None,
        level: float = LEVEL,
        owner: str = "",
    ) -> None:
        if not name.strip():
            raise DefinitionError("A watch has no name.", expected="a name")
        where = f"watch {name!r}"
        measure = _measure_of(of, where)
        one_of("rule of a watch", rule, ("unusual", "target"))
        one_of("period of a watch", period, tuple(PERIODS_OF_TARGET))
        usual: Direction = "up" if measure in WORSE_UP else "both" if rule == "unusual" else "down"
        asked = one_of("direction of a watch", direction or usual, ("both", "down", "up"))
        if (rule == "target") != (target is not None):
            raise DefinitionError(
                "A target and the rule target belong together.", where=where, expected="both, or neither of them"
            )
        if rule == "target" and measure in VOLUMES:
            raise DefinitionError(
                "A target is a share.", where=where, expected="a funnel, goal, pair, survey, or share"
            )
        if rule == "target" and asked == "both":
            raise DefinitionError("A target is missed on one side.", where=where, expected="direction down or up")
        least = FLOOR_OF_COUNTS if measure in VOLUMES else FLOOR
        for what, number in (("floor", least if floor is None else floor), ("level", level), ("target", target)):
            if number is not None and (isinstance(number, bool) or not 0 < number < 1):
                raise DefinitionError(
                    f"The {what} of a watch is a number.", where=where, expected="between 0 and 1", found=str(number)
                )
        if periods is not None and (isinstance(periods, bool) or periods < 1):
            raise DefinitionError(
                "A target is judged over periods.", where=where, expected="1 or more", found=str(periods)
            )
        if only is not None and by:
            raise DefinitionError("A watch of one group has no others.", where=where, expected="only, or by")
        if measure == CHANNEL and (only is not None or by):
            raise DefinitionError("A channel is watched in all.", where=where, expected="neither only nor by")
        fill(
            self, name=name, of=of, rule=rule, period=period, by=tuple(by), only=only, target=target, level=level,
            floor=least if floor is None else floor, direction=asked, owner=owner,
            periods=PERIODS_OF_TARGET[period] if periods is None else periods,
        )  # fmt: skip

    @property
    def measure(self) -> str:
        """What is counted, as alerts name it."""
        return _measure_of(self.of, f"watch {self.name!r}")

    @property
    def item(self) -> str:
        """The name of what is counted; of a funnel, which has several steps, empty."""
        if isinstance(self.of, Funnel):
            return ""
        if isinstance(self.of, str):
            return self.of.partition(":")[2] or self.of
        return self.of.name

    @property
    def groups(self) -> tuple[str, ...]:
        """The columns by which cases are counted."""
        return self.by if self.only is None else (self.only[0],)


def _measure_of(of: Funnel | Goal | Pair | Metric, where: str) -> str:
    """The measure of what is watched."""
    if isinstance(of, Pair):
        if of.window <= timedelta(0):
            raise DefinitionError("A pair has a window.", where=where, expected="longer than 0", found=str(of.window))
        return "pair"
    if isinstance(of, Goal):
        return "goal"
    if isinstance(of, Funnel):
        if len(of.steps) < 2:
            raise DefinitionError("A funnel that is watched has steps.", where=where, expected="two or more")
        if of.maturity != "mature" or of.repeats_customers:
            raise DefinitionError(
                "A funnel that is watched counts customers whose window is over.",
                where=where,
                expected='count "customers" and maturity "mature"',
            )
        return "funnel"
    kind, sign, name = of.partition(":")
    if (sign and name and kind in (*VOLUMES, SURVEY)) or of in SHARES_OF_TOUCHES:
        return kind
    expected = "touchpoint:NAME, channel:NAME, survey:NAME, errors, or slow pages"
    raise DefinitionError("No metric is called so.", where=where, expected=expected, found=repr(of))


def check_watch(paths: Paths, watch: Watch, *, known: Sequence[str] = ()) -> Watch:
    """The watch, when all it names is in the data; `known` are touchpoints that nobody may have touched yet.

    Raises `DefinitionError` with the nearest word for one that is not, for a column with more than 100 values, and for
    a value that its column has not.
    """
    where = f"watch {watch.name!r}"
    for name in watch.groups:
        if name not in paths.dictionaries:
            do = nearest(name, [column for column in paths.dictionaries if is_watchable(paths, column)])
            raise DefinitionError(f"There is no column {name!r} of texts.", where=where, do=do)
        if not is_watchable(paths, name):
            expected = f"a text column with at most {MAX_VALUES} values"
            raise DefinitionError(f"Column {name!r} cannot be watched by group.", where=where, expected=expected)
    if watch.only is not None:
        _check_word(paths, *watch.only, where)
    of = watch.of
    if isinstance(of, Funnel):
        check_step_words(paths, (*of.steps, *of.exclude))
    for column, word in _words(of):
        if not (column == TOUCHPOINT and word in known) and not _is_defined(paths, column, word):
            _check_word(paths, column, word, where)
    for name in {SURVEY: (SCORE,), "slow pages": (LOAD_SECONDS,)}.get(watch.measure, ()):
        if name not in paths.schema:
            raise DefinitionError(f"Touches have no column {name!r}.", where=where, do="add it to values of [paths]")
    return watch


def _words(of: Funnel | Goal | Pair | Metric) -> list[tuple[str, str]]:
    """The columns and their values that a watch names, but for those of a funnel."""
    if isinstance(of, Goal):
        return [(TOUCHPOINT, word) for word in of.touchpoints] + [(STAGE, word) for word in of.stages]
    if isinstance(of, Pair):
        return [(TOUCHPOINT, of.source), (TOUCHPOINT, of.target)]
    kind, sign, name = of.partition(":") if isinstance(of, str) else ("", "", "")
    return [(kind, name)] if sign else []


def _is_defined(paths: Paths, column: str, word: str) -> bool:
    """Whether a word is one by which the paths were made, which nobody may have touched."""
    made = paths.definition
    return made is not None and word in {TOUCHPOINT: made.goal, STAGE: made.stages}.get(column, ())


def _check_word(paths: Paths, column: str, word: str, where: str) -> None:
    """Raises `DefinitionError` for a word that a column has not."""
    if column not in paths.dictionaries:
        raise DefinitionError(f"Touches have no column {column!r}.", where=where)
    for unknown in unknown_words(paths, column, [word]):
        raise DefinitionError(
            f"No touch has the {column} {word!r}.",
            where=where,
            expected=f"a {column} of the data" + (", such as " if unknown.near else ": ") + ", ".join(unknown.offered),
        )


def step_touchpoint(definition: Funnel, number: int) -> str | None:
    """The touchpoint that is a step of a funnel; null for a step of several, or of stages."""
    step = definition.steps[number - 1]
    return step.any_of[0] if step.on == TOUCHPOINT and len(step.any_of) == 1 and step.where is None else None


def steps_by(definition: Funnel, column: str | None) -> Funnel:
    """The funnel by one column, or in all."""
    return replace(definition, by=() if column is None else (column,))
