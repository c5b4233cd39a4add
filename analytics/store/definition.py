"""What the paths of a store were cut by: the stages in order, the goal, and how long a customer may stay away."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

import polars as pl


@dataclass(frozen=True)
class JourneyDefinition:
    """The stages in their order, the touchpoints that are the goal, and the journey gap.

    `goal_stage` is the position of the goal's stage: the furthest that a rule gives to one of the goal's touchpoints.
    A goal that no rule names has a stage of its own behind all others, `len(stages)`.
    """

    stages: tuple[str, ...]
    goal: tuple[str, ...]
    goal_stage: int
    gap: timedelta

    def as_plain(self) -> dict[str, Any]:
        """The definition as plain data, for a manifest."""
        return {
            "stages": list(self.stages),
            "goal": list(self.goal),
            "goal_stage": self.goal_stage,
            "gap_seconds": self.gap.total_seconds(),
        }

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> JourneyDefinition:
        """The definition of a manifest."""
        gap = timedelta(seconds=plain["gap_seconds"])
        return cls(tuple(plain["stages"]), tuple(plain["goal"]), plain["goal_stage"], gap)


class JourneyRules(Protocol):
    """Rules that cut touches into sessions and journeys; `analytics.PathRules` are such."""

    def on_touches(self, touches: pl.DataFrame, end: datetime | None) -> tuple[pl.DataFrame, JourneyDefinition]:
        """The touches with their stage, session and journey, in their order, and what they were cut by."""
