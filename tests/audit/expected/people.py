"""Customers: segments, personas with what is said of them, where journeys stand, and the help that they need."""

from __future__ import annotations

import json
import math
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from tests.audit.certainty import Share, difference, discoveries, p_value, quantile, wilson
from tests.audit.expected.goals import Goal
from tests.audit.expected.stages import FEW, SHOWN, WITHHELD, people, quantile_of
from tests.audit.expected.withholding import Allowed, Expected, between, exact, nothing, rounded, small, tens
from tests.audit.landed.groups import GEOMETRIC, NO_RULE, Portfolio, Segments
from tests.audit.landed.known import followed, under_way
from tests.audit.landed.lake import value_of
from tests.audit.landed.paths import Touch
from tests.audit.landed.settings import DAY, SECOND, microseconds
from tests.audit.truth import Truth, Walk
from tests.audit.words import day
from tests.oracles.whole_paths.contacts import Touched
from tests.oracles.whole_paths.contacts import counts as contact_counts
from tests.oracles.whole_paths.moments import Seen
from tests.oracles.whole_paths.moments import counts as moment_counts
from tests.oracles.whole_paths.standing import Journey as Stood
from tests.oracles.whole_paths.standing import standing as standing_of
from tests.oracles.whole_paths.standing import stays

WEEKS = 28 * DAY
NUMBERS = re.compile(r"\d[\d,]*(?:\.\d+)?")


def sizes(truth: Truth) -> Expected | None:
    """The segments at the end of the data, and who joined and left since four weeks before."""
    named = Segments(truth.paths)
    if not named.named or truth.settings.days != (None, None):
        return None
    k, end, everybody = truth.settings.k, truth.paths.end, truth.paths.touches
    rows: dict[tuple[str], dict[str, Allowed]] = {}
    told: list[tuple[set[Any], set[Any]]] = []
    for name, given in named.named.items():
        now = {who: named.of(name, own, end) for who, own in everybody.items()}
        then = {who for who, own in everybody.items() if named.of(name, own, end - WEEKS)}
        members, known = ({who for who, value in now.items() if value in kinds} for kinds in ((True,), (True, False)))
        secret = any(small(n, k) for n in (len(members), len(known - members), len(everybody) - len(known)))
        secret = secret or any(
            small(len(members - other), k) or small(len(other - members), k) or small(abs(len(known) - len(knew)), k)
            for other, knew in told
        )
        few = len(members) < max(10 * k, 0.01 * len(everybody))
        moved = (len(members - then), len(then - members), len(then), len(members & then))
        still = any(small(n, k) for n in moved)
        if not secret and not few:
            told.append((members, known))
        low, high = wilson(len(members), len(known)) if known else (None, None)
        values: dict[str, Allowed] = {
            "members": exact(len(members)),
            "known": exact(len(known)),
            "joined": nothing() if still else exact(moved[0]),
            "left": nothing() if still else exact(moved[1]),
            "share_of_known": rounded(len(members) / len(known) if known else None, 4),
            "share_of_known_low": rounded(low, 4),
            "share_of_known_high": rounded(high, 4),
        }
        if secret or few:
            values = dict.fromkeys(values, nothing())
        values |= {"version": exact(given.get("version", 1)), "says": exact(given.get("says") or None)}
        rows[(name,)] = values | {"state": exact(WITHHELD if secret else FEW if few else SHOWN)}
    return Expected(("segment",), rows, in_order=True)


def portfolio_of(truth: Truth) -> Portfolio | None:
    """The personas of the lake, read once."""
    if "portfolio" not in truth.known:
        truth.known["portfolio"] = Portfolio.of(truth.paths, truth.known["lake"])
    return truth.known["portfolio"]  # type: ignore[no-any-return]


