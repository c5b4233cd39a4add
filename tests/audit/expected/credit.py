"""Who gets the credit for the goals, by three models, and how often paths with a channel reach one, path by path."""

from __future__ import annotations

import csv
import zlib
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Any

import numpy as np
from scipy.stats import t as student

from tests.audit.expected.withholding import Allowed, Expected, coarse, exact, near, nothing
from tests.audit.truth import Truth

REPLICATES, LEAST_FILLED, LEAST_PEOPLE = 200, 20, 30
CONVERSION, NULL, START = "(conversion)", "(null)", "(start)"
Range = tuple[float, float] | None


@dataclass
class Credit:
    """The paths of all customers, by replicate: channels of paths with and without a goal, and followed paths."""

    won: list[tuple[int, str, list[str]]] = field(default_factory=list)
    lost: list[tuple[int, str, list[str]]] = field(default_factory=list)
    followed: list[tuple[int, str, set[str], bool]] = field(default_factory=list)

    def add(self, who: str, touches: list[tuple[int, str]], goals: list[int], lookback: int, end: int) -> None:
        """The paths of one customer."""
        replicate = zlib.crc32(f"replicate:{who}".encode()) % REPLICATES
        edges = [-(10**18), *goals]
        for before, goal in pairwise(edges):
            self._cut(replicate, who, [x for x in touches if before < x[0] <= goal], goal, lookback, end)
        self._cut(replicate, who, [x for x in touches if x[0] > edges[-1]], None, lookback, end)
        rest = touches
        while rest:
            begin = rest[0][0]
            goal = next((at for at in goals if at >= begin), None)
            reached = goal is not None and goal - begin <= lookback
            last = goal if reached and goal is not None else begin + lookback
            if begin + lookback <= end:
                self.followed.append((replicate, who, {name for at, name in rest if at <= last}, reached))
            rest = [x for x in rest if x[0] > last]

    def _cut(
        self, replicate: int, who: str, own: list[tuple[int, str]], goal: int | None, lookback: int, end: int
    ) -> None:
        pieces: list[list[tuple[int, str]]] = []
        for touch in own:
            if not pieces or touch[0] - pieces[-1][-1][0] > lookback:
                pieces.append([])
            pieces[-1].append(touch)
        if goal is not None:
            self.won.append((replicate, who, [name for at, name in own if goal - at <= lookback]))
            if pieces and goal - pieces[-1][-1][0] <= lookback:
                pieces.pop()
        for piece in pieces:
            if piece[-1][0] + lookback <= end:
                self.lost.append((replicate, who, [name for _, name in piece]))


def jackknife(sums: dict[int, Counter[Any]], number: Callable[[Counter[Any]], list[float]]) -> tuple[list[float], Any]:
    """Numbers of all sums, and how far their intervals reach: without one replicate at a time (docs/numbers.md)."""
    total: Counter[Any] = Counter()
    for own in sums.values():
        total.update(own)
    whole = number(total)
    if len(sums) < LEAST_FILLED:
        return whole, None
    rest = np.array([number(Counter({key: total[key] - own[key] for key in total})) for own in sums.values()])
    size = len(sums)
    error = np.sqrt((size - 1) / size * ((rest - rest.mean(axis=0)) ** 2).sum(axis=0))
    return whole, student.ppf(0.975, size - 1) * error


def markov(channels: list[str]) -> Callable[[Counter[Any]], list[float]]:
    """The share of the conversions that each channel is credited with by a chain of order 1."""

    def shares(counts: Counter[Any]) -> list[float]:
        names = [START, *channels]
        place = {name: n for n, name in enumerate(names)}
        moves = np.zeros((len(names), len(names)))
        wins, leaving = np.zeros(len(names)), np.zeros(len(names))
        for key, many in counts.items():
            if key in ("conversions", "attributed"):
                continue
            source, target = key
            leaving[place[source]] += many
            if target == CONVERSION:
                wins[place[source]] += many
            elif target != NULL:
                moves[place[source], place[target]] += many
        scale = np.maximum(leaving, 1)
        moves, wins = moves / scale[:, None], wins / scale

        def chance(gone: int | None) -> float:
            kept = moves.copy()
            if gone is not None:
                kept[:, gone] = 0
            return float(np.linalg.solve(np.eye(len(names)) - kept, wins)[0])

        whole = chance(None)
        effects = [1 - chance(place[name]) / whole if whole else 0.0 for name in channels]
        share = counts["attributed"] / counts["conversions"]
        return [effect / sum(effects) * share if sum(effects) else 0.0 for effect in effects]

    return shares


