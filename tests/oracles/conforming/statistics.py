"""Intervals, tests and corrections, as cases ask for them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from itertools import combinations
from typing import Any, Literal

import numpy as np

from analytics.engine.conditions import one_of
from analytics.statistics import corrections, curves, intervals, tests
from expectations.errors import DefinitionError
from tests.oracles.conforming import cases
from tests.oracles.conforming.cases import Unsupported

Params = Mapping[str, Any]


def statistics_case(case: Mapping[str, Any]) -> dict[str, Any]:
    """The numbers of a method."""
    params = case["params"]
    run = METHODS[one_of("method", params["method"], METHODS)]
    return {name: without_nan(value) for name, value in run(params).items()}


def without_nan(value: Any) -> Any:
    """A number that does not exist is null in a case."""
    if isinstance(value, list):
        return [without_nan(item) for item in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def wilson(p: Params) -> dict[str, Any]:
    corrected = p.get("continuity_correction", False)
    side = SIDES[one_of("alternative", p.get("alternative", p.get("side", "two-sided")), SIDES)]
    if side is not None:
        confidence = p.get("confidence", 0.95)
        low, high = intervals.wilson_bound(p["successes"], p["trials"], side, confidence, corrected=corrected)
        return {"interval": [float(low), float(high)], "bound": float(low if side == "low" else high)}
    low, high = intervals.wilson(p["successes"], p["trials"], p.get("confidence", 0.95), corrected=corrected)
    return {"interval": [float(low), float(high)]}


def counts(p: Params, groups: int | None = None) -> list[tuple[int, int]]:
    """Successes and trials of each group."""
    k, n = p["successes"], p["trials"]
    if not len(k) == len(n) == (groups or max(1, len(k))):
        expected = f"{groups or 'one or more'} of both"
        raise DefinitionError("Every group has successes and trials.", expected=expected, found=f"{k} of {n}")
    return list(zip(k, n, strict=True))


def newcombe(p: Params) -> dict[str, Any]:
    (k1, n1), (k2, n2) = counts(p, groups=2)
    low, high = intervals.newcombe(k1, n1, k2, n2, p.get("confidence", 0.95))
    return {"interval": [float(low), float(high)], "difference": k1 / n1 - k2 / n2 if n1 and n2 else math.nan}


def z_two_proportions(p: Params) -> dict[str, Any]:
    (k1, n1), (k2, n2) = counts(p, groups=2)
    found = tests.two_proportions_z(k1, n1, k2, n2)
    return {"z": float(found.statistic), "p_value": float(found.p_value)}


def z_one_proportion(p: Params) -> dict[str, Any]:
    found = tests.one_proportion_z(p["successes"], p["trials"], p["null"])
    return {"z": float(found.statistic), "p_value": float(found.p_value)}


def pairwise(p: Params) -> dict[str, Any]:
    """Each pair of shares, with the p-values adjusted together."""
    adjust = CORRECTIONS[one_of("correction", p.get("correction", "holm"), CORRECTIONS)]
    found = tests.pairwise_proportions(*zip(*counts(p), strict=True))
    adjusted = adjust(found.p_value)
    return {
        "pairs": list(map(list, combinations(range(len(p["trials"])), 2))),
        "z": found.statistic.tolist(),
        "p_values": found.p_value.tolist(),
        "adjusted": adjusted.tolist(),
        "rejected": (adjusted <= p.get("level", 0.05)).tolist(),
    }


def as_test(found: tests.Verdict) -> dict[str, Any]:
    return {"chi2": float(found.statistic), "p_value": float(found.p_value), "df": found.degrees}


def chi2_of_shares(p: Params) -> dict[str, Any]:
    """That all shares equal one that is named, or without it that they equal each other."""
    k, n = zip(*counts(p), strict=True)
    if p.get("null") is not None:
        return as_test(tests.shares_against(k, n, p["null"]))
    return as_test(tests.chi_square([k, [trials - hits for hits, trials in zip(k, n, strict=True)]]))


def corrected(adjust: Callable[[Any], Any]) -> Callable[[Params], dict[str, Any]]:
    def run(p: Params) -> dict[str, Any]:
        adjusted = adjust(p["p_values"])
        return {"adjusted": adjusted.tolist(), "rejected": (adjusted <= p.get("level", 0.05)).tolist()}

    return run


def kaplan_meier(p: Params) -> dict[str, Any]:
    table = curves.kaplan_meier(p["times"], p["observed"], p.get("confidence", 0.95))
    half = table.filter(table["survival"] <= 0.5)["time"]
    if not p.get("all_times"):
        table = table.filter(table["events"] > 0)
    whole = [int(time) if time == int(time) else time for time in table["time"].to_list()]
    errors = table["standard_error"].to_list()
    return {
        "time": whole,
        "survival": table["survival"].to_list(),
        "at_risk": table["at_risk"].to_list(),
        "standard_error": errors,
        "low": table["low"].to_list(),
        "high": table["high"].to_list(),
        "median": half[0] if len(half) else None,
    }


def logrank(p: Params) -> dict[str, Any]:
    a, b = (cases.Params(p[name]) for name in "ab")
    return as_test(tests.log_rank(a["times"], a["observed"], b["times"], b["observed"]))


def horizon_case(case: Mapping[str, Any]) -> dict[str, Any]:
    """The chances over horizons."""
    params = case["params"]
    if unknown := set(params) - {"kind", "edges", "hazards"}:
        raise Unsupported(f"parameter {unknown.pop()}")
    found = curves.horizon_chances(params["edges"], params["hazards"])
    return {"chances": found.chances.tolist(), "expected_days": found.expected_days}


SIDES: dict[str, Literal["low", "high"] | None] = {
    **dict.fromkeys(("larger", "greater", "lower", "low"), "low"),
    **dict.fromkeys(("smaller", "less", "upper", "high"), "high"),
    **dict.fromkeys(("two-sided", "both"), None),
}
"""A one-sided interval by the alternative that it belongs to, or by its bound."""
CORRECTIONS: dict[str, Callable[[Any], Any]] = {
    "holm": corrections.holm,
    "bonferroni": corrections.bonferroni,
    "benjamini_hochberg": corrections.benjamini_hochberg,
    "none": np.asarray,
}
METHODS: dict[str, Callable[[Params], dict[str, Any]]] = {
    "wilson": wilson,
    "newcombe": newcombe,
    "z_two_proportions": z_two_proportions,
    "chi2_against": chi2_of_shares,
    "chi2_equal": chi2_of_shares,
    "chi2_table": lambda p: as_test(tests.chi_square(p["table"])),
    "z_one_proportion": z_one_proportion,
    "pairwise": pairwise,
    "pairwise_proportions": pairwise,
    "holm": corrected(corrections.holm),
    "bonferroni": corrected(corrections.bonferroni),
    "benjamini_hochberg": corrected(corrections.benjamini_hochberg),
    "kaplan_meier": kaplan_meier,
    "logrank": logrank,
    "cohens_h": lambda p: {"h": float(np.asarray(tests.cohens_h(p["p1"], p["p2"])))},
}
