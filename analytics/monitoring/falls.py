"""In which run of periods did a group go on less often than before, and more so than all others?

A *run* is one or more periods in a row. A group has *fallen* in a run when its share is below its own share of all
periods before. Runs of many lengths and beginnings are tried: the lengths grow by a quarter, the beginnings lie a
quarter of the length apart. The p-value of the clearest run is multiplied by the number of runs (Bonferroni). What
moves everybody, such as a season or the beginning of the data, is no fall of a group: runs count only where the group
fell more than all others did, on the scale of log odds, by 3 standard errors or more. Where the others fell as well,
every group falls and some fall more by chance: there that difference is what is judged. Source of the scan: Kulldorff,
A spatial scan statistic (1997), over intervals of time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from analytics.statistics.tests import two_proportions_z
from expectations.errors import DefinitionError

FALLS: Final = pl.Schema(
    {
        "first": pl.Int64,
        "last": pl.Int64,
        "n": pl.Float64,
        "share": pl.Float64,
        "usual": pl.Float64,
        "z": pl.Float64,
        "z_before": pl.Float64,
        "p_value": pl.Float64,
    }
)
_COUNTS: Final = ("n", "reached", "others_n", "others_reached")
_BESIDE: Final = 3.0
_FELL: Final = 1.96
Floats = NDArray[np.float64]
Indices = NDArray[np.int64]


def falls(counts: pl.DataFrame, keys: Sequence[str], *, min_before: int = 4, min_units: float = 30) -> pl.DataFrame:
    """The run of periods in which each series has fallen most clearly, one row per series that can be judged.

    In: one row per period of a series: the columns `keys` that tell the series apart, `period`, and `n`, `reached`,
    `others_n`, `others_reached` Float64 (as many independent units as the counts are worth; `others_n` 0 where there
    are no others). A run begins after `min_before` periods or more, and has `min_units` or more.

    Out: `keys`, `first`, `last` (the first and last period of the run), `n`, `share`, `usual` Float64 (units in the
    run, their share, and what it would be had the series moved as the others did), `z` Float64 (standard errors below
    the periods before), `z_before` Float64 (standard errors by which it was below the others before the run; null
    without others), `p_value` Float64 (of no fall in any run; 1 for a series that fell in none more than the others: it
    was tested, and counts in a correction for many). Raises `DefinitionError` when `min_before` is below 1.

    >>> weeks = pl.DataFrame({"of": "phones", "period": range(6), "n": 100.0, "reached": [50.0] * 5 + [20.0]})
    >>> others = weeks.with_columns(others_n=pl.lit(100.0), others_reached=pl.lit(50.0))
    >>> falls(others, ["of"]).select("first", "last", "share", "usual", pl.col("z").round(1)).row(0)
    (5, 5, 0.2, 0.5, 5.7)
    """
    if min_before < 1:
        expected = "min_before of 1 or more"
        raise DefinitionError("A fall needs periods before it.", expected=expected, found=str(min_before))
    period = counts.schema["period"]
    schema = {**{key: counts.schema[key] for key in keys}, **FALLS, "first": period, "last": period}
    found = []
    for series in counts.sort("period").partition_by(keys, maintain_order=True):
        run = _clearest(series, min_before, min_units)
        if run is not None:
            found.append({**series.select(keys).row(0, named=True), **run})
    return pl.DataFrame(found, schema=schema, orient="row")


def lowest_run(counts: pl.DataFrame, usual: float) -> tuple[int, int]:
    """The rows of `counts` between which a share is most clearly below `usual`: the first and the last.

    In: `n`, `reached` in the order of periods, one row or more. The run has the largest likelihood ratio of a share of
    its own against the usual one.

    >>> days = pl.DataFrame({"n": [10, 10, 10, 10], "reached": [5, 1, 0, 6]})
    >>> lowest_run(days, 0.5)
    (1, 2)
    """
    from scipy.special import rel_entr

    first, last = np.triu_indices(len(counts))
    n, reached = (np.concatenate([[0.0], np.cumsum(counts[name].to_numpy())]) for name in ("n", "reached"))
    whole, part = n[last + 1] - n[first], reached[last + 1] - reached[first]
    share = np.divide(part, whole, out=np.full(len(whole), usual), where=whole > 0)
    ratio = whole * (rel_entr(share, usual) + rel_entr(1 - share, 1 - usual))
    best = int(np.argmax(np.where(share < usual, ratio, -1.0)))
    return int(first[best]), int(last[best])


def _clearest(series: pl.DataFrame, min_before: int, min_units: float) -> dict[str, Any] | None:
    """The run with the largest z of a series that is in the order of periods."""
    from scipy.special import expit, ndtr

    first, last = _runs(series.height, min_before)
    sums = {name: np.concatenate([[0.0], np.cumsum(series[name].to_numpy())]) for name in _COUNTS}
    before = {name: values[first] for name, values in sums.items()}
    inside = {name: values[last + 1] - values[first] for name, values in sums.items()}
    z = _below(inside, before)
    tried = (before["n"] > 0) & (inside["n"] >= min_units) & np.isfinite(z)
    odds, noise = _log_odds(before, "")
    possible = tried
    if sums["others_n"][-1]:
        now, others_before, others_now = (
            _log_odds(inside, ""),
            _log_odds(before, "others_"),
            _log_odds(inside, "others_"),
        )
        odds = odds + others_now[0] - others_before[0]
        beside = (odds - now[0]) / np.sqrt(noise + now[1] + others_before[1] + others_now[1])
        others_fell = _below(
            *({name: each[f"others_{name}"] for name in ("n", "reached")} for each in (inside, before))
        )
        z = np.where(others_fell > _FELL, np.minimum(z, beside), z)
        possible = tried & (beside > _BESIDE)
    if not tried.any():
        return None
    fell = possible if possible.any() else tried
    best = int(np.argmax(np.where(fell, z, -np.inf)))
    sizes = (float(before[name][best]) for name in ("reached", "n", "others_reached", "others_n"))
    below = -float(two_proportions_z(*sizes).statistic)
    return {
        "first": series["period"][int(first[best])],
        "last": series["period"][int(last[best])],
        "n": float(inside["n"][best]),
        "share": float(inside["reached"][best] / inside["n"][best]),
        "usual": float(expit(odds[best])),
        "z": float(z[best]),
        "z_before": below if np.isfinite(below) else None,
        "p_value": min(1.0, float(ndtr(-z[best])) * int(tried.sum())) if possible.any() else 1.0,
    }


def _runs(periods: int, min_before: int) -> tuple[Indices, Indices]:
    """The first and last periods of the runs that are tried."""
    lengths = sorted({round(1.25**power) for power in range(int(np.log(max(periods, 1)) / np.log(1.25)) + 2)})
    pairs = [
        (first, first + length - 1)
        for length in lengths
        for first in (*range(min_before, periods - length, max(1, length // 4)), periods - length)
        if min_before <= first
    ]
    table = np.array(pairs, np.int64).reshape(-1, 2)
    return table[:, 0], table[:, 1]


def _below(inside: dict[str, Floats], before: dict[str, Floats]) -> Floats:
    """Standard errors by which the shares are below those before: the signed root of the likelihood ratio.

    More exact than the difference over its error where nearly all go on, or nearly none.
    """
    from scipy.special import xlogy

    def likelihood(reached: Floats, n: Floats) -> Floats:
        return np.asarray(xlogy(reached, reached / n) + xlogy(n - reached, 1 - reached / n), np.float64)

    with np.errstate(divide="ignore", invalid="ignore"):
        pairs = [(each["reached"], each["n"]) for each in (inside, before)]
        both = likelihood(pairs[0][0] + pairs[1][0], pairs[0][1] + pairs[1][1])
        ratio = 2 * (likelihood(*pairs[0]) + likelihood(*pairs[1]) - both)
        side = np.sign(pairs[1][0] / pairs[1][1] - pairs[0][0] / pairs[0][1])
        return np.asarray(side * np.sqrt(np.maximum(ratio, 0.0)), np.float64)


def _log_odds(counts: dict[str, Floats], of: str) -> tuple[Floats, Floats]:
    """The log odds of going on, and their variance; half a unit is added to both sides (Haldane, Anscombe)."""
    reached = counts[f"{of}reached"] + 0.5
    lost = counts[f"{of}n"] - counts[f"{of}reached"] + 0.5
    return np.log(reached / lost), 1 / reached + 1 / lost
