"""In which run of periods did a group go on less often than before, and more so than all others?

A *run* is one or more periods in a row. A group has *fallen* in a run when its share is below its own share of all
periods before, and more so than that of all others, on the scale of log odds: what moves everybody, such as a season
or the beginning of the data, is no fall of a group. A fall is as clear as the less clear of the two. Runs of many
lengths and beginnings are tried: the lengths grow by a quarter, the beginnings lie a quarter of the length apart.

How often the clearest of so many runs is as clear by chance is simulated: the group and the others are drawn from
shares that move alike, as all together did from period to period, and scanned in the same way. Without others the
share stays the same. Draws are the same for the same counts. Sources: Kulldorff, A spatial scan statistic (1997), over
intervals of time; for p-values smaller than the draws can show, Abrams, Kleinman and Kulldorff, Gumbel based p-value
approximations for spatial scan statistics (2010).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

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
_CANDIDATE: Final = 3.0
"""Standard errors below which a fall is not clear enough to be worth the draws: its p-value is given as 1."""
_DRAWS: Final = (199, 800)
"""The second draws are made where fewer than `_SEEN` of the first are as clear."""
_SEEN: Final = 4
_STEPS: Final = 8
"""Of Newton's method, which has converged by then."""
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
    """The clearest run of a series that is in the order of periods."""
    from scipy.special import expit

    runs = _runs(series.height, min_before)
    counts = {name: series[name].to_numpy() for name in _COUNTS}
    scan = _scan(counts, runs, min_units)
    best = int(np.argmax(scan.clear)) if scan.clear.size else 0
    if not scan.clear.size or not np.isfinite(scan.clear[best]):
        return None
    first, last = (int(ends[best]) for ends in runs)
    parts = slice(0, first), slice(first, last + 1)
    before, inside = ({name: float(n[part].sum()) for name, n in counts.items()} for part in parts)
    below = -float(two_proportions_z(*(before[n] for n in ("reached", "n", "others_reached", "others_n"))).statistic)
    found = float(scan.clear[best])
    return {
        "first": series["period"][first],
        "last": series["period"][last],
        "n": inside["n"],
        "share": inside["reached"] / inside["n"],
        "usual": float(expit(scan.usual[best])),
        "z": float(scan.own[best]),
        "z_before": below if np.isfinite(below) else None,
        "p_value": _by_chance(counts, runs, min_units, found) if found >= _CANDIDATE else 1.0,
    }


class _Scan(NamedTuple):
    """Per run: standard errors below the periods before, the log odds expected of it, and how clear a fall it is."""

    own: Floats
    usual: Floats
    clear: Floats


def _scan(counts: dict[str, Floats], runs: tuple[Indices, Indices], min_units: float) -> _Scan:
    """Every run of a series; -inf where a run cannot be judged."""
    before, inside = _sums(counts, runs)
    clear = own = _below(inside, before)
    usual, _ = _log_odds(before, "")
    if counts["others_n"].any():
        usual, than_others = _than_others(inside, before)
        clear = np.minimum(own, than_others)
    judged = (before["n"] > 0) & (inside["n"] >= min_units) & np.isfinite(own)
    return _Scan(own, usual, np.where(judged, clear, -np.inf))


def _sums(counts: dict[str, Floats], runs: tuple[Indices, Indices]) -> tuple[dict[str, Floats], dict[str, Floats]]:
    """The counts before each run, and inside it, of a series, or of many in rows."""
    first, last = runs
    before, inside = {}, {}
    for name, values in counts.items():
        sums = np.concatenate([np.zeros((*values.shape[:-1], 1)), np.cumsum(values, axis=-1)], axis=-1)
        before[name], inside[name] = sums[..., first], sums[..., last + 1] - sums[..., first]
    return before, inside


