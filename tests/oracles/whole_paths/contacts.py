"""Contacts and the contact rate, by their definitions: loops over touches. Shares no code with the product."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple


class Touched(NamedTuple):
    """A touch: seconds, touchpoint, channel, reason, session, journey, and whether it comes after the goal."""

    at: int
    name: str
    channel: str
    reason: str | None
    session: int
    journey: int | None
    after: bool = False


def alike(one: Touched, other: Touched) -> bool:
    """Whether two contacts may be about the same."""
    return None in (one.reason, other.reason) or one.reason == other.reason


def counts(
    people: Mapping[str, Sequence[Touched]],
    names: Sequence[str],
    *,
    repeat: int,
    before: int,
    contained: int,
    chats: Sequence[str],
    marks: Sequence[str],
    end: int,
) -> dict[str, int]:
    """The counts of all contacts; touches of a customer are in order."""
    columns = ("customers", "contacts", "mature", "resolved", "outside_web", "after_web", "transferred", "chats")
    found = dict.fromkeys((*columns, "contained"), 0)
    for own in people.values():
        made = [touch for touch in own if touch.name in names]
        found["customers"] += bool(made)
        for number, touch in enumerate(made):
            found["contacts"] += 1
            if touch.at + max(repeat, contained) > end:
                continue
            found["mature"] += 1
            later = [each for each in made if each.at > touch.at and alike(touch, each)]
            found["resolved"] += not any(each.at - touch.at <= repeat for each in later)
            if touch.channel not in ("web", "app"):
                found["outside_web"] += 1
                found["after_web"] += any(
                    each.channel in ("web", "app")
                    and each.name not in names
                    and touch.at - before <= each.at < touch.at
                    and each.journey == touch.journey
                    for each in own
                )
            place = own.index(touch)
            nearer = own.index(made[number + 1]) if number + 1 < len(made) else len(own)
            marked = any(t.name in marks and t.session == touch.session for t in own[place + 1 : nearer])
            follows = made[number + 1] if number + 1 < len(made) else touch
            is_other = (follows.name, follows.channel) != (touch.name, touch.channel)
            found["transferred"] += marked or (is_other and follows.session == touch.session)
            if touch.name in chats:
                found["chats"] += 1
                found["contained"] += not any(
                    each.at - touch.at <= contained for each in later if each.name not in chats
                )
    return found


def rate(
    people: Mapping[str, Sequence[Touched]], names: Sequence[str], *, goal: str, window: int, end: int
) -> dict[str, int]:
    """The counts of journeys, of which those with nothing but the goal are direct."""
    found = dict.fromkeys(("units", "mature", "direct", "contacted", "contacts"), 0)
    for own in people.values():
        for number in sorted({touch.journey for touch in own if touch.journey is not None}):
            all_ = [touch for touch in own if touch.journey == number]
            inner = [touch for touch in all_ if not touch.after]
            if all(touch.name == goal for touch in inner):
                found["direct"] += 1
                continue
            found["units"] += 1
            begin = inner[0].at
            if begin + window > end:
                continue
            made = [touch for touch in all_ if touch.name in names and touch.at - begin <= window]
            found["mature"] += 1
            found["contacted"] += bool(made)
            found["contacts"] += len(made)
    return found
