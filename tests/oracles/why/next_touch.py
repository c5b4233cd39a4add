"""What comes next, by its definition: a loop over sessions, in fractions. Shares no code with the product."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from fractions import Fraction

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


def chances(sessions: Sessions, context: Sequence[str]) -> dict[str, Fraction]:
    """The chance of each follower: what was seen, blended with the chance after the context one shorter."""
    everything = {name for session in sessions for name in session} | {END}
    shorter = chances(sessions, context[1:]) if context else dict.fromkeys(everything, Fraction(1, len(everything)))
    seen = followers(sessions, context)
    n, u = seen.total(), len(seen)
    return {name: (seen[name] + u * shorter[name]) / (n + u) for name in everything} if n else shorter


def used(sessions: Sessions, context: Sequence[str]) -> int:
    """The length of the longest context that has been seen."""
    length = len(context)
    while length and not followers(sessions, context[-length:]):
        length -= 1
    return length