def credit(truth: Truth) -> Expected | None:
    """One row per channel that enough customers met, and one for goals without a touch before."""
    found, asked = _paths(truth), truth.settings
    k, least = asked.k, asked.least
    people = len({who for _, who, _ in found.won})
    channels = sorted({name for _, _, names in (*found.won, *found.lost) for name in names})
    met = {name: {who for _, who, names, _ in found.followed if name in names} for name in channels}
    rest = {name: {who for _, who, names, _ in found.followed if name not in names} for name in channels}
    shown = [name for name in channels if len(met[name]) >= least]
    filled = len({replicate for replicate, _, _ in found.won})
    if len(shown) < 2 or people < max(least, LEAST_PEOPLE) or filled < LEAST_FILLED:
        return None
    goals = len(found.won)
    last = Counter(names[-1] for _, _, names in found.won if names)
    linear: Counter[str] = Counter()
    for _, _, names in found.won:
        for name in names:
            linear[name] += 1 / len(names)  # type: ignore[assignment]
    share, reach = _markov(found, channels)
    step = coarse(people, k)
    spent, worth = _spent(truth), goals_worth(truth)
    rows: dict[tuple[Any, ...], dict[str, Allowed]] = {}
    for name in shown:
        place = channels.index(name)
        low, high = max(0.0, share[place] - reach[place]), min(1.0, share[place] + reach[place])
        rate, other, effect = _effect(found, name)
        enough = min(len(met[name]), len(rest[name])) >= LEAST_PEOPLE and effect[1] is not None
        ends: list[float | None] = [*(effect[1] or (None, None))] if enough else [None, None]
        told = [to_step(x, step) for x in (low, high, *ends)]
        rows[(name,)] = {
            "last": in_steps(last[name] / goals, step),
            "linear": in_steps(linear[name] / goals, step),
            "markov": in_steps(share[place], step),
            "markov_low": in_steps(low, step),
            "markov_high": in_steps(high, step),
            "rate_with": in_steps(rate, coarse(len(met[name]), k)),
            "rate_without": in_steps(other, coarse(max(1, len(rest[name])), k)),
            "effect": in_steps(effect[0] if enough else None, step),
            "effect_low": in_steps(ends[0], step),
            "effect_high": in_steps(ends[1], step),
            "part": exact(None not in told and (told[2] > told[1] or told[3] < told[0])),  # type: ignore[operator]
            **_ratios(spent.get(name), [to_step(x, step) for x in (share[place], low, high)], goals, worth),
        }
    alone = sum(not names for _, _, names in found.won) / goals
    if to_step(alone, step) != 0:
        rows[(None,)] = {name: in_steps(alone, step) for name in ("last", "linear", "markov")} | {
            name: nothing()
            for name in (
                "markov_low", "markov_high", "rate_with", "rate_without", "effect", "effect_low", "effect_high"
            )
        } | _ratios(None, [None] * 3, goals, None)  # fmt: skip
        rows[(None,)]["part"] = exact(False)
    return Expected(("channel",), rows)


def _spent(truth: Truth) -> dict[str, float]:
    """What each channel with a cost on every day of the data costs."""
    zone, of = truth.settings.zone, defaultdict[str, dict[date, float]](dict)
    times = [touch.at for touch in truth.paths.all_touches]
    first, last = (datetime.fromtimestamp(at / 1e6, zone).date() for at in (min(times), truth.paths.end - 1))
    for table in truth.settings.tables.get("costs", ()):
        if table.get("on", "channel") != "channel" or any(truth.settings.days):
            continue
        if "file" in table:
            lines = csv.DictReader((truth.settings.folder / table["file"]).read_text(encoding="utf-8").splitlines())
            days = [(date.fromisoformat(row["day"]), row["credited"], float(row["amount"])) for row in lines]
        else:
            size = (table["last"] - table["first"]).days + 1
            days = [(table["first"] + timedelta(n), table["of"], float(table["a_day"])) for n in range(size)]
        for day, name, amount in days:
            of[name][day] = of[name].get(day, 0.0) + amount
    known = {name: [amount for day, amount in own.items() if first <= day <= last] for name, own in of.items()}
    return {name: sum(own) for name, own in known.items() if len(own) == (last - first).days + 1}


