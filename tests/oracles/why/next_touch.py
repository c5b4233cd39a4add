"""What comes next, by its definition: a loop over sessions, in fractions. Shares no code with the product."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from fractions import Fraction
from math import log2

END = "(end)"
Sessions = Sequence[Sequence[str]]


def followers(sessions: Sessions, context: Sequence[str]) -> Counter[str]:
    """How often each touchpoint, or leaving, follows a context within a session."""
    found: Counter[str] = Counter()
    for session in sessions:
        for place, name in enumerate([*session, END]):
            if list(session[max(0, place - len(context)) : place]) == list(context):
                found[name] += 1
    return found


def chances(
    sessions: Sessions, context: Sequence[str], everything: Collection[str] | None = None
) -> dict[str, Fraction]:
    """The chance of each follower: what was seen, blended with the chance after the context one shorter."""
    everything = everything or {name for session in sessions for name in session} | {END}
    uniform = dict.fromkeys(everything, Fraction(1, len(everything)))
    shorter = chances(sessions, context[1:], everything) if context else uniform
    seen = followers(sessions, context)
    n, u = seen.total(), len(seen)
    return {name: (seen[name] + u * shorter[name]) / (n + u) for name in everything} if n else shorter


def used(sessions: Sessions, context: Sequence[str]) -> int:
    """The length of the longest context that has been seen."""
    length = len(context)
    while length and not followers(sessions, context[-length:]):
        length -= 1
    return length


def quality(learned: Sessions, held: Sessions, order: int) -> tuple[float, float, float, int]:
    """Bits a touch, how often the likeliest and one of the three likeliest came, and the touches, held back."""
    everything = {name for session in [*learned, *held] for name in session} | {END}
    bits, ranks = [], []
    for session in held:
        for place, name in enumerate([*session, END]):
            chance = chances(learned, session[max(0, place - order) : place], everything)
            bits.append(-log2(chance[name]))
            ranks.append(sorted(everything, key=lambda each: (-chance[each], each)).index(name))
    size = len(bits)
    return sum(bits) / size, ranks.count(0) / size, sum(rank < 3 for rank in ranks) / size, size