def personas(truth: Truth) -> Expected | None:
    """The personas in order, then who is in none. Where a small count may be revealed more may be withheld."""
    found = None if truth.settings.days != (None, None) else portfolio_of(truth)
    if found is None:
        return None
    k, least, everybody = truth.settings.k, truth.settings.least, truth.paths.touches
    sizes_of = Counter(found.members.values())
    placed = sum(sizes_of.values()) + found.apart[NO_RULE]
    walks = _walks(truth, found)
    risky = any(small(n, k) for n in (*sizes_of.values(), *found.apart.values()))
    behind = [count for own in walks.values() for count in _behind(own)]
    rated = not any(small(n, k) for n in behind)
    worth = _worth(truth, found)
    rows: dict[tuple[Any, ...], dict[str, Allowed]] = {}
    for id_, name in found.names.items():
        n, own = sizes_of[id_], walks[id_]
        few = n < max(10 * k, 0.01 * len(everybody))
        share = Share.of((w.customer for w in own), (w.customer for w in own if w.reached))
        goals = sum(w.reached for each, ws in walks.items() if each is not None for w in ws)
        ends, (low, high) = wilson(n, placed), share.ends or (None, None)
        hidden = few or people(own) < least
        dominated, all_worth = any(value.heavy for value in worth.values()), sum(v.total for v in worth.values())
        row: dict[str, Allowed] = {
            "customers": exact(n),
            "share": rounded(n / placed, 4),
            "share_low": rounded(ends[0], 4),
            "share_high": rounded(ends[1], 4),
        }
        rates: dict[str, Allowed] = {
            "mature": exact(len(own)),
            "reached": exact(share.part),
            "goal_rate": rounded(share.value, 4),
            "goal_rate_low": rounded(low, 4),
            "goal_rate_high": rounded(high, 4),
            "share_of_goals": rounded(share.part / goals if goals else None, 4),
            "share_of_value": nothing()
            if dominated or not all_worth or id_ not in worth
            else rounded(worth[id_].total / all_worth, 4),
        }
        row |= dict.fromkeys(rates, nothing()) if hidden else rates
        if risky or not rated:
            row = {column: allowed | nothing() for column, allowed in row.items()}
        states = {FEW if few else SHOWN} | ({WITHHELD} if risky or not rated else set())
        row["state"] = Allowed(" or ".join(states), lambda value, states=states: value in states)  # type: ignore[misc]
        row["stability"] = rounded(_stability(found, id_), 4)
        row["text"] = _text(truth, found, id_)
        row |= _then(truth, found, id_, n / placed, None if hidden else share.value)
        rows[(name, id_, None)] = row
    empty = [*next(iter(rows.values())), "state"]
    for reason, n in found.apart.items():
        if n:
            row = dict.fromkeys(empty, nothing())
            row |= {"customers": exact(n) | nothing() if risky else exact(n)}
            rows[(None, None, reason)] = row | {"state": exact(SHOWN) | exact(WITHHELD)}
    return Expected(("persona", "id", "reason"), rows, in_order=True)


def _then(truth: Truth, found: Portfolio, id_: str, share: float, rate: float | None) -> dict[str, Allowed]:
    """What the text of a person was written for, where that has left its interval since; told in coarse steps."""
    file = Path(truth.known["lake"], "personas/texts.json")
    kept = json.loads(file.read_text(encoding="utf-8")).get(id_) if file.exists() else None
    told: dict[str, Allowed] = dict.fromkeys(("written_for", "share_then", "goal_rate_then"), nothing())
    texts = {one["id"]: one.get("text") for one in found.table.get("named", [])}
    if kept is None or kept["text"] != texts.get(id_):
        return told
    for name, now in (("share", share), ("goal_rate", rate)):
        then = kept["numbers"].get(name)
        if then is None or now is None or then["low"] <= now <= then["high"]:
            continue
        near = between(then["value"] - 0.05, then["value"] + 0.05)
        told |= {f"{name}_then": near | nothing(), "written_for": exact(kept["fit"]) | nothing()}
    return told


def _stability(found: Portfolio, id_: str) -> float | None:
    if found.fit is None:
        return None
    return next(float(one["stability"]) for one in found.fit["personas"] if one["id"] == id_)


def _walks(truth: Truth, found: Portfolio) -> dict[str | None, list[Walk]]:
    """The mature journeys of the customers of each persona, and of those in none."""
    rows: dict[str | None, list[Walk]] = {id_: [] for id_ in (*found.names, None)}
    for walk in truth.mature:
        rows[found.members.get(walk.journey.customer)].append(walk)
    return rows