def goals_worth(truth: Truth) -> float | None:
    """What all goals with a touch before are worth on average; null where that is not told."""
    from tests.audit.expected.goals import Families  # which reads this module

    found = Families(truth)
    if not isinstance(found.value, str):
        return None
    largest, total = 0.0, 0.0
    for name in found.names:
        worth: Counter[Any] = Counter()
        for one in found.taken:
            if one.family == name and one.reached:
                worth[one.journey.customer] += found.worth(one.journey)  # type: ignore[assignment]
        largest, total = largest + max(map(abs, worth.values()), default=0.0), total + sum(worth.values())
    if total <= 0 or 2 * largest > total:
        return None
    amounts = []
    for own in truth.paths.touches.values():
        before, lookback = None, truth.settings.window
        for touch in own:
            if touch.touchpoint not in truth.goals:
                before = touch.at if touch.event.channel is not None else before
            else:
                if before is not None and touch.at - before <= lookback:
                    amounts.append(truth.money.amount(touch, found.value) or 0.0)
                before = None
    return sum(amounts) / len(amounts) if amounts else None


def _ratios(cost: float | None, shares: list[float | None], goals: int, worth: float | None) -> dict[str, Allowed]:
    """What a channel costs, a goal and against what comes back, by its share of the goals with its ends."""
    found = {"cost": nothing() if cost is None else near(cost)}
    for end, back, per in zip(("", "_low", "_high"), shares, (shares[0], shares[2], shares[1]), strict=True):
        known = cost and per
        found[f"cost_per_goal{end}"] = near(cost / (per * goals), 0.06) if known else nothing()  # type: ignore[operator]
        told = cost and worth is not None and back is not None
        found[f"return_on_cost{end}"] = near(back * goals * worth / cost, 0.06) if told else nothing()  # type: ignore[operator]
    return found


def _paths(truth: Truth) -> Credit:
    """The paths of all customers."""
    found = Credit()
    for (kind, value), own in truth.paths.touches.items():
        goals = [touch.at for touch in own if touch.touchpoint in truth.goals]
        others = [touch for touch in own if touch.touchpoint not in truth.goals and touch.event.channel is not None]
        touches = [(touch.at, str(touch.event.channel)) for touch in others]
        found.add(f"{kind}:{value}", touches, goals, truth.settings.window, truth.paths.end)
    return found


def _markov(found: Credit, channels: list[str]) -> tuple[list[float], Any]:
    sums: dict[int, Counter[Any]] = defaultdict(Counter)
    for end, paths in ((CONVERSION, found.won), (NULL, found.lost)):
        for replicate, _, names in paths:
            if end == CONVERSION:
                sums[replicate].update(["conversions", *(["attributed"] if names else [])])
            joined = [name for n, name in enumerate(names) if not n or name != names[n - 1]]
            if joined:
                sums[replicate].update(pairwise([START, *joined, end]))
    return jackknife(sums, markov(channels))


def _effect(found: Credit, name: str) -> tuple[float, float | None, tuple[float | None, Range]]:
    """The goal rates with and without a channel, and the goals more, as a share of all, with its interval."""
    sums: dict[int, Counter[Any]] = defaultdict(Counter)
    for replicate, _, names, reached in found.followed:
        sums[replicate].update([(name in names, "n"), *([(name in names, "k")] if reached else [])])

    def gap(counts: Counter[Any]) -> list[float]:
        with np.errstate(divide="ignore", invalid="ignore"):
            rates = [np.float64(counts[side, "k"]) / counts[side, "n"] for side in (True, False)]
        return [float(rates[0] - rates[1])]

    total: Counter[Any] = sum(sums.values(), Counter())
    rate = total[True, "k"] / total[True, "n"]
    if not total[False, "n"]:
        return rate, None, (None, None)
    other, (difference,) = total[False, "k"] / total[False, "n"], gap(total)
    filled = [sum(bool(own[side, "n"]) for own in sums.values()) for side in (True, False)]
    _, reach = jackknife(sums, gap)
    times = total[True, "n"] / (total[True, "k"] + total[False, "k"])
    if min(filled) < LEAST_FILLED or reach is None:
        return rate, other, (difference * times, None)
    ends = max(-1.0, difference - reach[0]) * times, min(1.0, difference + reach[0]) * times
    return rate, other, (difference * times, ends)


def to_step(value: float | None, step: float | None) -> float | None:
    return None if value is None or step is None else round(round(value / step) * step, 3)


def in_steps(value: float | None, step: float | None) -> Allowed:
    """This value in steps."""
    if value is None or step is None:
        return nothing()
    half = step / 2 + 1e-6
    return Allowed(f"{value:.5f} in steps of {step:g}", lambda v: isinstance(v, float) and abs(v - value) <= half)
