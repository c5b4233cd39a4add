"""A lake as it was known at an earlier time: who had a journey under way then, and who of them reached a goal after."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from tests.audit.landed import lake
from tests.audit.landed.identities import Identity
from tests.audit.landed.paths import Paths, Touch, paths_of


def under_way(
    paths: Paths, objected: set[str], has_had: Callable[[list[Touch]], bool], lookback: int
) -> list[Identity]:
    """The customers with a journey under way and a touch in the lookback, without those who object to profiling, and
    those who had the goal.
    """
    asked = {who for who, own in paths.touches.items() if has_had(own) or is_objected(own, objected)}
    found = {journey.customer: 0 for journey in paths.journeys if journey.outcome == "open"}
    return [who for who in found if who not in asked and paths.touches[who][-1].at >= paths.end - lookback]


def is_objected(own: list[Touch], objected: set[str]) -> bool:
    """Whether one of the identities of a customer is among these, as kind:value."""
    return any(f"{kind}:{value}" in objected for touch in own for kind, value in touch.event.identities)


def followed(
    address: str, now: Paths, version: int | None, cutoff: int, until: int, is_goal: Callable[[Touch], bool], **of: Any
) -> tuple[int, int]:
    """How many customers had a journey under way at a cutoff, as was known then, and how many of them reached the goal
    from then until before `until`, as is known now: whoever now has an event of theirs. `of` is that of `under_way`.
    """
    landed = lake.read(address, now.settings, version, known_at=cutoff)
    then = paths_of(replace(landed, end=cutoff), now.settings)
    owners = {touch.event.id: touch.customer for touch in now.all_touches}
    reached = {touch.customer for touch in now.all_touches if cutoff <= touch.at < until and is_goal(touch)}
    against = {who for who, own in now.touches.items() if is_objected(own, of["objected"])}
    known = [{owners.get(touch.event.id) for touch in then.touches[who]} for who in under_way(then, **of)]
    known = [own for own in known if not own & against]
    return len(known), sum(bool(own & reached) for own in known)
