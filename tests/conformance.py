"""Runs worked cases of other tools through the public functions: `python tests/conformance.py FOLDER`.

Prints one line per file, for each failing case its id with the expected and the actual result, and at the end
`N passed, M failed, K unsupported`. Exits with 1 if a case failed or cannot be expressed. The README of
tests/oracles/conforming/published describes the form of the cases. A tool is a set of options: no case has a path of
its own.
"""

from __future__ import annotations

import json
import math
import sys
import warnings
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import polars as pl

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from analytics import UnknownWordWarning
from expectations.errors import DefinitionError
from tests.oracles.conforming import (
    credit,
    funnels,
    journeys,
    sessions,
    stages,
    statistics,
    stitching,
    watching,
    why,
)
from tests.oracles.conforming.cases import Params, Unsupported
from tests.oracles.conforming.customers import activity, cohorts, moments, personas, segments, voices

Case = Mapping[str, Any]
KINDS: dict[str, Callable[[Case], Mapping[str, Any]]] = {
    "attribution": credit.attribution_case,
    "attribution_events": credit.attribution_events_case,
    "binomial": watching.binomial_case,
    "confidence_sequence": why.confidence_sequence_case,
    "cohort_retention": activity.cohort_case,
    "comeback": activity.comeback_case,
    "lapse": activity.lapse_case,
    "lifecycle": activity.lifecycle_case,
    "stickiness": activity.stickiness_case,
    "change": why.change_case,
    "drivers": why.drivers_case,
    "experiment": why.experiment_case,
    "funnel": funnels.funnel_case,
    "trend": funnels.trend_case,
    "window_funnel": funnels.window_funnel_case,
    "goal_rate": stages.goal_rate_case,
    "goal_routes": stages.goal_routes_case,
    "horizon_chances": statistics.horizon_case,
    "interaction": why.interaction_case,
    "journeys": stages.journeys_case,
    "mean_difference": why.mean_difference_case,
    "moments": moments.moments_case,
    "next_touch": journeys.next_touch_case,
    "over_and_arrived": watching.arrived_case,
    "paths": journeys.paths_case,
    "persona_count": personas.count_case,
    "persona_match": personas.match_case,
    "persona_placement": personas.placement_case,
    "retention": cohorts.retention_case,
    "retention_flags": cohorts.flags_case,
    "rfm": segments.rfm_case,
    "segments": segments.segments_case,
    "sample_ratio": why.sample_ratio_case,
    "sequence": journeys.sequence_case,
    "sessions": sessions.sessions_case,
    "stage_funnel": stages.stage_funnel_case,
    "statistics": statistics.statistics_case,
    "stratified_difference": why.stratified_case,
    "stitch": stitching.stitching_case,
    "consistency": voices.consistency_case,
    "response_rate": voices.response_rate_case,
    "voice_score": voices.score_case,
    "voice_weighted": voices.weighted_case,
    "target_cohort": stages.target_cohort_case,
    "target_status": stages.target_status_case,
    "watch_expectation": watching.expectation_case,
}
UNREADABLE = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, pl.exceptions.PolarsError)
"""A case that is not as its README has it fails by itself, and the others are run."""
TABLES = (
    "assigned",
    "chance",
    "edges",
    "families",
    "groups",
    "intents",
    "intervals",
    "levels",
    "persona",
    "placement",
    "removal",
    "scores",
    "variants",
)
SHARED_OUT = ("credit", "value")
"""Tables in which whatever more there is, is 0."""


def main(folder: str) -> int:
    """Run every case of a folder; the exit code."""
    warnings.simplefilter("ignore", UnknownWordWarning)  # many a case is of steps that nobody gets to
    passed = failed = unsupported = 0
    for file in sorted(Path(folder).glob("*.json")):
        counts = {"passed": 0, "failed": 0, "unsupported": 0}
        lines = []
        for case in json.loads(file.read_text())["cases"]:
            verdict, found = judge(case)
            counts[verdict] += 1
            if verdict != "passed":
                lines.append(f"  {case['id']} {verdict}\n    expected {case['expected']}\n    found    {found}")
        print(f"{file.name}: " + ", ".join(f"{n} {word}" for word, n in counts.items() if n))
        print(*lines, sep="\n", end="\n" if lines else "")
        passed, failed = passed + counts["passed"], failed + counts["failed"]
        unsupported += counts["unsupported"]
    print(f"{passed} passed, {failed} failed, {unsupported} unsupported")
    return 1 if failed or unsupported else 0


def judge(case: Case) -> tuple[str, Any]:
    """`passed`, `failed` or `unsupported`, and what was found."""
    run = KINDS.get(case["params"]["kind"])
    if run is None:
        return "unsupported", f"kind {case['params']['kind']}"
    try:
        found: Any = run({**case, "params": Params(case["params"])})
    except Unsupported as what:
        return "unsupported", str(what)
    except DefinitionError as error:
        found = {"error": True, "message": error.what}
    except UNREADABLE as error:
        return "failed", f"{type(error).__name__}: {error}"
    same = alike(found, case["expected"], tolerance(case))
    return "passed" if same else "failed", found


def tolerance(case: Case) -> float:
    """How far a number may be from the published one."""
    return float(case.get("tolerance", 1e-9))


def alike(found: Any, expected: Any, allowed: float) -> bool:
    """Whether two results are equal: tables hold nothing more, numbers lie within what is allowed."""
    if isinstance(expected, Mapping):
        return isinstance(found, Mapping) and set(found) >= set(expected) and every(found, expected, allowed)
    if isinstance(expected, list):
        return isinstance(found, list) and len(found) == len(expected) and pairs(found, expected, allowed)
    if isinstance(expected, bool) or expected is None or isinstance(expected, str):
        return bool(found == expected)
    return isinstance(found, int | float) and math.isclose(found, expected, rel_tol=1e-12, abs_tol=max(allowed, 1e-12))


def whole(name: str, found: Any, expected: Any) -> bool:
    """Whether a table that must hold nothing more does not, or only zeros."""
    if not isinstance(found, Mapping) or not isinstance(expected, Mapping):
        return True
    more = set(found) - set(expected)
    if name in SHARED_OUT:
        return all(alike(found[key], 0, 0) for key in more)
    return name not in TABLES or not more


def every(found: Mapping[str, Any], expected: Mapping[str, Any], allowed: float) -> bool:
    """Whether all that is expected of a table is in it."""
    return all(
        alike(found[name], value, allowed) and whole(name, found[name], value) for name, value in expected.items()
    )


def pairs(found: Iterable[Any], expected: Iterable[Any], allowed: float) -> bool:
    """Whether two lists are equal, one by one."""
    return all(alike(a, b, allowed) for a, b in zip(found, expected, strict=True))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python tests/conformance.py FOLDER")
    sys.exit(main(sys.argv[1]))