def _behind(own: Sequence[Walk]) -> tuple[int, int, int]:
    """Customers with a mature journey, with one that reached the goal, and with one that did not."""
    reached = [walk for walk in own if walk.reached]
    return people(own), people(reached), people(walk for walk in own if not walk.reached)


class Worth:
    """What the journeys of a persona are worth, and whether one customer brings more than half."""

    def __init__(self, amounts: Sequence[float]) -> None:
        self.total = sum(amounts)
        self.heavy = 2 * max(map(abs, amounts), default=0.0) > abs(self.total)


def _worth(truth: Truth, found: Portfolio) -> dict[str, Worth]:
    named = truth.settings.named_goals
    if not named or named[0].get("value") is None:
        return {}
    amounts: dict[str, list[float]] = defaultdict(list)
    for who, amount in Goal(truth, named[0], main=True).worth.items():
        if who in found.members:
            amounts[found.members[who]].append(amount)
    return {id_: Worth(amounts[id_]) for id_ in found.names}


def _text(truth: Truth, found: Portfolio, id_: str) -> Allowed:
    """What a person wrote, or the sentences by rule: each that is there is true, in order, and begins with who."""
    written = {one["id"]: one["text"] for one in found.table.get("named", []) if one.get("text", "").strip()}
    if found.fit is not None and id_ in written:
        return exact(written[id_])
    told = list(_sentences(truth, found, id_))

    def is_true(text: Any) -> bool:
        if text is None:
            return True
        rest = str(text)
        for kind in told:
            fits = next((one for one in kind if _starts(rest, one)), None)
            if fits is not None:
                rest = rest[_starts(rest, fits) :].lstrip(" ")
        return rest == ""

    return Allowed(" ".join(one for kind in told for one in kind[:1]), is_true)


def _starts(text: str, sentence: str) -> int:
    """How many characters of a text are this sentence, its numbers rounded either way; 0 where it begins otherwise."""
    pattern = "(.+?)".join(map(re.escape, NUMBERS.split(sentence)))
    match = re.match(pattern.replace("(.+?)", r"(\d[\d,]*(?:\.\d+)?)"), text)
    if match is None:
        return 0
    for found, told in zip(match.groups(), NUMBERS.findall(sentence), strict=True):
        digits = len(told.partition(".")[2])
        one, other = (float(each.replace(",", "")) for each in (found, told))
        if abs(one - other) > (1.01 * 10.0**-digits if digits or "%" in sentence else 0):
            return 0
    return match.end()


def _sentences(truth: Truth, found: Portfolio, id_: str) -> Iterator[list[str]]:
    """The sentences that may stand, kind by kind; of a kind one of several where they tie."""
    n, name = Counter(found.members.values())[id_], found.names[id_]
    placed = len(found.members) + found.apart[NO_RULE]
    worth, of_value = _worth(truth, found), ""
    whole = sum(each.total for each in worth.values())
    if whole and not any(each.heavy for each in worth.values()):
        of_value = f" and bring {worth[id_].total / whole * 100:.0f} % of the value of all personas"
    yield [f"{name} are {n / placed * 100:.0f} % of the placed customers ({n:,}){of_value}."]
    yield _traits(found, id_, truth.settings.k)
    yield _paths(truth, found, id_)
    walks = _walks(truth, found)
    own, rest = walks[id_], [w for each, ws in walks.items() if each not in (id_, None) for w in ws]
    share, others = (Share.of((w.customer for w in ws), (w.customer for w in ws if w.reached)) for ws in (own, rest))
    if share.ends:
        text = f"{_percent(share.value, 1)} ({_percent(share.ends[0], 1)} to {_percent(share.ends[1], 1)}) of their "
        text += f"{share.whole:,} journeys reach the goal in time"
        if others.whole:
            plain = (Share(each.part, each.whole, float(each.whole)) for each in (share, others))
            _, low, high = difference(*plain)
            more = "more" if low > 0 else "less"
            text += f", {more} than the others' {_percent(others.value, 1)}" if low > 0 or high < 0 else ""
        yield [f"{text}."]
    yield _pain(truth, found, id_)
    yield _among(truth, found, id_)


def _percent(share: float | None, digits: int = 0) -> str:
    return f"{(share or 0.0) * 100:.{digits}f} %"


