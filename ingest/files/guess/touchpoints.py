"""Proposes names of touchpoints, the stages they belong to, and the goal, from events as they would land."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple
from urllib.parse import urlsplit

import polars as pl

from expectations import contract
from ingest.files.guess.words import GOALS, NO_GOALS, STAGES

MOST_NAMED: Final = 40
"""Names of events that get a rule, the most frequent first."""
_MOST_PAGES: Final = 12
_PAGE_WORDS: Final = ("page", "view", "visit", "hit", "navigat", "load", "screen", "landing")
"""Parts of the names of events whose address is the touchpoint."""
_FOLDED: Final = 4
"""Pages of one directory from which they become one touchpoint."""
_MOST_STEPS: Final = 6
_REACH: Final = 0.2
_STEM: Final = re.compile(r"(?<=\w\w\w)(ings?|ed|es|s|e)$")


class NamedTouchpoint(NamedTuple):
    """A touchpoint: the names of its events, the template of its address, and what is to be reviewed."""

    name: str
    events: tuple[str, ...]
    url: str = ""
    doubt: str = ""


class Plan(NamedTuple):
    """Touchpoints, stages with their touchpoints in order, the touchpoints of the goal, and what is to be reviewed of
    the goal and the stages.
    """

    touchpoints: list[NamedTouchpoint]
    stages: list[tuple[str, list[str]]]
    goal: list[str]
    goal_doubt: str
    stages_doubt: str

    @property
    def goal_events(self) -> list[str]:
        """The names of the events that are the goal."""
        return [event for one in self.touchpoints if one.name in self.goal for event in one.events if not one.url]


def plan_of(events: pl.DataFrame) -> Plan:
    """The touchpoints, stages and goal that events with the columns of the contract suggest."""
    names = Counter(dict(events[contract.EVENT_NAME].drop_nulls().value_counts().iter_rows()))
    pages = _pages(events, names)
    touchpoints = [*pages, *_named(names)]
    goal, goal_doubt = _goal(touchpoints, events)
    stages, stages_doubt = _stages(touchpoints, goal, events)
    return Plan(touchpoints, stages, goal, goal_doubt, stages_doubt)


def near_duplicates(names: Iterable[str]) -> list[list[str]]:
    """The names in groups of those that differ in endings and gaps only, in the order given.

    >>> near_duplicates(["order_completed", "view", "Order Complete"])
    [['order_completed', 'Order Complete'], ['view']]
    """
    groups = defaultdict[str, list[str]](list)
    for name in names:
        parts = re.split(r"[\W_]+", name.lower())
        groups["".join(_STEM.sub("", part) for part in parts) or name].append(name)
    return list(groups.values())


def directories(paths: Counter[str]) -> list[tuple[str, int]]:
    """Templates of paths with how many pages each stands for: a directory with several pages is one, `/p/{page}`.

    >>> directories(Counter({"/p/1": 1, "/p/2": 1, "/p/3": 1, "/p/4": 1, "/cart": 9}))
    [('/cart', 1), ('/p/{page}', 4)]
    """
    counts, pages = Counter[str](), Counter[str]()
    inside = defaultdict[str, set[str]](set)
    for path in paths:
        inside[path.rpartition("/")[0]].add(path)
    for path, count in paths.items():
        folder = path.rpartition("/")[0]
        is_folded = bool(folder) and len(inside[folder]) >= _FOLDED
        template = f"{folder}/{{page}}" if is_folded else path
        counts[template] += count
        pages[template] += 1
    return [(template, pages[template]) for template, _ in counts.most_common(_MOST_PAGES)]


def spoken(name: str) -> str:
    """The name of an event as words.

    >>> spoken("add_to_cart")
    'Add to cart'
    """
    text = re.sub(r"[\s_]+", " ", name).strip() or name
    return text[:1].upper() + text[1:]


def _named(names: Counter[str]) -> list[NamedTouchpoint]:
    frequent = [name for name, _ in names.most_common(MOST_NAMED)]
    found, taken = [], set[str]()
    for group in near_duplicates(frequent):
        name = spoken(group[0])
        name = group[0] if name in taken else name
        taken.add(name)
        doubt = "these names look like one: are they?" if len(group) > 1 else ""
        found.append(NamedTouchpoint(name, tuple(group), doubt=doubt))
    return found


def _pages(events: pl.DataFrame, names: Counter[str]) -> list[NamedTouchpoint]:
    """Touchpoints of pages by their address, if most events that have one are of one name."""
    addressed = events.filter(pl.col("url").is_not_null())
    if addressed.is_empty():
        return []
    event, count = addressed[contract.EVENT_NAME].value_counts(sort=True).row(0)
    is_page = len(names) == 1 or any(word in event for word in _PAGE_WORDS)
    if not is_page or names[event] * 3 < names.total() or 2 * count < names[event]:
        return []
    urls = addressed.filter(pl.col(contract.EVENT_NAME) == event)["url"].value_counts()
    paths = Counter[str]()
    for url, times in urls.iter_rows():
        paths[_path(url)] += times
    found, taken = [], set[str]()
    for template, pages in directories(paths):
        if not template.isprintable() or any(letter in template for letter in '"\\'):
            continue
        name = _page_name(template)
        name = f"Page {template}" if name in taken else name
        taken.add(name)
        doubt = f"{pages:,} pages of one directory" if pages > 1 else ""
        found.append(NamedTouchpoint(name, (event,), template, doubt))
    return found


def _path(url: str) -> str:
    try:
        path = urlsplit(url if "://" in url or url.startswith("/") else f"//{url}").path
    except ValueError:
        return "/"
    return "/" + path.strip("/")


def _page_name(template: str) -> str:
    parts = [part for part in template.split("/") if part and not part.startswith("{")]
    if not parts:
        return "Home page"
    return f"{spoken(re.sub(r'[.](html?|php|aspx?)$', '', parts[-1]).replace('-', ' '))} page"


def _goal(touchpoints: Sequence[NamedTouchpoint], events: pl.DataFrame) -> tuple[list[str], str]:
    """The touchpoints of the goal, and what is to be reviewed of it."""
    events_of = {one.name: [event.lower() for event in one.events] for one in touchpoints if not one.url}
    for words in GOALS:
        if found := [name for name, own in events_of.items() if any(event in words for event in own)]:
            return found[:1], "" if words is GOALS[0] else "is this what a journey is to end with?"
    for words in GOALS:
        part = [name for name, own in events_of.items() if any(_is_like(event, words) for event in own)]
        if part:
            return part[:1], "is this what a journey is to end with?"
    ordered = _in_order(touchpoints, events)
    last = ordered[-1:] or [one.name for one in touchpoints[:1]]
    return last, "nothing is called like a goal; this is what customers do last"


def _is_like(event: str, words: Sequence[str]) -> bool:
    """Whether a word of the name begins with one of these; "order" is in "angefordert" by chance."""
    is_one = any(re.search(rf"(?<![^\W\d_]){re.escape(word)}", event) for word in words)
    return is_one and not any(word in event for word in NO_GOALS)


def _stages(
    touchpoints: Sequence[NamedTouchpoint], goal: Sequence[str], events: pl.DataFrame
) -> tuple[list[tuple[str, list[str]]], str]:
    """The stages with their touchpoints, and what is to be reviewed of them."""
    *before, (last, _) = STAGES
    found: dict[str, list[str]] = {name: [] for name, _ in before}
    for one in touchpoints:
        text = " ".join((one.name, one.url, *(() if one.url else one.events))).lower()
        fitting = [name for name, words in before if any(word in text for word in words)]
        if fitting and one.name not in goal and not any(word in text for word in ("fail", "error", "refund", "remove")):
            found[fitting[-1]].append(one.name)
    if sum(map(bool, found.values())) >= 1 and 2 * sum(map(len, found.values())) >= len(touchpoints) - len(goal):
        return [*((name, names) for name, names in found.items() if names), (last, list(goal))], ""
    steps = [name for name in _in_order(touchpoints, events) if name not in goal][:_MOST_STEPS]
    return [*((name, [name]) for name in steps), (goal[0], list(goal))], "in the order in which customers first do them"


def _in_order(touchpoints: Sequence[NamedTouchpoint], events: pl.DataFrame) -> list[str]:
    """The touchpoints that enough customers have, by how early in their events customers first have them."""
    names = {event: one.name for one in touchpoints if not one.url for event in one.events}
    pages = {event for one in touchpoints if one.url for event in one.events}
    is_page = pl.col(contract.EVENT_NAME).is_in(pages) & pl.col("url").is_not_null()
    customer = pl.coalesce(pl.col(contract.CUSTOMER_ID), pl.col(contract.ANONYMOUS_ID), pl.lit(""))
    placed = (
        events.filter(~is_page)
        .select(
            customer.alias("customer"),
            contract.OCCURRED_AT,
            touchpoint=pl.col(contract.EVENT_NAME).replace_strict(names, default=None),
        )
        .drop_nulls()
        .sort("customer", contract.OCCURRED_AT, maintain_order=True)
        .with_columns(place=pl.int_range(pl.len()).over("customer") / pl.len().over("customer"))
        .group_by("customer", "touchpoint")
        .agg(pl.col("place").min())
    )
    reach = pl.col("customer").n_unique() >= max(1, _REACH * placed["customer"].n_unique())
    order = placed.group_by("touchpoint").agg(pl.col("place").mean(), reach.alias("is_common"))
    return order.filter("is_common").sort("place", "touchpoint")["touchpoint"].to_list()
