"""`[[watches]]` of journeys.toml: what to watch, as it is written there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import Field, model_validator

from analytics.engine.goals import Goal
from analytics.funnels.definition import Funnel
from analytics.monitoring.watching.definition import LEVEL, Direction, Rule, Watch, WatchPeriod
from analytics.monitoring.watching.watch_counts import Pair
from expectations.config.durations import Duration
from expectations.config.file import Owned
from expectations.errors import DefinitionError

WATCHED = ("funnel", "goal", "pair", "touchpoint", "channel", "survey", "share")


class NamedWatch(Owned):
    """One `[[watches]]`: what to watch (a funnel or goal by name, a pair, or a metric), for whom, by which bounds.

    `pair` is two touchpoints, `within` the time in which the second follows. `share` is errors or slow pages. `only` is
    one column and its value, `segment` the name of a segment: only its members. `by` are columns, or `segment:NAME`.
    Raises pydantic's `ValidationError` for what `Watch` refuses.
    """

    name: str = Field(min_length=1, description="what the watch is called")
    funnel: str | None = Field(None, min_length=1, description="the name of a funnel of [[funnels]]")
    goal: str | None = Field(None, min_length=1, description="the name of a goal")
    pair: tuple[str, str] | None = Field(None, description="two touchpoints: the second follows the first")
    within: Duration | None = Field(None, description="time in which the second of a pair follows")
    touchpoint: str | None = Field(None, min_length=1, description="the touches of this touchpoint are counted")
    channel: str | None = Field(None, min_length=1, description="the touches of this channel are counted")
    survey: str | None = Field(None, min_length=1, description="its low answers")
    share: Literal["errors", "slow pages"] | None = Field(
        default=None, description="the share of errors, or of slow pages"
    )
    rule: Rule = Field(default="unusual", description="unusual against its own past, or below a target")
    period: WatchPeriod = Field(default="day", description="what is compared: days or weeks")
    by: tuple[str, ...] = Field((), description="columns to watch by, besides all")
    only: dict[str, str] = Field({}, max_length=1, description="one column and its value: only this group")
    segment: str = Field("", description="a segment of [[segments]]: only its members")
    floor: float | None = Field(None, gt=0, lt=1, description="least gap: 0.05 of a share, 0.2 of a count")
    direction: Direction | None = Field(default=None, description="which moves are told: both, down or up")
    target: float | None = Field(None, gt=0, lt=1, description="the share that it is held against, with rule target")
    periods: int | None = Field(None, ge=1, description="periods judged against a target: 7 days, 4 weeks")
    level: float = Field(LEVEL, gt=0, lt=1, description="the corrected p-value below which a move is told")

    @model_validator(mode="after")
    def _is_a_watch(self) -> NamedWatch:
        named = [word for word in WATCHED if getattr(self, word) is not None]
        if len(named) != 1:
            found = f"found {' and '.join(named)}" if named else "found none of them"
            raise ValueError(f"a watch is of one of {', '.join(WATCHED)}; {found}")
        if (self.pair is None) != (self.within is None):
            raise ValueError("a pair has the time within which the second follows; nothing else has it")
        if self.only and self.segment:
            raise ValueError("a watch is of one group: only, or segment")
        anything = Funnel(["a", "b"])
        goal = Goal.model_construct(name=self.goal or "", steps=("goal",))
        try:
            self.definition({self.funnel or "": anything}, {self.goal or "": goal})
        except DefinitionError as error:
            facts = (
                error.what,
                error.expected and f"Expected {error.expected}.",
                error.found and f"Found {error.found}.",
            )
            raise ValueError(" ".join(fact for fact in facts if fact)) from None
        return self

    def definition(self, funnels: Mapping[str, Funnel], goals: Mapping[str, Goal]) -> Watch:
        """The watch, with the funnel and the goal of these names; columns of segments have their names."""
        if self.pair is not None:
            assert self.within is not None
            of: Funnel | Goal | Pair | str = Pair(*self.pair, self.within)
        elif self.funnel is not None:
            of = funnels[self.funnel]
        elif self.goal is not None:
            of = goals[self.goal]
        else:
            kinds = ("touchpoint", "channel", "survey")
            of = self.share or next(f"{kind}:{getattr(self, kind)}" for kind in kinds if getattr(self, kind))
        only = next(iter(self.only.items()), (self.segment, "in") if self.segment else None)
        return Watch(
            self.name,
            of,
            rule=self.rule,
            period=self.period,
            by=[word.removeprefix("segment:") for word in self.by],
            only=only,
            floor=self.floor,
            direction=self.direction,
            target=self.target,
            periods=self.periods,
            level=self.level,
            owner=self.owner,
        )