def _traits(found: Portfolio, id_: str, k: int) -> list[str]:
    """What distinguishes a persona: the three largest of five differences of half a standard deviation or more."""
    if found.fit is None:
        return []
    mine = [raw for who, raw in found.raw.items() if found.members[who] == id_]
    rest = [raw for who, raw in found.raw.items() if found.members[who] != id_]
    told: list[tuple[float, str]] = []
    for place, (family, value) in enumerate(found.fit["features"]):
        own, others = [raw[place] for raw in mine], [raw[place] for raw in rest]
        both = [*own, *others]
        middle = sum(both) / len(both)
        deviation = math.sqrt(max(0.0, sum(each * each for each in both) / len(both) - middle**2))
        if not own or not others or not deviation:
            continue
        mean, other = sum(own) / len(own), sum(others) / len(others)
        size = abs(mean - other) / deviation
        secret = value not in GEOMETRIC and any(
            0 < part * len(group) < k for m, group in ((mean, own), (other, others)) for part in (m, 1 - m)
        )
        if size >= 0.5:
            told.append((size, "" if secret else _trait(family, value, mean, other)))
    largest = [text for _, text in sorted(told, key=lambda one: -one[0])[:5] if text][:3]
    text = "; ".join(largest)
    return [f"{text[:1].upper()}{text[1:]}."] if text else []


def _trait(family: str, value: str | None, mean: float, other: float) -> str:
    if value in GEOMETRIC:
        return f"{math.exp(mean):.1f} {value}, against {math.exp(other):.1f} of the others"
    of = f"{_percent(mean)}, against {_percent(other)} of the others'"
    words = {
        "evening": "touches from 17 to 23 h",
        "weekend": "touches at the weekend",
        "movement": f"{value} per touch",
        "channel": f"touches in channel {value}",
        "device": f"touches on device {value}",
        "stage": f"touches in stage {value}",
        "touchpoint": f"touches of {value}",
        "entry": f"entry by {value}",
    }
    nothing_there = {"device": "touches on device no device", "channel": "touches in channel no channel"}
    if value is None:
        return f"{nothing_there[family]}: {of}"
    return f"{words[value if family == 'rhythm' else family]}: {of}"


def _paths(truth: Truth, found: Portfolio, id_: str) -> list[str]:
    """The commonest journey, repeats joined, of those of 30 or more."""
    counts: Counter[tuple[str, ...]] = Counter()
    behind: dict[tuple[str, ...], set[Any]] = defaultdict(set)
    for journey in truth.paths.journeys:
        if found.members.get(journey.customer) == id_:
            path = tuple(name for name, _ in groupby(touch.touchpoint for touch in journey.touches))
            counts[path] += 1
            behind[path].add(journey.customer)
    most = max(counts.values(), default=0)
    if most < truth.settings.least:
        return []
    return [
        f"Their commonest journey is {' > '.join(path)}: {n:,} journeys, {_percent(n / counts.total())}."
        for path, n in counts.items()
        if n == most and len(behind[path]) >= truth.settings.k
    ]


def _pain(truth: Truth, found: Portfolio, id_: str) -> list[str]:
    """The stage that journeys of a persona reach least often, beside those of the other personas."""
    walks = {each: own for each, own in _walks(truth, found).items() if each is not None}
    cells = []
    for each, own in walks.items():
        rest = truth.steps([walk for other, ws in walks.items() if other != each for walk in ws])
        cells += [
            (each, step, row, rest[step].share) for step, row in enumerate(truth.steps(own)) if step and row.previous
        ]
    clear = discoveries([p_value(row.share, other) for _, _, row, other in cells])
    k, least = truth.settings.k, truth.settings.least
    told = []
    for (each, step, row, other), is_clear in zip(cells, clear, strict=True):
        gap, _, high = difference(row.share, other)
        few = people(row.previous) < least or small(row.people, k) or small(row.lost, k)
        if each == id_ and is_clear and gap < 0 and high < 0 and not few:
            told.append((gap, step, row.share.value, other.value))
    if not told:
        return []
    _, step, share, other_share = min(told)
    name = truth.settings.stage_names[step] if step < len(truth.settings.stage_names) else truth.settings.steps[step]
    names = {name, truth.settings.steps[step], truth.settings.goal}
    text = "What stands in their way: {} go on to {}, {} of the others."
    return [text.format(_percent(share), each, _percent(other_share)) for each in names]


