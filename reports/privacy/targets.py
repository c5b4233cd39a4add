"""Applies the privacy rules to the targets of journeys: to the cohorts that they are judged by, and to what moved.

A share divides the customers of a cohort in two, and neither part may be small. No cohort may reveal a small one as the
rest of a known total, or as the difference of two journeys of which one is a part of the other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import polars as pl

from reports.privacy.rules import small, to_tens, withheld
from reports.privacy.stages import FEW, SHOWN, WITHHELD
from reports.privacy.steps import Steps, around, coarse, rate

SHARES: Final = ("goal_rate", "csat")
"""The measures that are a part of a whole."""
_SPANS: Final = {"conformance": (0.0, 1.0), "nps": (-1.0, 1.0), "ces": (1.0, 7.0)}
"""Lowest and highest value of the measures that are a mean: rounded, so that they reveal nobody."""
_NUMBERS: Final = ("value", "low", "high")
_ENDS: Final = ("contribution_low", "contribution_high")
Series = tuple[str, str, str, str]
"""Journey, measure, direction and period."""
Row = dict[str, Any]


def publishable_cohorts(
    cohorts: pl.DataFrame, is_part: Callable[[str, str], bool], k: int, min_customers: int
) -> pl.DataFrame:
    """The rows of `analytics.product_cohorts` with `state` String; what must not be published is null.

    `is_part` says of two journeys whether one may be a part of the other. Without the columns `journeys`, `mature`,
    `open`, `customers` and `fewest`: what a value is over is `counted`. `state` is `shown`, `few` (fewer than
    `min_customers` customers: no value) or `withheld` (neither count nor value). The values of measures that are a mean
    are rounded, and so are counts and shares of a cohort that would reveal a withheld one: journeys to tens.
    """
    rows = cohorts.to_dicts()
    hidden, revealing = _hidden_and_revealing(rows, k)
    shown: list[Row] = []
    for number, row in enumerate(rows):
        if number in hidden or any(_reveals(row, other, is_part, k) for other in shown):
            row["state"] = WITHHELD
        else:
            row["state"] = SHOWN if row["customers"] >= min_customers else FEW
            shown.append(dict(row))
        if row["state"] == WITHHELD:
            row["counted"] = None
        if row["state"] != SHOWN:
            row.update(dict.fromkeys(_NUMBERS))
        elif row["measure"] in _SPANS:
            row.update({name: _coarse_mean(row, name, k) for name in _NUMBERS})
        if number in revealing and row["state"] != WITHHELD:
            row["counted"] = to_tens(row["counted"])
            if row["measure"] in SHARES:
                row.update({name: coarse(row[name], row["customers"], k) for name in _NUMBERS})
    left_out = ("journeys", "mature", "open", "customers", "fewest")
    return pl.DataFrame(rows, {**cohorts.schema, "state": pl.String()}, orient="row").drop(left_out)


def _series(row: Mapping[str, Any]) -> Series:
    return row["journey"], row["measure"], row["direction"], row["period"]


def _hidden_and_revealing(rows: list[Row], k: int) -> tuple[set[int], set[int]]:
    """The rows that are small or tell a small part apart, and those that would reveal one as the rest of a total."""
    also = {n for n, row in enumerate(rows) if small(row["customers"], k) or small(row["fewest"], k)}
    counts = {n: row["customers"] for n, row in enumerate(rows)}
    groups: list[list[int]] = []
    by_series: dict[Series, list[int]] = {}
    for n, row in enumerate(rows):
        by_series.setdefault(_series(row), []).append(n)
    groups += by_series.values()
    for whole in rows:  # a longer cohort of the same measure is the total of those within it
        inside = [
            n
            for n, row in enumerate(rows)
            if (row["journey"], row["measure"]) == (whole["journey"], whole["measure"])
            and row["period"] != whole["period"]
            and row["cohort"] >= whole["cohort"]
            and row["cohort_end"] <= whole["cohort_end"]
        ]
        groups += [inside] if inside else []
    return also, withheld(counts, groups, k, also) - also


def _reveals(row: Row, other: Row, is_part: Callable[[str, str], bool], k: int) -> bool:
    """Whether two journeys, one a part of the other, differ in a cohort by few customers, or by few of one kind."""
    if row["journey"] == other["journey"] or not is_part(row["journey"], other["journey"]):
        return False
    if (row["measure"], row["cohort"], row["cohort_end"]) != (other["measure"], other["cohort"], other["cohort_end"]):
        return False
    parts = (
        [round((each["value"] or 0.0) * each["counted"]) for each in (row, other)]
        if row["measure"] in SHARES
        else [0, 0]
    )
    return small(abs(row["customers"] - other["customers"]), k) or small(abs(parts[0] - parts[1]), k)


def _coarse_mean(row: Row, name: str, k: int) -> float | None:
    """A mean between two bounds, rounded so that its step covers at least `k` customers."""
    if row[name] is None:
        return None
    lowest, highest = _SPANS[row["measure"]]
    share = coarse((row[name] - lowest) / (highest - lowest), row["customers"], k)
    return None if share is None else round(lowest + share * (highest - lowest), 4)


def cohorts_in_steps(frame: pl.DataFrame, steps: Steps) -> pl.DataFrame:
    """The cohorts with counts in steps of those of earlier reports, and shares of published counts."""
    rows = frame.to_dicts()
    for row in rows:
        cell = (row["journey"], row["measure"], row["period"], row["cohort"].date().isoformat())
        whole = row["counted"]
        row["counted"] = steps.count("targets", (*cell, "counted"), whole)
        row["part"] = None
        if row["measure"] in SHARES and row["value"] is not None:
            row["part"] = steps.part("targets", (*cell, "part"), round(row["value"] * whole), whole, row["counted"])
    if not steps.moved("targets"):
        return frame
    for row in rows:
        if row["measure"] in SHARES and row["value"] is not None:
            share = rate(row["part"], row["counted"])
            ends = around(share, row["value"], row["low"], row["high"])
            row["value"], row["state"] = share, WITHHELD if share is None else row["state"]
            row["low"], row["high"] = (None if end is None else min(1.0, max(0.0, end)) for end in ends)
    return pl.DataFrame([{name: row[name] for name in frame.columns} for row in rows], frame.schema, orient="row")


def publishable_causes(moved: pl.DataFrame, cohorts: pl.DataFrame, k: int, min_customers: int) -> pl.DataFrame:
    """What moved in one journey, of the rows of `analytics.moved` those that are worth a sentence.

    In: `moved`, and the published `cohorts` of its goal rate. The change itself is that of the published cohorts where
    both are among them; all other numbers are rounded so that their step covers at least `k` customers. No rows where
    a cohort is withheld, or of fewer than `min_customers` customers; a row of fewer is left out, and one whose
    rounded interval holds 0, or whose rounded values are the same before and after.
    """
    told = moved.filter(pl.col("told").is_not_null()).sort("told")
    everybody = min(moved.row(0, named=True)[f"customers_{side}"] for side in ("before", "after")) if len(moved) else 0
    by_start = {row["cohort"]: row for row in cohorts.iter_rows(named=True)}
    rows = []
    for row in told.to_dicts():
        people = (row["customers_before"], row["customers_after"])
        now, then = by_start.get(row["cohort"]), by_start.get(row["cohort_before"])
        if any(each is not None and each["state"] != SHOWN for each in (now, then)) or min(people) < min_customers:
            continue
        if row["effect"] == "total" and now is not None and then is not None and then["cohort_end"] == row["cohort"]:
            row["before"], row["after"] = then["value"], now["value"]
            row["contribution"] = row["after"] - row["before"]
            row.update({name: coarse(row[name], min(people), k) for name in _ENDS})
        else:
            row["before"], row["after"] = (
                coarse(row[name], n, k) for name, n in zip(("before", "after"), people, strict=True)
            )
            whole = min(people) if row["effect"] == "stage" else everybody  # what it adds to is theirs, or everybody's
            row["contribution"] = coarse(row["contribution"], whole, k)
            row.update({name: coarse(row[name], whole, k) for name in _ENDS})
        is_clear = not row["contribution_low"] <= 0 <= row["contribution_high"]
        if is_clear and round(row["before"], 3) != round(row["after"], 3):
            rows.append(row)
    return pl.DataFrame(rows, moved.schema, orient="row") if rows else moved.clear()
