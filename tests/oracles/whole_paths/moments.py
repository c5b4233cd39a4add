"""Sessions by intent and kind, by the definition: a loop over sessions. Shares no code with the product."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

DAY = 86_400
HELD = ("mobile", "tablet", "app")


class Seen(NamedTuple):
    """A touch: seconds, touchpoint, number of the session, device, time to load."""

    at: int
    name: str
    session: int
    device: str | None
    seconds: float | None


def counts(
    touches: Mapping[str, Sequence[Seen]],
    intents: Sequence[Mapping[str, Any]],
    *,
    longest: int,
    end: int,
    entries: Sequence[str],
    goal: str,
    horizon: int,
) -> dict[tuple[str, str], dict[str, Any]]:
    """The counts of each intent and kind; touches of a customer are in order."""
    followed = max([7 * DAY, *(each.get("within") or 0 for each in intents)])
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for who, own in touches.items():
        visits = [[t for t in own if t.session == number] for number in sorted({t.session for t in own})]
        wanted = [intent_of(visit, intents) for visit in visits]
        for place, (visit, intent) in enumerate(zip(visits, wanted, strict=True)):
            row = found.setdefault((intent, kind_of(visit, longest)), {"people": set(), "waits": []})
            begin, later = visit[0].at, visits[place + 1 :]
            mature = begin + followed <= end
            rule: Mapping[str, Any] = next((each for each in intents if each["name"] == intent), {})
            again = [v[0].at - begin for v, w in zip(later, wanted[place + 1 :], strict=True) if w == intent]
            known, wait = useful(visit, later, again, rule)
            loads = [t.seconds for t in visit if t.seconds is not None]
            back = later[0][0].at - begin if later else None
            goals = [t.at - begin for v in visits[place:] for t in v if t.name == goal]
            is_there = len(visit) > 1 and visit[0].name in entries and not any("error" in t.name.lower() for t in visit)
            told = {
                "sessions": True,
                "mature": mature,
                "there": mature and is_there,
                "judged": mature and known,
                "useful": mature and wait is not None,
                "timed": mature and bool(loads),
                "quick": mature and bool(loads) and max(loads, default=0) <= 3,
                "back_1d": mature and back is not None and back <= DAY,
                "back_7d": mature and back is not None and back <= 7 * DAY,
                "followed": begin + horizon <= end,
                "reached": begin + horizon <= end and any(each <= horizon for each in goals),
            }
            row["people"].add(who)
            for name, value in told.items():
                row[name] = row.get(name, 0) + value
            if mature and wait is not None and wait >= 0:
                row["waits"].append(wait)
    return found


def intent_of(visit: Sequence[Seen], intents: Sequence[Mapping[str, Any]]) -> str:
    """The first intent of which the session has a touchpoint."""
    for each in intents:
        if any(touch.name in each["touchpoints"] for touch in visit):
            return str(each["name"])
    return "unclear"


def kind_of(visit: Sequence[Seen], longest: int) -> str:
    """How long a session in the hand is."""
    if visit[0].device not in HELD:
        return "not handheld"
    if len(visit) == 1:
        return "glance"
    return "moment" if visit[-1].at - visit[0].at <= longest else "sitting"


def useful(
    visit: Sequence[Seen], later: Sequence[Sequence[Seen]], again: Sequence[int], rule: Mapping[str, Any]
) -> tuple[bool, int | None]:
    """Whether it is known if a session was useful, and after how long it was: None when not, -1 without a time."""
    begin, within = visit[0].at, rule.get("within")
    after = [touch for each in later for touch in each]
    if rule.get("useful"):
        seen = [*visit, *(after if within is not None else [])]
        waits = [touch.at - begin for touch in seen if touch.name in rule["useful"]]
        first = min(waits, default=None)
        return True, first if first is not None and (within is None or first <= within) else None
    if rule.get("unless"):
        back = [touch.at - begin for touch in after if touch.name in rule["unless"]] + list(again)
        return True, None if any(each <= (within or 7 * DAY) for each in back) else -1
    return False, None
