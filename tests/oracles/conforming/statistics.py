"""Intervals, tests and corrections, as cases ask for them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from analytics.statistics import corrections, curves, intervals, tests
from tests.oracles.conforming.cases import Unsupported

Params = Mapping[str, Any]


def statistics_case(case: Mapping[str, Any]) -> dict[str, Any]:
    """The numbers of a method."""
    params = case["params"]
    if params["method"] not in METHODS:
        raise Unsupported(f"method {params['method']}")
    return {name: without_nan(value) for name, value in METHODS[params["method"]](params).items()}


def without_nan(value: Any) -> Any:
    """A number that does not exist is null in a case."""
    if isinstance(value, list):
        return [without_nan(item) for item in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def wilson(p: Params) -> dict[str, Any]:
    corrected = p.get("continuity_correction", False)
    low, high = intervals.wilson(p["successes"], p["trials"], p.get("confidence", 0.95), corrected=corrected)
    return {"interval": [float(low), float(high)]}


def newcombe(p: Params) -> dict[str, Any]:
    (k1, k2), (n1, n2) = p["successes"], p["trials"]
    low, high = intervals.newcombe(k1, n1, k2, n2, p.get("confidence", 0.95))
    return {"interval": [float(low), float(high)], "difference": k1 / n1 - k2 / n2 if n1 and n2 else math.nan}


def z_two_proportions(p: Params) -> dict[str, Any]:
    (k1, k2), (n1, n2) = p["successes"], p["trials"]
    found = tests.two_proportions_z(k1, n1, k2, n2)
    return {"z": float(found.statistic), "p_value": float(found.p_value)}


def as_test(found: tests.Verdict) -> dict[str, Any]:
    return {"chi2": float(found.statistic), "p_value": float(found.p_value), "df": found.degrees}


def chi2_of_shares(p: Params) -> dict[str, Any]:
    """That all shares equal one that is named, or without it that they equal each other."""
    k, n = p["successes"], p["trials"]
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
    a, b = p["a"], p["b"]
    return as_test(tests.log_rank(a["times"], a["observed"], b["times"], b["observed"]))


METHODS: dict[str, Callable[[Params], dict[str, Any]]] = {
    "wilson": wilson,
    "newcombe": newcombe,
    "z_two_proportions": z_two_proportions,
    "chi2_against": chi2_of_shares,
    "chi2_equal": chi2_of_shares,
    "chi2_table": lambda p: as_test(tests.chi_square(p["table"])),
    "bonferroni": corrected(corrections.bonferroni),
    "benjamini_hochberg": corrected(corrections.benjamini_hochberg),
    "kaplan_meier": kaplan_meier,
    "logrank": logrank,
    "cohens_h": lambda p: {"h": float(np.asarray(tests.cohens_h(p["p1"], p["p2"])))},
}
