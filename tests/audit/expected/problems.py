"""Rows of *Where to act first*: incidents are those of the alerts, groups are compared within another breakdown. What
gets in the way: pains against journeys alike.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from tests.audit.certainty import Share, difference, discoveries
from tests.audit.expected import groups
from tests.audit.expected.stages import funnel
from tests.audit.expected.withholding import Allowed, Expected, between, exact, nothing, rounded, small
from tests.audit.landed.lake import value_of
from tests.audit.site import Row
from tests.audit.truth import Truth, Walk

MOST = 10
KEYS = ("dimension", "segment", "step", "first", "name", "pain", "touchpoint")
ANY = Allowed("anything", lambda _: True)
SLACK = 0.0002


def problems(truth: Truth, rows: Iterable[Row], alerts: list[Row]) -> Expected | None:
    """What each of these rows may hold, ranked by the lower end."""
    by_alert, trouble = {row["alert"]: row for row in alerts}, pains(truth)
    found = {}
    for row in sorted(rows, key=lambda row: -row["low"]):
        key = tuple(row[name] for name in KEYS)
        if row["kind"] == "pain":
            found[key] = _pain(row, trouble)
        elif row["kind"] == "incident":
            found[key] = _incident(row, by_alert[row["alert"]]) if alerts else dict.fromkeys(row, ANY)
        else:
            found[key] = _driver(truth, row)
    return Expected(KEYS, found) if 0 < len(found) <= MOST else None


def _pain(row: Row, trouble: Expected | None) -> dict[str, Allowed]:
    """What the card of pains may hold."""
    key = (row["name"], row["pain"], row["touchpoint"])
    if trouble is None or key not in trouble.rows:
        return {"share": nothing("journeys that met it do not clearly reach the goal less often")}
    same = {"with_it": "journeys", "goal_rate": "share", "goal_rate_alike": "usual", "at_stake": "at_stake"}
    same |= {"at_stake_low": "low", "at_stake_high": "high"}
    empty = ("before", "last", "explained_by", "alert")
    held = {its: trouble.rows[key][own] for own, its in same.items()}
    return dict.fromkeys(row, ANY) | dict.fromkeys(empty, nothing()) | held | {"is_lasting": exact(False)}


def _incident(row: Row, alert: Row) -> dict[str, Allowed]:
    same = {"last": "last", "journeys": "of", "share": "share", "usual": "expected", "at_stake": "goals"}
    same |= {"low": "low", "high": "high", "p_corrected": "p_corrected", "alert": "alert"}
    first, _, last = alert["name"].partition(" -> ")
    return dict.fromkeys(row, ANY) | {
        **{name: exact(alert[its]) for name, its in same.items()},
        "before": exact(alert["source"] or first),
        "name": exact(alert["target"] or last),
        "is_lasting": exact(alert["status"] == "open" or alert["is_new_usual"]),
        "explained_by": nothing(),
    }


def _driver(truth: Truth, row: Row) -> dict[str, Allowed]:
    step, steps = row["step"], truth.settings.steps
    (group,) = [one for one in groups.groups_of(truth) if one.key == (row["dimension"], row["segment"], step)]
    if group.verdict != "below":
        return {"share": nothing("the group is not clearly below the others")}
    adjusted = _within(truth, row)
    goals = group.share.whole * len(truth.funnel[-1].reached) / len(truth.funnel[step - 1].reached)
    wide = SLACK if groups.is_certain(truth, group) else 0.02
    stake, slack = -adjusted * goals, wide * goals + 0.5
    share = group.share.value or 0.0
    return dict.fromkeys(row, ANY) | {
        "name": exact(steps[step - 1]),
        "before": exact(steps[step - 2]),
        **{"first": nothing(), "last": nothing(), "alert": nothing(), "is_lasting": exact(False)},
        "journeys": between(group.share.whole - 5, group.share.whole + 5),
        "share": between(share - wide, share + wide),
        "usual": between(share - adjusted - wide, share - adjusted + wide),
        "at_stake": between(stake - slack, stake + slack),
        "low": between(1, stake + slack),
        "high": between(stake - slack, 1e12),
        "p_corrected": between(0, 0.05),
    }


def _within(truth: Truth, row: Row) -> float:
    """How much less often the group goes on than others of the same value of the other breakdown."""
    column, other = (_column(truth, row[name]) for name in ("dimension", "explained_by"))
    strata: dict[Any, dict[bool, list[Walk]]] = defaultdict(lambda: {True: [], False: []})
    for walk in truth.mature:
        values = walk.journey.touches[0].values
        if walk.depth >= row["step"] - 2 and values[column or ""] is not None:
            key = None if other is None else values[other]
            strata[key][values[column or ""] == row["segment"]].append(walk)
    both = [sides for sides in strata.values() if sides[True] and sides[False]]
    whole = sum(len(sides[True]) for sides in both)

    def share(walks: list[Walk]) -> float:
        return sum(walk.depth >= row["step"] - 1 for walk in walks) / len(walks)

    return sum(len(sides[True]) / whole * (share(sides[True]) - share(sides[False])) for sides in both)


def _column(truth: Truth, dimension: str | None) -> str | None:
    if dimension is None:
        return None
    return next(column for column in truth.settings.segments if truth.settings.name_of(column) == dimension)


Met = dict[tuple[int, str, str | None], dict[int, int]]
COSTLY = ("trouble", "slow")


def pains(truth: Truth) -> Expected | None:
    """The trouble that clearly costs goals, most at the lower end first."""
    walks, met, places = truth.mature, *_met(truth)
    untold = _untold_stages(truth)
    found, p_values = [], []
    for (stage, kind, name), hit in met.items():
        strata: dict[tuple[Any, ...], dict[bool, list[Walk]]] = defaultdict(lambda: {True: [], False: []})
        for number, far in hit.items():
            strata[far, *_alike(truth, walks[number])][True].append(walks[number])
        for number, far in places[stage]:
            if number not in hit:
                strata[far, *_alike(truth, walks[number])][False].append(walks[number])
        sides = [each for each in strata.values() if each[True]]
        own = [walks[number] for number in hit]
        others, people = sum(len(each[False]) for each in sides), {walk.customer for walk in own}
        p = stratified_p(list(strata.values())) if min(len(people), others) >= 30 else None
        p_values.append(p)
        there = {walks[number].customer for number, _ in places[stage]}
        found.append(((stage, kind, name), own, sides, people, there))
    k, rows, hidden = truth.settings.k, [], {step for goal in truth.settings.named_goals for step in goal["steps"]}
    for (key, own, sides, people, there), is_clear in zip(found, discoveries(p_values), strict=True):
        gap = stratified(sides)
        if not is_clear or gap is None or key[1] not in COSTLY or key[2] in hidden or key[0] in untold:
            continue
        won = [walk for walk in own if walk.reached]
        lost = {walk.customer for walk in own if not walk.reached}
        rate = _rate(own)
        at_stake, low, high = (-each * len(own) for each in (gap[0], gap[2], gap[1]))
        few = small(len({walk.customer for walk in won}), k) or small(len(lost), k)
        if low < 1 or few or len(people) < truth.settings.least or len(there) - len(people) < k:
            continue
        ends = rate.ends or (0.0, 0.0)
        allowed = {"with_it": exact(len(own)), "reached": exact(len(won)), "goal_rate": rounded(rate.value, 4)}
        allowed |= {"goal_rate_low": rounded(ends[0], 4), "goal_rate_high": rounded(ends[1], 4)}
        allowed["goal_rate_alike"] = rounded((rate.value or 0.0) - gap[0], 4)
        named = zip(("at_stake", "at_stake_low", "at_stake_high"), (at_stake, low, high), strict=True)
        allowed |= {name: rounded(value, 0) for name, value in named}
        allowed["p_corrected"] = between(0, 0.05)
        rows.append((-low, (truth.settings.stage_names[key[0]], *key[1:]), allowed))
    rows.sort(key=lambda row: row[0])
    kept = {key: allowed for _, key, allowed in rows}
    return Expected(("stage", "kind", "touchpoint"), kept, in_order=True) if kept else None


def friction(truth: Truth) -> Expected | None:
    """What journeys meet at each stage."""
    walks, met, places = truth.mature, *_met(truth)
    k, rows, hidden = truth.settings.k, {}, {step for goal in truth.settings.named_goals for step in goal["steps"]}
    clear, untold = pains(truth), _untold_stages(truth)
    for (stage, kind, name), hit in met.items():
        there = {number for number, _ in places[stage]}
        people, everybody = ({walks[number].customer for number in own} for own in (hit, there))
        few = len(everybody) < truth.settings.least or len(people) < k or len(everybody) - len(people) < k
        if few or name in hidden or stage in untold:
            continue
        key = (truth.settings.stage_names[stage], kind, name)
        rows[key] = {
            "journeys": exact(len(there)),
            "with_it": exact(len(hit)),
            "share": rounded(len(hit) / len(there), 4),
            "is_costly": exact(clear is not None and key in clear.rows),
        }
    return Expected(("stage", "kind", "touchpoint"), rows) if rows else None


def _untold_stages(truth: Truth) -> set[int]:
    """The stages of which it is not told how many journeys touched them."""
    return {place for place, row in enumerate(funnel(truth).rows.values()) if row["touched"].test(None)}


def _met(truth: Truth) -> tuple[Met, dict[int, set[tuple[int, int]]]]:
    """Of every pain the journeys that met it, and of every stage those at it, each with the furthest stage then."""
    met: Met = defaultdict(dict)
    places: dict[int, set[tuple[int, int]]] = defaultdict(set)
    load, last = _load_of(truth), max(truth.rows - 2, 0)
    for number, walk in enumerate(truth.mature):
        begin, names = walk.journey.begin, []
        won = next((touch.at for touch in walk.journey.touches if touch.touchpoint in truth.goals), truth.paths.end)
        stage: int | None = None
        furthest = -1
        for touch in walk.journey.touches:
            if touch.touchpoint in truth.goals or touch.at > won or touch.at - begin > truth.settings.window:
                continue
            before = stage
            if touch.stage is not None:
                stage = min(touch.stage, last)
                furthest = max(furthest, stage)
                places[stage].add((number, furthest))
            names.append(touch.touchpoint)
            seconds = None if load is None else value_of(touch.event, load)
            here: list[tuple[int | None, str, str | None]] = []
            if any(hint in touch.touchpoint.lower() for hint in ("error", "fail")):
                here.append((stage, "trouble", touch.touchpoint))
            here += [(stage, "slow", None)] if seconds is not None and float(seconds) > 3 else []
            here += [(stage, "repeat", None)] if len(names) > 2 and len(set(names[-3:])) == 1 else []
            if touch.stage is not None and before is not None and stage is not None and stage < before:
                here.append((before, "back", None))
            for where, kind, name in here:
                if where is not None:
                    met[where, kind, name].setdefault(number, furthest)
    return met, places


def _load_of(truth: Truth) -> str | None:
    """Where an event has the time that its page took to load, if touches keep it."""
    kept = [*truth.settings.paths.get("values", []), *truth.settings.paths.get("context", [])]
    return next((path for path in kept if path.rpartition(".")[2] == "load_seconds"), None)


def _alike(truth: Truth, walk: Walk) -> tuple[str, ...]:
    """What a journey has in common with those alike, at its first touch."""
    kept = [*truth.settings.paths.get("context", []), *truth.settings.paths.get("attributes", [])]
    names = ["channel", *(["device"] if any(path.rpartition(".")[2] == "device" for path in kept) else [])]
    return tuple(truth.paths.value_at(walk.journey.touches[0], name) or "" for name in names)


def _rate(walks: list[Walk]) -> Share:
    return Share.of((walk.customer for walk in walks), (walk.customer for walk in walks if walk.reached))


def stratified(strata: list[dict[bool, list[Walk]]]) -> tuple[float, float, float] | None:
    """The mean difference of two rates over strata with both, by those of the first, with its interval (MOVER)."""
    both = [(_rate(each[True]), _rate(each[False])) for each in strata if each[True] and each[False]]
    held, all_ = sum(one.whole for one, _ in both), sum(len(each[True]) for each in strata)
    if not held or 10 * held < 9 * all_:
        return None
    gap = below = above = 0.0
    for one, other in both:
        weight, (plain, low, high) = one.whole / held, difference(one, other)
        gap += weight * plain
        below += (weight * (plain - low)) ** 2
        above += (weight * (high - plain)) ** 2
    return gap, gap - math.sqrt(below), gap + math.sqrt(above)


def stratified_p(strata: list[dict[bool, list[Walk]]]) -> float | None:
    """The test of Cochran, Mantel and Haenszel over strata, of as many journeys as they are worth."""
    gap = variance = 0.0
    for each in strata:
        (k1, n1), (k0, n0) = ((_worth(each[side])) for side in (True, False))
        n, k = n1 + n0, k1 + k0
        if n > 1:
            gap += k1 - n1 * k / n
            variance += n1 * n0 * k * (n - k) / (n * n * (n - 1))
    return math.erfc(math.sqrt(gap * gap / variance / 2)) if variance > 0 else None


def _worth(walks: list[Walk]) -> tuple[float, float]:
    rate = _rate(walks)
    return ((rate.value or 0.0) * rate.size, rate.size) if walks else (0.0, 0.0)
