"""The stage funnel, the times to the goal, and the share that has reached it by day."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

from tests.audit.certainty import Share, incidence, quantile
from tests.audit.expected.withholding import (
    Allowed,
    Expected,
    between,
    coarse,
    exact,
    joined,
    near,
    nothing,
    rounded,
    small,
    tens,
    visible,
)
from tests.audit.landed.lake import value_of
from tests.audit.landed.paths import Journey
from tests.audit.landed.settings import DAY, SECOND
from tests.audit.truth import Step, Truth, Walk, seconds

DAYS = (1, 2, 4, 7, 14, 30, 60, 120)
EDGES = [0, 60, 300, 900, 1800, 3600, 10_800, 21_600, 43_200, *(86_400 * days for days in DAYS)]
ENDS = ["1 min", "5 min", "15 min", "30 min", "60 min", "3 h", "6 h", "12 h", "24 h", "2 d", "4 d", "7 d", "2 wk",
        "4 wk", "2 mo", "4 mo"]  # fmt: skip
SHORTER = {"60 min": "1 h", "24 h": "1 d", "7 d": "1 wk"}
POINTS = 60
SHOWN, FEW, WITHHELD, BOUNDED = "shown", "few", "withheld", "bounded"


def people(walks: Iterable[Walk | Journey]) -> int:
    """Distinct customers."""
    return len({walk.customer for walk in walks})


def quantile_of(times: list[int], q: float) -> Allowed:
    """A quantile in seconds: exact of up to 1,000 values, of more to 1 in 1,000."""
    if not times:
        return nothing("no times")
    value = quantile(times, q) / SECOND
    return near(value) if len(times) > 1000 else near(value, 1e-6)


def funnel(truth: Truth) -> Expected:
    """One row per stage before the goal's, then the goal."""
    asked, steps = truth.settings, truth.funnel
    k, least = asked.k, asked.least
    young = [walk for walk in truth.walks if not walk.mature]
    shown = visible([people(truth.mature), *(s.people for s in steps)], [0, *(s.lost for s in steps)], k)[1:]
    hidden = open_or_direct(people(young), people(truth.direct), k)
    rows = {}
    for i, (step, ok) in enumerate(zip(steps, shown, strict=True)):
        before = i > 0 and shown[i - 1]
        entered = people(truth.mature)
        fits = ok and entered >= least
        rated = fits and before and steps[i - 1].people >= least
        of_all = Share.of((w.customer for w in truth.mature), (w.customer for w in step.reached))
        row = {
            "name": exact(asked.steps[i]),
            "kind": exact("goal" if i == len(steps) - 1 else "stage"),
            "entered": _count(truth.mature, k, True),
            "reached": exact(len(step.reached)) if ok else nothing(),
            "customers": exact(step.people) if ok else nothing(),
            **_beside(truth, step, k, ok=ok, is_goal=i == len(steps) - 1),
            "direct": exact(len(truth.direct)) if ok and "direct" not in hidden else nothing(),
            "open": nothing() if i == 0 and "open" in hidden else _young(young, i, k),
            "previous": exact(len(step.previous)) if before else nothing(),
            "dropped": exact(len(step.previous) - len(step.reached)) if ok and before else nothing(),
            "share_of_entered": exact(of_all.value) if fits else nothing(),
            "share_of_previous": exact(step.share.value) if rated else nothing(),
            **_worth(truth, step, ok=ok, is_goal=i == len(steps) - 1),
            "enough": exact(entered >= 30),
            **_state(step, ok=ok, first=i == 0, before=before, rated=rated),
        }
        for name, share, told in (("entered", of_all, fits), ("previous", step.share, rated)):
            low, high = share.ends or (None, None)
            row[f"share_of_{name}_low"] = exact(low) if told else nothing()
            row[f"share_of_{name}_high"] = exact(high) if told else nothing()
        waiting = ok and step.people >= least and not small(step.waiting, k)
        row["median_wait_seconds"] = quantile_of(step.waits, 0.5) if waiting else nothing()
        row["p90_wait_seconds"] = quantile_of(step.waits, 0.9) if waiting else nothing()
        rows[(i + 1,)] = row
    return Expected(("step",), rows, in_order=True)