def _than_others(inside: dict[str, Floats], before: dict[str, Floats]) -> tuple[Floats, Floats]:
    """The log odds expected had a run moved as the others did, and by how many standard errors it is below them."""
    (then, noise), now = _log_odds(before, ""), _log_odds(inside, "")
    others_before, others_now = _log_odds(before, "others_"), _log_odds(inside, "others_")
    usual = then + others_now[0] - others_before[0]
    return usual, (usual - now[0]) / np.sqrt(noise + now[1] + others_before[1] + others_now[1])


def _by_chance(counts: dict[str, Floats], runs: tuple[Indices, Indices], min_units: float, found: float) -> float:
    """How often the clearest run is as clear as `found` where the group moves as the others do."""
    draw = np.random.default_rng(0)
    sizes = {of: np.rint(counts[f"{of}n"]) for of in ("", "others_")}
    chances = {of: _moving_alike(counts, of) for of in sizes}
    before, inside = _sums({"n": sizes[""]}, runs)
    judged = (before["n"] > 0) & (inside["n"] >= min_units)
    runs = runs[0][judged], runs[1][judged]
    clearest = np.empty(0)
    for size in _DRAWS:
        drawn = {f"{of}n": n[np.newaxis] for of, n in sizes.items()}
        for of, n in sizes.items():
            drawn[f"{of}reached"] = draw.binomial(n.astype(np.int64), chances[of], (size, len(n))).astype(np.float64)
        clearest = np.append(clearest, _clearest_of_rows(drawn, runs))
        seen = int((clearest >= found).sum())
        if seen >= _SEEN:
            return (seen + 1) / (len(clearest) + 1)
    return _gumbel(clearest**2, found**2)


def _clearest_of_rows(drawn: dict[str, Floats], runs: tuple[Indices, Indices]) -> Floats:
    """How clear the clearest run of every row is, from 0; the rows share their `n`, and all runs can be judged.

    A run is no clearer than it is below the others, so that most need not be set beside their past.
    """
    before, inside = _sums(drawn, runs)
    clear = np.full((len(drawn["reached"]), len(runs[0])), -np.inf)
    possible, limit = np.ones_like(clear, np.bool_), np.full_like(clear, np.inf)
    if drawn["others_n"].any():
        limit = _than_others(inside, before)[1]
        possible = limit == limit.max(axis=-1, keepdims=True, initial=-np.inf)
    for _ in range(2):  # the run that is most below the others, then those that may be clearer
        own = _below(*({name: np.broadcast_to(side[name], clear.shape)[possible] for name in ("reached", "n")}
                       for side in (inside, before)))  # fmt: skip
        clear[possible] = np.where(np.isfinite(own), np.minimum(own, limit[possible]), -np.inf)
        possible = (limit > clear.max(axis=-1, keepdims=True, initial=-np.inf)) & ~possible
    return np.asarray(clear.max(axis=-1, initial=0.0), np.float64)


def _moving_alike(counts: dict[str, Floats], of: str) -> Floats:
    """The chance to go on in every period, of a side that keeps its distance to all together, in log odds."""
    from scipy.special import expit, logit

    n, reached = counts[f"{of}n"], counts[f"{of}reached"]
    if not counts["others_n"].any():
        return np.full(len(n), reached.sum() / max(n.sum(), 1.0))
    everyone = logit((counts["reached"] + counts["others_reached"] + 0.5) / (counts["n"] + counts["others_n"] + 1))
    apart = 0.0
    for _ in range(_STEPS):
        share = expit(everyone + apart)
        apart += float(np.clip((reached - n * share).sum() / max((n * share * (1 - share)).sum(), 0.5), -1, 1))
    return np.asarray(expit(everyone + apart))


def _gumbel(drawn: Floats, found: float) -> float:
    """The chance that the largest of many exceeds `found`, by the Gumbel distribution with the moments of `drawn`."""
    scale = max(float(drawn.std()) * np.sqrt(6) / np.pi, 1e-9)
    return float(-np.expm1(-np.exp(-((found - drawn.mean()) / scale + np.euler_gamma))))


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