def _among(truth: Truth, found: Portfolio, id_: str) -> list[str]:
    """The value of a column that is most unusually frequent, or rare, in a persona."""
    columns = found.table.get("profile")
    if columns is None:
        columns = [name.rpartition(".")[2] for name in truth.settings.paths.get("attributes", [])]
    cells = []
    for column in columns:
        values = {who: found.attribute(who, column) for who in found.members}
        known = {who: value for who, value in values.items() if value is not None}
        for each in found.names:
            n = sum(found.members[who] == each for who in known)
            for value in set(known.values()):
                k = sum(one == value and found.members[who] == each for who, one in known.items())
                all_k = sum(one == value for one in known.values())
                pair = Share(k, n, float(n)), Share(all_k - k, len(known) - n, float(len(known) - n))
                cells.append((each, column, value, *pair))
    clear = discoveries([p_value(own, rest) if own.whole and rest.whole else None for *_, own, rest in cells])
    told = []
    for (each, column, value, own, rest), is_clear in zip(cells, clear, strict=True):
        counts = (own.part, own.whole - own.part, rest.part, rest.whole - rest.part)
        if each == id_ and is_clear and not any(small(count, truth.settings.k) for count in counts):
            gap, low, high = difference(own, rest)
            if low > 0 or high < 0:
                words = f"{column.replace('_', ' ')} {value} is {'more' if low > 0 else 'less'} frequent among them: "
                words += f"{_percent(own.value)}, against {_percent(rest.value)} of the others."
                told.append((abs(gap), f"{words[:1].upper()}{words[1:]}"))
    largest = max((size for size, _ in told), default=0.0)
    return [words for size, words in told if size > largest - 1e-9]


def standing(truth: Truth) -> Expected | None:
    """Journeys under way by the furthest stage that they have reached, and how long they have stood there."""
    last = truth.rows - 1
    journeys = [
        Stood("", journey.outcome == "open", [(touch.at, _rank(truth, touch, last)) for touch in journey.touches])
        for journey in truth.paths.journeys
    ]
    found = standing_of(journeys, last + 1, truth.paths.end)
    if not found or truth.settings.days != (None, None):
        return None
    k, least, rows = truth.settings.k, truth.settings.least, {}
    went_on: dict[int, list[tuple[int, Any]]] = defaultdict(list)
    for journey, stood in zip(truth.paths.journeys, journeys, strict=True):
        for rank, since, until in stays(stood):
            if until is not None and rank <= last:
                went_on[rank].append((until - since, journey.customer))
    whole = sum(row["journeys"] for row in found.values())
    risky = any(small(row["journeys"], k) for row in found.values())
    for rank in sorted(found):
        row, waits = found[rank], [wait for wait, _ in went_on[rank]]
        enough = len({who for _, who in went_on[rank]}) >= 30
        n = row["journeys"]
        usual, late = (quantile(waits, share) if waits else None for share in (0.5, 0.9))
        counts = {age: _between(row["waits"], usual, late, age) for age in ("fresh", "waiting", "late")}
        secret = any(small(count, k) for ends in counts.values() for count in ends)
        allowed: dict[str, Allowed] = {
            "journeys": exact(n),
            "share_of_journeys": rounded(n / whole, 4),
            "median_wait_seconds": quantile_of(row["waits"], 0.5) if n >= least else nothing(),
        }
        ages: dict[str, Allowed] = {age: between(*ends) for age, ends in counts.items()}
        ages |= {
            "share_late": between(counts["late"][0] / n - 5e-5, counts["late"][1] / n + 5e-5),
            "usual_wait_seconds": quantile_of(waits, 0.5),
            "late_after_seconds": quantile_of(waits, 0.9),
        }
        told = {name: one | nothing() for name, one in ages.items()} if secret else ages
        allowed |= told if enough else dict.fromkeys(ages, nothing())
        if risky:
            allowed = {name: one | nothing() for name, one in allowed.items()}
        allowed["state"] = (
            exact(SHOWN if enough else FEW) | exact(WITHHELD) if risky else exact(SHOWN if enough else FEW)
        )
        names = truth.settings.stage_names
        rows[(None if rank < 0 else names[rank] if rank < len(names) else truth.settings.goal,)] = allowed
    return Expected(("stage",), rows, in_order=True)


