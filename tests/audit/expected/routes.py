"""Flow, whole paths, positions, moves, touchpoints of stages, links to customers, refusals and checks."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.audit.expected.stages import beside_is_withheld, people
from tests.audit.expected.withholding import (
    Allowed,
    Expected,
    between,
    coarse,
    exact,
    nothing,
    rounded,
    small,
    tens,
)
from tests.audit.truth import OTHER, Truth, Walk

ENDINGS = {"END_converted": "reached", "END_abandoned": "abandoned", "END_open": "open"}
LONGEST = 10


@dataclass(frozen=True)
class ShareText(Allowed):
    """What the text of a share may be; `true` is the share, `step` how far apart the published ones lie."""

    true: float = 0.0
    step: float = 0.0


def share_text(whole: list[Walk], part: list[Walk], k: int, *, rounds: bool) -> ShareText:
    """A share as a text: exact, in steps that cover `k` units beside rounded counts, a bound, or nothing.

    A bound stands for few customers of few units; a bound for few customers of many units would be wrong or reveal
    them.
    """
    inside = set(map(id, part))
    rest = [walk for walk in whole if id(walk) not in inside]
    true, edge = len(part) / len(whole), min(k / len(whole), 1.0)
    step = (coarse(len(whole), k) or 0.0) if rounds else 0.0

    def text(words: str, test: Callable[[Any], bool]) -> ShareText:
        return ShareText(words, lambda value: isinstance(value, str) and test(value), true, step)

    if any(small(people(own), k) for own in (part, rest)):
        few = part if small(people(part), k) else rest
        if not small(len(few), k):
            return text("nothing", lambda v: v == "–")
        word, end = ("under ", edge) if few is part else ("over ", 1 - edge)
        return text(f"{word}{end:.1%} or a wider bound", lambda v: _bound(v, word, end))
    if not rounds:
        return text(f"{true:.4%}", lambda v: _percent(v, true, 0.00051))
    if not step:
        return text("nothing, as too few for a share", lambda v: v == "–")
    return text(f"{true:.4%} in steps of {step:g}", lambda v: _percent(v, true, step / 2 + 1e-6))


def leaving(text: str, allowed: Allowed) -> bool:
    """Whether the share that leaves may be shown so: it may be withheld where others leave in ways of few each."""
    return text == "–" or text.startswith("over ") or allowed.test(text)


def _bound(text: Any, word: str, edge: float) -> bool:
    if not isinstance(text, str) or not text.startswith(word):
        return False
    told = float(text.removeprefix(word).removesuffix("%").strip()) / 100
    return told >= edge - 0.0006 if word == "under " else told <= edge + 0.0006


def _percent(text: str, share: float, slack: float) -> bool:
    return text.endswith("%") and text[0].isdigit() and abs(float(text[:-1]) / 100 - share) <= slack


def coarse_share(part: int, whole: int, k: int, digits: int) -> Allowed:
    """A true share in steps that cover `k` units where the counts beside it are rounded."""
    step = max(coarse(whole, k) or 1.0, 10.0**-digits)
    true = part / whole
    if coarse(whole, k) is None:
        return nothing("too few for a share")
    return Allowed(
        f"{true:.5f} in steps of {step:g}",
        lambda v: isinstance(v, int | float) and abs(v - true) <= step / 2 + 1e-6,
    )


def flow(truth: Truth) -> Expected | None:
    """The moves of mature journeys from position to position."""
    k, found = truth.settings.k, truth.flow
    if not found.nodes:
        return None
    rounding = flow_rounds(truth)
    rows = {}
    for (position, source, target), walks in found.links.items():
        ends = [found.nodes[position, source], found.nodes[position + 1, target]]
        if small(people(walks), k) or any(small(people(walk for walk, _ in node), k) for node in ends):
            continue
        reached = [walk for walk in walks if walk.reached]
        whole = len(found.nodes[position, source])
        hidden = any(small(people(own), k) for own in (reached, [walk for walk in walks if not walk.reached]))
        rows[position, source, target] = {
            "units": tens(len(walks)) if rounding else exact(len(walks)),
            "share_of_source": coarse_share(len(walks), whole, k, 3) if rounding else rounded(len(walks) / whole, 3),
            "goal_share": nothing("a bound")
            if hidden
            else rounded(len(reached) / len(walks), 4)
            if not rounding
            else coarse_share(len(reached), len(walks), k, 3),
            "goal_text": share_text(walks, reached, k, rounds=rounding),
        }
    return Expected(("position", "source", "target"), rows)


def flow_rounds(truth: Truth) -> bool:
    """Whether counts of the flow are rounded, as some are left out."""
    k, found = truth.settings.k, truth.flow
    endings: dict[Any, list[Walk]] = defaultdict(list)
    for node, walks in found.nodes.items():
        for walk, ends in walks:
            if ends:
                endings[node, walk.journey.outcome].append(walk)
    nodes = [[walk for walk, _ in node] for node in found.nodes.values()]
    return any(small(people(cell), k) for cell in (*nodes, *found.links.values(), *endings.values()))


def commonest(truth: Truth) -> Expected | None:
    """The commonest whole paths with the goal, and without it."""
    asked, rows = truth.settings, {}
    for ending in ("reached", "abandoned"):
        found = []
        for path, walks in truth.whole_paths.items():
            own = [walk for walk in walks if walk.reached is (ending == "reached")]
            if len(path) <= LONGEST and len(own) >= asked.least and people(own) >= asked.k:
                found.append((-len(own), list(path)))
        for units, path in sorted(found)[:6]:
            rows[" → ".join(path), ending] = {
                "units": exact(-units),
                "share": rounded(-units / len(truth.mature), 4),
            }
    return Expected(("route", "ended"), rows, in_order=True) if rows else None


def positions(truth: Truth) -> Expected | None:
    """Where all journeys are at each position."""
    k, found = truth.settings.k, truth.positions()
    counts: Counter[str] = Counter()
    for (_, node), journeys in found.items():
        if node not in ENDINGS:
            counts[node] += len(journeys)
    kept = {name for name, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:14]}
    cells: dict[tuple[int, str, str], list[Any]] = defaultdict(list)
    who: dict[tuple[int, str, str], int] = defaultdict(int)  # of several touchpoints together: those of the largest
    for (position, node), journeys in found.items():
        name = ENDINGS.get(node) or (node if node in kept else OTHER)
        key = position, name, ENDINGS.get(node, "touchpoint")
        cells[key] += journeys
        who[key] = max(who[key], people(journeys))
    rounding = any(small(count, k) for count in who.values()) or beside_is_withheld(truth)
    whole, rows = len(truth.paths.journeys), {}
    for (position, name, kind), own in cells.items():
        if not small(who[position, name, kind], k):
            share = coarse_share(len(own), whole, k, 3) if rounding else rounded(len(own) / whole, 3)
            units = tens(len(own)) if rounding else exact(len(own))
            rows[position, name, kind] = {"units": units, "share": share}
    return Expected(("position", "touchpoint", "kind"), rows)


def moves(truth: Truth) -> Expected | None:
    """Moves from touchpoint to touchpoint within journeys."""
    k, found = truth.settings.k, truth.moves
    kept = {move: who for move, who in found.items() if len(set(who)) >= k}
    count = tens if len(kept) < len(found) else exact
    rows = {move: {"transitions": count(len(who)), "customers": count(len(set(who)))} for move, who in kept.items()}
    return Expected(("source", "target"), rows)


def used(truth: Truth) -> Expected | None:
    """Touchpoints of every stage, by customers."""
    k, rows = truth.settings.k, {}
    for stage, touchpoints in truth.used.items():
        whole = len(set().union(*touchpoints.values()))
        for touchpoint, who in touchpoints.items():
            if len(who) >= k and whole >= k and len(who) >= 0.02 * whole:
                rows[stage, touchpoint] = {"customers": exact(len(who)), "share": rounded(len(who) / whole, 3)}
    return Expected(("stage", "touchpoint"), rows) if rows else None


def linked(truth: Truth) -> Expected:
    """How touches are linked to customers."""
    total = truth.linked.total()
    ways = ("login", "device", "session", "anonymous")
    return Expected(("way",), {(way,): {"share": rounded(truth.linked[way] / total, 4)} for way in ways})


def refused(truth: Truth) -> Expected | None:
    """Messages in quarantine by reason."""
    found, k = truth.paths.landed.refused, truth.settings.k
    rows = {(reason,): {"messages": nothing() if small(count, k) else exact(count)} for reason, count in found.items()}
    return Expected(("reason",), rows) if rows else None


def checks(truth: Truth) -> Expected | None:
    """The newest fourteen days of checks, by suite, and the beliefs that were not met on one of them."""
    found: dict[tuple[str, str, Any], list[dict[str, Any]]] = defaultdict(list)
    for row in truth.paths.landed.checks:
        if row["day"] is not None:
            found[row["suite"], _belief(row), row["day"]].append(row)
    days = sorted({day for (_, _, day), own in found.items() if own[0]["table"] != "profiles"})[-14:]
    found = {key: own for key, own in found.items() if key[2] in days}
    suites: dict[tuple[str, Any], list[tuple[bool, str]]] = defaultdict(list)
    missed: dict[tuple[str, str], int] = Counter()
    for (suite, belief, day), own in found.items():
        passed = all(row["passed"] for row in own)
        suites[suite, day].append((passed, own[0]["severity"]))
        missed[suite, belief] += not passed
    k, rows = truth.settings.k, {}
    for (suite, day), verdicts in suites.items():
        worst = any(not passed and severity == "refuse" for passed, severity in verdicts)
        rows[suite, None, day.isoformat()] = {
            "severity": exact("refuse" if worst else "warn"),
            "met": exact(sum(passed for passed, _ in verdicts)),
            "of": exact(len(verdicts)),
            "share": nothing("of a whole suite"),
        }
    optional = set()
    worst_ones = sorted(missed.values(), reverse=True)[:12]
    for (suite, belief, day), own in found.items():
        times = missed[suite, belief]
        if not times or times < worst_ones[-1]:
            continue
        judged, failed = (sum(row[name] or 0 for row in own) for name in ("judged", "failed"))
        share = None if small(failed, k) or not judged or all(row["failed"] is None for row in own) else failed / judged
        key = (suite, own[0]["belief"], day.isoformat())
        rows[key] = {
            "severity": exact(own[0]["severity"]),
            "met": exact(int(all(row["passed"] for row in own))),
            "of": exact(1),
            "share": rounded(share, 3),
        }
        if times == worst_ones[-1]:
            optional.add(key)  # of beliefs that were missed as often, some are beyond the twelve that are listed
    return Expected(("suite", "belief", "day"), rows, frozenset(optional)) if rows else None


def _belief(row: dict[str, Any]) -> str:
    return f"{row['table']} {row['columns']} {row['belief']} {row['severity']}"


__all__ = ["between", "checks", "commonest", "flow", "linked", "moves", "positions", "refused", "used"]
