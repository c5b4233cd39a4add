"""How much did each story cost? The world is compared with its twin, which has all stories but this one.

Only people whom the story touched differ in the twin, or who met it where it is a slow page: only their lives are
simulated a second time.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from ingest.samples.shop.lives import Shop, live
from ingest.samples.shop.people import person_of
from ingest.samples.shop.stories import STAGES, Stories, Story
from ingest.samples.shop.visits import Fact


@dataclass(frozen=True)
class StoryTruth:
    """A story as it was planted, and what it cost.

    `stage` is not reached by the journeys that it touches, `dimension` and `value` are the group (null: everybody),
    `until` is null for what lasts. `journeys_met` were of its group at its step in its time, `journeys_touched` of them
    had a visit ended by it. `goals_lost` are the orders of the twin world less those of the world.
    """

    number: int
    kind: str
    step: str
    stage: str
    dimension: str | None
    value: str | None
    page: str | None
    since: datetime
    until: datetime | None
    strength: float
    journeys_met: int
    journeys_touched: int
    goals_lost: int


def measured(shop: Shop, orders: dict[int, int], days: int) -> tuple[StoryTruth, ...]:
    """The stories of a world that has been played, with their sizes; `orders` are those of every person in it."""
    return tuple(_measured(shop, story, orders, days) for story in shop.stories.planted)


def orders_of(facts: Iterable[Fact]) -> int:
    """The number of orders."""
    return sum(fact.name == "order_placed" for fact in facts)


def _measured(shop: Shop, story: Story, orders: dict[int, int], days: int) -> StoryTruth:
    others = tuple(each for each in shop.stories.planted if each is not story)
    twin = replace(shop, stories=Stories(shop.seed, others))
    changed = shop.stories.touched if story.page is None else shop.stories.met
    people = sorted({number for number, _ in changed[story.number]})
    lost = sum(orders_of(live(twin, person_of(shop.seed, each, shop.start, days))) - orders[each] for each in people)
    return StoryTruth(
        number=story.number,
        kind=story.kind,
        step=story.step,
        stage=STAGES[story.step],
        dimension=story.dimension,
        value=story.value,
        page=story.page,
        since=_time(story.since),
        until=None if story.until is None else _time(story.until),
        strength=story.strength,
        journeys_met=len(shop.stories.met[story.number]),
        journeys_touched=len(shop.stories.touched[story.number]),
        goals_lost=lost,
    )


def _time(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