def outlook(truth: Truth, told: list[dict[str, Any]], tested_on: str) -> Expected | None:
    """How many customers are under way by band of chance, and what came of those of a cutoff; of chances themselves
    only that they are in order, fit their bands, and add up. `tested_on` is the day of the cutoff, as the card says it.
    """
    asked = truth.settings.tables.get("prediction")
    if asked is None or truth.settings.days != (None, None):
        return None
    paths, k, least = truth.paths, truth.settings.k, truth.settings.least
    every, longest = (microseconds(asked.get(name, usual)) for name, usual in (("every", "7d"), ("longest", "14d")))
    longest = microseconds(asked["horizons"][-1]) if "horizons" in asked else longest
    steps = next((goal["steps"] for goal in truth.settings.named_goals if goal["name"] == asked.get("goal")), None)
    stages = [None if place is None else f"stage:{place}" for place in (None, *truth.settings.stage_names)]

    def is_goal(touch: Touch) -> bool:
        own = {touch.touchpoint, stages[0 if touch.stage is None else touch.stage + 1]}
        return touch.touchpoint in truth.goals if steps is None else bool(own & set(steps))

    of: dict[str, Any] = {
        "objected": set(paths.settings.paths.get("objected", [])),
        "lookback": microseconds(asked.get("lookback", "30d")),
        "has_had": lambda own: bool(asked.get("first", False)) and any(map(is_goal, own)),
    }
    last = (paths.end - longest - MONDAY) // every * every + MONDAY
    cutoffs = [at for at in (last, last - every) if day(truth.calendar.moment(at)) == tested_on]
    if not cutoffs:
        return None
    version = truth.known.get("events")
    tested, goals = followed(truth.known["lake"], paths, version, cutoffs[0], cutoffs[0] + longest, is_goal, **of)
    rows: dict[tuple[int | None], dict[str, Allowed]] = {}
    edges = [0.0, *(row["chance_to"] for row in told[1:])]
    bands = [row for row in told if row["band"] is not None]
    for row in told:
        band, whole, part = row["band"], row["tested"], row["tested_goals"]
        is_whole = band is None
        low, high = (0.0, 1.0) if is_whole else edges[band - 1 : band + 1]
        sums = {name: [each[name] for each in bands] for name in ("customers", "tested", "tested_goals")}
        known = {name: None if None in found else sum(found) for name, found in sums.items()}
        secret = is_whole and (small(goals, k) or small(tested - goals, k))
        share = Share(part or 0, whole or 0, float(whole or 0))
        ends = (share.value, *(share.ends or (None, None)))
        few = whole is None or max(part, whole - part) < least
        state = exact(WITHHELD if whole is None else FEW if few else SHOWN)
        count = row["customers"]
        told_goals = (low * ((count or 0) - 5) - 1, high * ((count or 0) + 5) + 1)
        free = between(0, math.inf)
        rows[(band,)] = {
            "chance_from": exact(low) if is_whole else rounded(low, 4),
            "chance_to": exact(high) if is_whole else between(low, 1.0),
            "customers": tens(len(under_way(paths, **of))) if is_whole else free | nothing(),
            "expected_goals": nothing() if count is None else between(*told_goals),
            "expected_low": nothing() if count is None else between(0, row["expected_goals"]),
            "expected_high": nothing() if count is None else between(row["expected_goals"], count + 5),
            "tested": (nothing() if secret else exact(tested)) if is_whole else free | nothing(),
            "tested_goals": (nothing() if secret else exact(goals)) if is_whole else free | nothing(),
            "expected": nothing() if few else between(low - 1e-4, high + 1e-4),
            **{
                name: nothing() if few else rounded(value, 4)
                for name, value in zip(("seen", "seen_low", "seen_high"), ends, strict=True)
            },
            "state": state,
        }
        if is_whole and bands:
            for name, slack in (("customers", 25), ("tested", 0), ("tested_goals", 0)):
                if known[name] is not None and row[name] is not None and abs(known[name] - row[name]) > slack:
                    rows[(band,)][name] = nothing(f"the bands add up to {known[name]}")
        if any(row[name] is not None and small(row[name], k) for name in ("customers", "tested", "tested_goals")):
            rows[(band,)]["state"] = nothing("a count is small")
    return Expected(("band",), rows, in_order=True)


