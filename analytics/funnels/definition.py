"""The definition of a funnel: steps, window and rules, frozen and checked.

Invalid definitions (a window without a unit, a funnel without steps) raise `DefinitionError` on construction, with
what was expected.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

import polars as pl

from analytics.engine.conditions import ANY, Exclude, Step, fill, one_of
from analytics.engine.local.money import Money
from analytics.store.frames import as_utc
from expectations.config.durations import duration
from expectations.errors import DefinitionError

ORDERS: Final = ("ordered", "strict", "unordered")
MATURITIES: Final = ("mature", "clip", "survival")
TIES: Final = ("favourable", "adverse", "sequence")
EFFECTS: Final = ("end_attempt", "drop_customer", "void_attempt")
ATTRIBUTIONS: Final = ("at_entry", "first", "last", "every")
STOPS: Final = ("repeat", "other", "entry")
COUNTABLE: Final = ("customers", "sessions", "journeys", "entries")
"""What can be counted besides the values of a column."""
MAX_STEPS: Final = 60
MAX_OPTIONAL: Final = 8

Order = Literal["ordered", "strict", "unordered"]
Maturity = Literal["mature", "clip", "survival"]
Ties = Literal["favourable", "adverse", "sequence"]
Effect = Literal["end_attempt", "drop_customer", "void_attempt"]
Stop = Literal["repeat", "other", "entry"]


@dataclass(frozen=True, eq=False, init=False)
class Funnel:
    """Steps and the rules under which customers pass them.

    - `order`: `ordered`; `strict` (no other touch of `universe`, by default all, in between); `unordered`.
    - `by`: columns of the breakdown. `attribution`: the touch whose value counts: `at_entry` of the reported chain; the
      `first` or `last` touch that matches a step and has a value (the last not after the chain's end); `step 2`;
      `every` (the funnel once for each value, of touches with that value alone); `every step 2` (once for each value at
      that step).
    - `exclude`: touches that break a chain. `exclude_effect`: `end_attempt`; `drop_customer`; or `void_attempt`, for
      unordered funnels: an attempt with an excluded touch between its first and last touch counts for nothing.
    - `same`: columns that are equal over all touches of a chain; a touch without a value is in no chain.
    - `count`: `customers`, `sessions`, `journeys`, `entries` (attempts one after the other: each begins at the first
      entry after the last touch of the one before; of touches at one instant the latest step comes first, with ties
      `sequence` the order of the source), or any column whose values are counted in place of customers.
    - `maturity`, `ties`, `start`, `end` (entries lie in `start <= t < end`): see the documentation of the numbers.
    - `value`: a numeric column that is added up over the touches of each step; of money in several currencies a
      `Money` with the one of the sum.
    - `only`: touches that the funnel sees at all.
    - `reentry`: every entry is tried; without it only the first one in the range, as tools that start a customer's
      clock once.
    - `reuse`: one touch may be several steps. `later`: each step at a later instant than the one before.
    - `stop`: the first touch that ends the search for good: a `repeat` of a later step done before, any `other` touch
      than a done step or the next one; with `entry`, the first step again forgets the chain so far.

    >>> Funnel(["visit", "cart", "pay"], window="7d").window
    datetime.timedelta(days=7)
    """

    steps: tuple[Step, ...]
    window: timedelta
    order: Order
    by: tuple[str, ...]
    attribution: str
    exclude: tuple[Exclude, ...]
    exclude_effect: Effect
    same: tuple[str, ...]
    count: str
    maturity: Maturity
    ties: Ties
    start: datetime | None
    end: datetime | None
    value: str | Money | None
    universe: pl.Expr | None
    only: pl.Expr | None
    reentry: bool
    reuse: bool
    later: bool
    stop: tuple[Stop, ...]

    def __init__(
        self,
        steps: Sequence[str | Step | list[str]],
        window: str | timedelta = "30d",
        *,
        order: Order = "ordered",
        by: str | Sequence[str] = (),
        attribution: str = "at_entry",
        exclude: str | Exclude | Sequence[str | Exclude] = (),
        exclude_effect: Effect = "end_attempt",
        same: str | Sequence[str] = (),
        count: str = "customers",
        maturity: Maturity = "mature",
        ties: Ties = "favourable",
        start: datetime | None = None,
        end: datetime | None = None,
        value: str | Money | None = None,
        universe: pl.Expr | None = None,
        only: pl.Expr | None = None,
        reentry: bool = True,
        reuse: bool = False,
        later: bool = False,
        stop: Sequence[Stop] = (),
    ) -> None:
        if isinstance(steps, str | Step):
            raise DefinitionError("The steps of a funnel are a list.", expected='["visit", "pay"]', found=repr(steps))
        excludes = [exclude] if isinstance(exclude, str | Exclude) else exclude
        fill(
            self,
            steps=tuple(step if isinstance(step, Step) else Step(step) for step in steps),
            window=duration(window),
            order=one_of("order", order, ORDERS),
            by=(by,) if isinstance(by, str) else tuple(dict.fromkeys(by)),
            attribution=attribution,
            exclude=tuple(e if isinstance(e, Exclude) else Exclude(e) for e in excludes),
            exclude_effect=one_of("exclude_effect", exclude_effect, EFFECTS),
            same=(same,) if isinstance(same, str) else tuple(same),
            count=count,
            maturity=one_of("maturity", maturity, MATURITIES),
            ties=one_of("ties", ties, TIES),
            start=None if start is None else as_utc(start),
            end=None if end is None else as_utc(end),
            value=value,
            universe=universe,
            only=only,
            reentry=reentry,
            reuse=reuse,
            later=later,
            stop=tuple(one_of("stop", word, STOPS) for word in stop),
        )
        check(self)

    @property
    def attributed_step(self) -> int | None:
        """The number of the step whose touch gives the value of a breakdown, where `attribution` names one."""
        return int(self.attribution[5:]) if self.attribution.startswith("step ") else None

    @property
    def is_special(self) -> bool:
        """Whether chains must be tried entry by entry: step windows, optional steps, customers dropped."""
        own = any(step.optional or step.within is not None for step in self.steps)
        return own or (self.exclude_effect == "drop_customer" and bool(self.exclude))

    @property
    def repeats_customers(self) -> bool:
        """Whether one customer may be several entrants."""
        return self.count in ("sessions", "journeys", "entries") or (bool(self.by) and self.attribution[:5] == "every")

    def previous(self, step: int) -> int:
        """The step that a step is compared with: the nearest before it that is not optional (1 for the first)."""
        return next((k for k in range(step - 1, 0, -1) if not self.steps[k - 1].optional), 1)

    def name_of(self, step: int) -> str:
        """The name of a step; in an unordered funnel, the number of steps reached."""
        return f"any {step} of {len(self.steps)}" if self.order == "unordered" else self.steps[step - 1].name


def check(funnel: Funnel) -> None:
    """Raise `DefinitionError` for an invalid funnel."""
    _check_steps(funnel)
    for exclusion in funnel.exclude:
        _check_exclusion(exclusion, funnel)
    numbered = [f"{word} {k + 1}" for word in ("step", "every step") for k in range(len(funnel.steps))]
    one_of("attribution", funnel.attribution, [*ATTRIBUTIONS, *numbered])
    if funnel.order == "unordered" and (funnel.stop or any(s.optional or s.within is not None for s in funnel.steps)):
        raise DefinitionError("An unordered funnel has no optional steps, step windows or stops.")
    if funnel.order == "unordered" and (funnel.reuse or funnel.later):
        raise DefinitionError("An unordered funnel cannot use `reuse` or `later`.")
    if funnel.order != "unordered" and funnel.exclude_effect == "void_attempt":
        raise DefinitionError("Only an unordered funnel can void an attempt.", expected="end_attempt or drop_customer")
    if not funnel.reentry:
        _check_reentry(funnel)
    if funnel.ties == "adverse":
        _check_adverse(funnel)
    if funnel.stop and (funnel.count == "entries" or funnel.exclude or funnel.order == "strict"):
        raise DefinitionError("`stop` does not go with strict order, exclusions, or counting entries.")
    if funnel.is_special and (funnel.reuse or funnel.stop):
        raise DefinitionError("`reuse` and `stop` do not go with step windows, optional steps or dropped customers.")


def _check_steps(funnel: Funnel) -> None:
    """Check the steps, and the range of entries."""
    steps = len(funnel.steps)
    if not steps:
        raise DefinitionError("A funnel has no steps.", expected="at least one step")
    if steps + len(funnel.exclude) > MAX_STEPS:
        raise DefinitionError("A funnel has too many steps.", expected=f"at most {MAX_STEPS} steps and exclusions")
    if funnel.start and funnel.end and funnel.end <= funnel.start:
        raise DefinitionError(
            "The range of entries is empty.", expected="start before end", found=f"{funnel.start} to {funnel.end}"
        )
    if funnel.steps[0].optional:
        raise DefinitionError("The first step of a funnel cannot be optional.", where=funnel.steps[0].name)
    if sum(step.optional for step in funnel.steps) > MAX_OPTIONAL:
        raise DefinitionError("A funnel has too many optional steps.", expected=f"at most {MAX_OPTIONAL}")


def _check_reentry(funnel: Funnel) -> None:
    """Check that nothing needs a second entry."""
    drops = bool(funnel.exclude) and funnel.exclude_effect != "end_attempt"
    if drops or funnel.stop or funnel.count == "entries":
        raise DefinitionError(
            "Without `reentry` a customer has one attempt.",
            expected="exclusions that end the attempt, no `stop`, and another count than entries",
        )


def _check_adverse(funnel: Funnel) -> None:
    """Allow `adverse` only where the least depth of a customer is known exactly."""
    values = [(step.on, value) for step in funnel.steps for value in step.any_of]
    single = (
        len(set(values)) == len(values) and len({on for on, _ in values}) == 1 and ANY not in {v for _, v in values}
    )
    if funnel.order != "unordered" and (funnel.order == "strict" or funnel.exclude or funnel.stop or not single):
        raise DefinitionError(
            "Adverse ties are exact only where no touch can be two steps, and nothing but steps matters.",
            expected="ordered steps without a common value, no exclusions, no stop",
            do="ask favourable and sequence; `tie_sensitive` counts customers whose depth depends on ties",
        )


def _check_exclusion(exclusion: Exclude, funnel: Funnel) -> None:
    steps, where = len(funnel.steps), f"exclusion of {' or '.join(exclusion.any_of)}"
    after, before = exclusion.after, exclusion.ends_before(steps)
    if not 1 <= after < before <= steps:
        raise DefinitionError(
            "An exclusion must lie between two steps of the funnel.",
            where=where,
            expected=f"1 <= after < before <= {steps}",
            found=f"after {after}, before {before}",
        )
    if funnel.order == "unordered" and (after, before) != (1, steps):
        raise DefinitionError(
            "Without an order of steps an exclusion lies between the first and the last.", where=where
        )
