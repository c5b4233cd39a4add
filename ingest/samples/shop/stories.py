"""Stories of the shop: what goes wrong, where, for whom and when, planted so that an analysis should find it.

A visit *meets* a story when it is at the story's step, of its group, in its time; it is *touched* when the story ends
it there, with the probability `strength`. Whether it is touched is drawn from a stream of the story's own, so the
world without a story, its twin, is the same up to the first touch of every person. Times are milliseconds since 1970
UTC.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Final, Literal

from ingest.samples.shop.catalogue import DAY, SLOW_PAGE
from ingest.samples.shop.people import AGES, ATTITUDES, NEVER_BUYS, REGIONS, TIERS
from ingest.samples.shop.streams import EVERYBODY, Purpose, stream

if TYPE_CHECKING:
    from ingest.samples.shop.visits import Visit

Step = Literal["arrive", "cart", "pay"]
STAGES: Final[dict[Step, str]] = {"arrive": "Interest", "cart": "Desire", "pay": "Action"}
"""The stage of the journey map that is not reached where a visit ends at a step."""

GROUPS: Final[dict[str, tuple[str, ...]]] = {
    "device": ("mobile", "desktop"),
    "channel": ("web", "app", "email", "partner", "store"),
    "region": REGIONS[0],
    "age_band": AGES[0],
    "loyalty_tier": TIERS[0],
    "attitude": tuple(name for name in ATTITUDES[0] if name != NEVER_BUYS),
}
OF_PERSON: Final = ("region", "age_band", "loyalty_tier", "attitude")
LANDING: Final = "landing"
"""The page of a story that slows down the first page of a visit."""


@dataclass(frozen=True)
class Story:
    """What ends visits at a step, from `since` to `until` (None: to the end), for a group (None: for everybody).

    `number` tells the stories of a world apart, in its twins as well. A story of a `page` makes it slow, and ends
    visits there.
    """

    number: int
    kind: str
    step: Step
    since: int
    until: int | None
    strength: float
    dimension: str | None = None
    value: str | None = None
    page: str | None = None

    def meets(self, visit: Visit) -> bool:
        """Whether the visit is of the group, and in the time of the story."""
        if visit.at < self.since or (self.until is not None and visit.at >= self.until):
            return False
        return self.dimension is None or visit.group(self.dimension) == self.value


@dataclass(slots=True, eq=False)
class Stories:
    """The stories of a world, and the (person, journey) pairs that met each of them, and that it touched."""

    seed: int = 0
    planted: tuple[Story, ...] = ()
    met: dict[int, set[tuple[int, int]]] = field(default_factory=lambda: defaultdict(set))
    touched: dict[int, set[tuple[int, int]]] = field(default_factory=lambda: defaultdict(set))

    def end(self, visit: Visit, step: Step) -> bool:
        """Whether a story ends the visit at this step."""
        return self._touch(visit, [each for each in self.planted if each.page is None and each.step == step])

    def slow(self, visit: Visit, page: str) -> tuple[bool, bool]:
        """Whether a story makes this page slow, and whether the visit ends there because of it."""
        page = LANDING if page == "home" else page
        slow = [each for each in self.planted if each.page == page and each.meets(visit)]
        return bool(slow), self._touch(visit, slow)

    def _touch(self, visit: Visit, stories: Sequence[Story]) -> bool:
        journey, number_of_visit = visit.place
        for story in stories:
            if not story.meets(visit):
                continue
            self.met[story.number].add((visit.person.number, journey))
            place = journey << 16 | number_of_visit
            draws = stream(self.seed, visit.person.number, Purpose.STORY, place, story.number << 16 | len(visit.facts))
            if draws.random() < story.strength:
                self.touched[story.number].add((visit.person.number, journey))
                return True
        return False


NO_STORIES: Final = Stories()


def planted_stories(start: int, incident: tuple[int, int]) -> tuple[Story, ...]:
    """The default: payment on phones fails for some days, and one page is always slow."""
    return (
        Story(1, "outage", "pay", *incident, 0.56, "device", "mobile"),
        Story(2, "slow page", "cart", start, None, 0.46, page=SLOW_PAGE),
    )


def random_stories(seed: int, start: int, days: int) -> tuple[Story, ...]:
    """None to three stories of random kind, place, size and time, no two of one dimension."""
    rng = stream(seed, EVERYBODY, Purpose.STORIES)
    dimensions = rng.sample(sorted(GROUPS), 3)
    count = rng.choice((0, 1, 1, 2, 2, 3))
    return tuple(_random_story(rng, number, each, start, days) for number, each in enumerate(dimensions[:count], 1))


def _random_story(rng: Random, number: int, dimension: str, start: int, days: int) -> Story:
    kinds = ["outage", "slow page", "lasting fall", *(["weakness"] if dimension in OF_PERSON else ["release"])]
    kind = rng.choice([*kinds, "channel stops helping"] if dimension == "channel" else kinds)
    value = rng.choice(GROUPS[dimension])
    page = LANDING if kind == "slow page" and value != "store" else None
    step: Step = "arrive" if page or kind == "channel stops helping" else rng.choice(("cart", "pay"))
    if value == "store":
        step = "cart"
    elif value in {"email", "partner"}:
        step = "arrive"
    since = start + int((0.40 + 0.35 * rng.random()) * days) * DAY
    until = since + rng.randrange(2, 11) * DAY if kind in {"outage", "slow page"} else None
    since = start if kind == "weakness" else since
    strength = (0.4 + 0.5 * rng.random()) if until else (0.12 + 0.38 * rng.random())
    return Story(number, kind, step, since, until, round(strength, 2), dimension, value, page)