MONDAY = 4 * DAY
"""Monday, 5 January 1970, from which cutoffs are counted."""


def _rank(truth: Truth, touch: Touch, last: int) -> int:
    """How far a touch brings a journey: -1 without a stage, the goal behind all stages."""
    if touch.touchpoint in truth.goals:
        return last + 1
    return -1 if touch.stage is None else min(touch.stage, last)


def _between(waits: Sequence[int], usual: float | None, late: float | None, age: str) -> tuple[int, int]:
    """The fewest and the most waits of an age, as what is usual is right to one in a thousand."""
    if usual is None or late is None:
        return 0, 0
    edges = {"fresh": (-1.0, usual), "waiting": (usual, late), "late": (late, math.inf)}
    low, high = edges[age]
    narrow = sum(low * 1.001 < wait <= high * 0.999 for wait in waits)
    wide = sum(low * 0.999 < wait <= high * 1.001 or (low < 0 <= wait <= high * 1.001) for wait in waits)
    return narrow, wide


def contacts(truth: Truth) -> Expected | None:
    """The share of journeys with a contact, by the stage they begin at, then the shares of contacts."""
    asked = truth.settings.tables.get("contacts", {})
    there = {touch.touchpoint for touch in truth.paths.all_touches}
    names = [name for name in asked.get("touchpoints", []) if name in there]
    if not names or truth.settings.days != (None, None):
        return None
    cells: dict[tuple[str, str | None], list[tuple[Any, int, int]]] = defaultdict(list)
    for walk in truth.mature:
        journey = walk.journey
        until = journey.begin + truth.settings.window
        hit = any(t.touchpoint in names and t.at <= until for t in (*journey.touches, *journey.aftermath))
        stage = journey.touches[0].stage
        for group in (None, "" if stage is None else truth.settings.stage_names[stage]):
            cells["contact_rate", group].append((walk.customer, int(hit), 1))
    k, contacted = truth.settings.k, sum(part for _, part, _ in cells["contact_rate", None])
    near = any(
        (set(goal["steps"]) <= set(names) or set(names) <= set(goal["steps"]))
        and small(abs(len(Goal(truth, goal, main=place == 0).reached) - contacted), k)
        for place, goal in enumerate(truth.settings.named_goals)
    )
    lengths = {name: microseconds(asked.get(name, usual)) for name, usual in LENGTHS.items()}
    portfolio = Portfolio(truth.paths, None)
    numbers = {
        id(touch): place
        for place, journey in enumerate(truth.paths.journeys)
        for touch in (*journey.touches, *journey.aftermath)
    }
    for who, own in truth.paths.touches.items():
        touches = [
            Touched(
                touch.at,
                touch.touchpoint,
                str(touch.event.channel),
                truth.paths.value_at(touch, asked["reason"]) if asked.get("reason") else None,
                portfolio.sessions[id(touch)],
                numbers.get(id(touch)),
            )
            for touch in own
        ]
        if not any(touch.name in names for touch in touches):
            continue
        chats, marks = asked.get("chats", []), asked.get("transfers", [])
        one = contact_counts({"": touches}, names, chats=chats, marks=marks, end=truth.paths.end, **lengths)
        pairs = {
            "repeat_rate": (one["mature"] - one["resolved"], one["mature"]),
            "web_then_call_rate": (one["after_web"], one["outside_web"]),
            "transfer_rate": (one["transferred"], one["mature"]),
            "containment_rate": (one["contained"], one["chats"]),
        }
        for name, (part, whole) in pairs.items():
            cells[name, None] += [(who, part, whole)] if whole else []
    order = {name: place for place, name in enumerate(("", *truth.settings.stage_names))}
    found = shares_of(truth, cells, lambda key: (HELP.index(key[0]), key[1] is not None, order.get(key[1] or "", 0)))
    for key in [*found.rows] if found and near else []:
        if key[0] == "contact_rate":
            found.rows[key] = {**dict.fromkeys(found.rows[key], nothing()), "state": exact(WITHHELD)}
    return found