def _worth(truth: Truth, step: Step, *, ok: bool, is_goal: bool) -> dict[str, Allowed]:
    """What the goals of a row's journeys bring, less returns; a sum that tells of one customer is withheld."""
    column, k = truth.settings.report.get("value"), truth.settings.k
    if column is None:
        return {"value": nothing("no column of values")}
    names = ("value", "value_left_out", "net_value", "returns", "returns_left_out")
    if not is_goal or not ok:
        return dict.fromkeys(names, nothing("of the goal's row"))
    paid, taken, left, came, lost = (Counter[Any]() for _ in range(5))
    named = truth.settings.report.get("returns")
    for walk in step.reached:
        who, journey = walk.customer, walk.journey
        for touch in journey.touches:
            if touch.touchpoint in truth.goals and touch.at - journey.begin <= truth.settings.window:
                amount = truth.money.amount(touch, column)
                paid[who] += amount or 0.0
                left[who] += amount is None
        for touch in journey.aftermath:
            if touch.touchpoint in named if named is not None else touch.event.kind == "order":
                amount = truth.money.amount(touch, column)
                taken[who] += abs(amount or 0.0)
                came[who] += 1
                lost[who] += amount is None or value_of(touch.event, column) is None
    net = {who: paid[who] - taken[who] for who in paid}
    total, off = sum(paid.values()), sum(taken.values())
    heavy = 2 * max(paid.values(), default=0.0) > total
    told = 2 * max(net.values(), default=0.0) > total - off or 2 * max(taken.values(), default=0.0) > off
    returning, unknown, unreturned = (sum(n > 0 for n in counts.values()) for counts in (came, left, lost))
    hides = (told and came.total() > 0) or small(returning, k)
    return {
        "value": nothing() if heavy else near(total, 1e-9),
        "value_left_out": nothing() if small(unknown, k) else exact(left.total()),
        "net_value": nothing() if heavy or hides else near(total - off, 1e-9),
        "returns": nothing() if hides else exact(came.total()),
        "returns_left_out": nothing() if hides or small(unreturned, k) else exact(lost.total()),
    }


def open_or_direct(younger: int, direct: int, k: int) -> set[str]:
    """Which of the open and the direct journeys, by their customers, are withheld: with all, one has the other."""
    hidden = {name for name, count in (("open", younger), ("direct", direct)) if small(count, k)}
    return hidden | {name for name, count in (("open", younger), ("direct", direct)) if hidden and count}


def beside_is_withheld(truth: Truth) -> bool:
    """Whether late, direct or open journeys are withheld, so that no other card may reveal them as the rest of all."""
    rows = funnel(truth).rows.values()
    return any(row[name].test(None) for row in rows for name in ("late", "direct", "open"))


def _count(units: list[Any], k: int, ok: bool, rest: list[Any] | None = None) -> Allowed:
    few = any(small(people(own), k) for own in (units, rest or []))
    return exact(len(units)) if ok and not few else nothing()


def _beside(truth: Truth, step: Step, k: int, *, ok: bool, is_goal: bool) -> dict[str, Allowed]:
    """Counts that stand beside those who reached a row. With `reached` one of touched and skipped has the other, and
    with those who were lost one of the late and those without any goal.
    """
    touched = set(map(id, step.touched))
    skipped = [walk for walk in step.reached if id(walk) not in touched]
    both = ok and not small(people(skipped), k) and not small(people(step.touched), k)
    in_order = [walk for walk in truth.mature if walk.all_stages]
    another_way = [walk for walk in truth.mature if walk.reached and not walk.all_stages]
    never = [walk for walk in truth.mature if not walk.reached and walk.journey.won_at is None]
    return {
        "touched": exact(len(step.touched)) if both else nothing(),
        "skipped": exact(len(skipped)) if both else nothing(),
        "late": _count(truth.late, k, ok, never),
        "all_stages": _count(in_order, k, ok, another_way) if is_goal else nothing("of the goal's row"),
        "waits": exact(len(step.waits)) if ok and not small(step.waiting, k) else nothing(),
        "backward": exact(step.backward) if ok and not small(step.turned, k) else nothing(),
    }


def _young(young: list[Walk], i: int, k: int) -> Allowed:
    """The younger journeys that have reached a row so far: a funnel of its own."""
    chain = [[walk for walk in young if walk.depth >= place] for place in range(i + 1)]
    lost = [0, *(people(set_minus(before, now)) for before, now in pairwise(chain))]
    return exact(len(chain[i])) if visible([people(one) for one in chain], lost, k)[i] else nothing()


def set_minus(before: list[Walk], now: list[Walk]) -> list[Walk]:
    """Those of the first that are not among the second."""
    there = set(map(id, now))
    return [walk for walk in before if id(walk) not in there]


def _state(step: Step, *, ok: bool, first: bool, before: bool, rated: bool) -> dict[str, Allowed]:
    state = exact(SHOWN if ok and (first or rated) else FEW if ok and before else WITHHELD)
    bounds = {"bound_low": nothing("no bounds"), "bound_high": nothing("no bounds")}
    if not ok and not first:
        true = step.share.value or 0.0
        state |= exact(BOUNDED)
        bounds = {"bound_low": nothing() | between(0, true), "bound_high": nothing() | between(true, 1)}
    return {"state": state, **bounds}


