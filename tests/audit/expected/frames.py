"""What the frame of every card may hold: the true numbers, as far as the rules of publication let them out."""

from __future__ import annotations

from collections.abc import Callable

from tests.audit.expected import credit, goals, groups, people, periods, problems, routes, stages
from tests.audit.expected.withholding import Expected
from tests.audit.truth import Truth


def expected_frames(truth: Truth) -> dict[str, Callable[[], Expected | None]]:
    """By the id of a card, how to compute what its frame may hold; null where there must be no such card."""
    asked: dict[str, Callable[[Truth], Expected | None]] = {
        "funnel": stages.funnel,
        "pains": problems.pains,
        "friction": problems.friction,
        "goals": goals.attained,
        "goal-definitions": goals.definitions,
        "personas": people.personas,
        "segments": groups.segments,
        "sizes": people.sizes,
        "standing": people.standing,
        "contacts": people.contacts,
        "moments": people.moments,
        "explorer": groups.cube,
        "changes": periods.changes,
        "releases": periods.releases,
        "time-to-goal": stages.times,
        "by-day": stages.by_day,
        "flow": routes.flow,
        "families": goals.families,
        "credit": credit.credit,
        "commonest": routes.commonest,
        "positions": routes.positions,
        "moves": routes.moves,
        "map": routes.used,
        "definitions": routes.used,
        "linked": routes.linked,
        "refused": routes.refused,
        "checks": routes.checks,
    }
    return {name: (lambda measure=measure: measure(truth)) for name, measure in asked.items()}  # type: ignore[misc]