LENGTHS = {"repeat": "7d", "before": "24h", "contained": "24h"}
HELP = ("contact_rate", "repeat_rate", "web_then_call_rate", "transfer_rate", "containment_rate")
VISITS = ("there_rate", "useful_rate", "quick_rate")


def moments(truth: Truth) -> Expected | None:
    """What short visits in the hand find, by intent."""
    asked = truth.settings.tables.get("moments")
    if asked is None or truth.settings.days != (None, None):
        return None
    loads = next((name for name in truth.settings.paths.get("values", []) if name.endswith("load_seconds")), None)
    intents = [
        {**one, "within": microseconds(one["within"]) / SECOND if "within" in one else None} for one in asked["intents"]
    ]
    sessions = Portfolio(truth.paths, None).sessions
    cells: dict[tuple[str, str | None], list[tuple[Any, int, int]]] = defaultdict(list)
    for who, own in truth.paths.touches.items():
        touches = [
            Seen(
                touch.at / SECOND,  # type: ignore[arg-type]
                touch.touchpoint,
                sessions[id(touch)],
                value_of(touch.event, asked.get("device", "device")),
                _number(value_of(touch.event, loads)) if loads else None,
            )
            for touch in own
        ]
        told = moment_counts(
            {"": touches},
            intents,
            longest=microseconds(asked.get("longest", "3m")) / SECOND,  # type: ignore[arg-type]
            end=truth.paths.end / SECOND,  # type: ignore[arg-type]
            entries=asked.get("entries", []),
            goal="",
            horizon=0,
        )
        for (intent, kind), row in told.items():
            if kind == "moment":
                pairs = zip(VISITS, (("there", "mature"), ("useful", "judged"), ("quick", "timed")), strict=True)
                for name, (part, whole) in pairs:
                    cells[name, intent] += [(who, row[part], row[whole])] if row[whole] else []
    cells = defaultdict(list, {key: own for key, own in cells.items() if own})
    if not asked.get("entries"):
        cells = defaultdict(list, {key: own for key, own in cells.items() if key[0] != "there_rate"})
    order = {name: place for place, name in enumerate([*(one["name"] for one in intents), "unclear"])}
    return shares_of(truth, cells, lambda key: (order[str(key[1])], VISITS.index(key[0])))


def _number(text: str | None) -> float | None:
    return None if text is None else float(text)


def shares_of(
    truth: Truth, cells: dict[tuple[str, str | None], list[tuple[Any, int, int]]], order: Callable[[Any], Any]
) -> Expected | None:
    """Shares of units, of which each customer has some; withheld where few customers are on a side."""
    k, least, rows = truth.settings.k, truth.settings.least, {}
    sides = {
        key: (sum(part > 0 for _, part, _ in own), sum(part < whole for _, part, whole in own))
        for key, own in cells.items()
    }
    for key in sorted(cells, key=order):
        own, (yes, no) = cells[key], sides[key]
        beside = [both for other, both in sides.items() if other[0] == key[0] and other[1] is not None]
        risky = key[1] is not None and any(small(n, k) for both in beside for n in both)
        secret, few = small(yes, k) or small(no, k), max(yes, no) < least
        share = Share.of(
            (who for who, _, whole in own for _ in range(whole)), (who for who, part, _ in own for _ in range(part))
        )
        low, high = share.ends or (None, None)
        row = {"part": exact(share.part), "whole": exact(share.whole)}
        ends = {"share": share.value, "share_low": low, "share_high": high}
        row |= {name: nothing() if few else rounded(value, 4) for name, value in ends.items()}
        state = exact(FEW if few else SHOWN)
        if secret:
            row, state = dict.fromkeys(row, nothing()), exact(WITHHELD)
        elif risky:
            row, state = {name: one | nothing() for name, one in row.items()}, state | exact(WITHHELD)
        rows[key] = row | {"state": state}
    return Expected(("measure", "group"), rows, in_order=True) if rows else None