def bins_of(truth: Truth) -> list[tuple[int, int, int, int]]:
    """The bins of times to the goal as they may be published: first, last, journeys, customers."""
    reached: dict[int, list[Walk]] = defaultdict(list)
    for walk in truth.mature:
        if walk.reached:
            at = truth.time_of(walk) / SECOND
            reached[max(place for place, edge in enumerate(EDGES) if edge <= at)].append(walk)
    used = sorted(reached)
    return joined([(n, n, len(reached[n]), people(reached[n])) for n in range(used[0], used[-1] + 1)], truth.settings.k)


def bin_name(first: int, last: int) -> str:
    """The range of a bin: its start has a unit where that is not the unit of its end."""
    if last >= len(ENDS):
        return f"over {ENDS[first - 1]}"
    if first == 0:
        return f"under {ENDS[last]}"
    start, (number, unit) = ENDS[first - 1], ENDS[last].split()
    if start.split()[1] != unit:
        start = SHORTER.get(start, start)
    return f"{start.removesuffix(f' {unit}')}–{number} {unit}"


def times(truth: Truth) -> Expected | None:
    """Journeys that reached the goal by the time from their first touch."""
    taken = truth.times
    if len(taken) < truth.settings.least or small(people(w for w in truth.mature if w.reached), truth.settings.k):
        return None
    half = quantile(taken, 0.5) / SECOND
    rows = {}
    for first, last, count, _ in bins_of(truth):
        end = EDGES[last + 1] if last + 1 < len(EDGES) else float("inf")
        has_median = exact(EDGES[first] <= half < end)
        if any(abs(half - edge) <= half / 1000 for edge in (EDGES[first], end)):
            has_median = exact(True) | exact(False)
        rows[(first,)] = {
            "name": exact(bin_name(first, last)),
            "within": exact(ENDS[last] if last < len(ENDS) else ""),
            "journeys": exact(count),
            "share": rounded(count / len(taken), 4),
            "is_median": has_median,
        }
    return Expected(("bin",), rows, in_order=True)


def curve_column(truth: Truth) -> str | None:
    """The breakdown of the curves."""
    segments = truth.settings.segments
    return "device" if "device" in segments else next(iter(segments), None)


def by_day(truth: Truth) -> Expected | None:
    """The share that has reached the goal by day since the first touch, of the four largest groups."""
    asked, column, longest = truth.settings, curve_column(truth), truth.settings.window
    found = {None: truth.walks} if column is None else truth.groups(column, truth.walks)
    if len(found) > 1:
        found.pop(None, None)
    largest = sorted(found, key=lambda name: (-len(found[name]), str(name)))[:4]
    moments = [longest * (i / POINTS) ** 2 for i in range(POINTS + 1)]
    rows = {}
    for name in largest:
        walks = found[name]
        waits = [_observed(truth, walk, longest) for walk in walks]
        came = [walk for walk, (_, is_there) in zip(walks, waits, strict=True) if is_there]
        if len(walks) < asked.least or any(small(people(w), asked.k) for w in (came, set_minus(walks, came))):
            continue
        inside: dict[int, list[Walk]] = defaultdict(list)
        for walk, (seen, is_there) in zip(walks, waits, strict=True):
            if is_there:
                inside[next(i for i, at in enumerate(moments) if seen <= at)].append(walk)
        bins = [(i, i, len(inside[i]), people(inside[i])) for i in range(len(moments))]
        curve, step = incidence(waits, moments), coarse(len(walks), asked.k)
        slack = 1e-6 if len(walks) <= 1000 else 1e-4  # of many journeys, times are known to 1 in 1,000
        if step is None:
            continue
        for _, last, _, _ in joined(bins, asked.k):
            share, low, high = curve[last]
            rows[(name, round(moments[last] / DAY, 3))] = {
                "journeys": tens(len(walks)),
                **{
                    name: between(value - step / 2 - slack, value + step / 2 + slack)
                    for name, value in (("share", share), ("low", low), ("high", high))
                },
            }
    return Expected(("group", "days"), rows) if rows else None


def _observed(truth: Truth, walk: Walk, longest: int) -> tuple[int, bool]:
    """How long a journey is seen, and whether it reaches the goal then."""
    journey = walk.journey
    if journey.won_at is not None:
        taken = journey.won_at - journey.begin
        return min(taken, longest), taken <= longest
    if journey.outcome == "abandoned":
        return longest, False
    return min(max(truth.paths.end - journey.begin, 0), longest), False


__all__ = ["by_day", "curve_column", "funnel", "people", "seconds", "times"]
