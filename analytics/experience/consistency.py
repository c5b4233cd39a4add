"""Is an experience the same in every channel? The same measure, pair by pair, with a margin that is small enough.

A pair is **consistent** when the interval of its difference lies within the margin, **inconsistent** when it lies
outside, else **not clear**. The verdict is that of the interval alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import Any, Final, NamedTuple

import polars as pl

from analytics.experience.voice import SCORE, SURVEY, responses, voice
from analytics.paths.view import REST
from analytics.statistics.intervals import Interval, newcombe
from analytics.statistics.satisfaction import paired_newcombe
from analytics.store.columns import AT, CUSTOMER
from analytics.store.paths import Paths
from expectations.errors import DefinitionError

SATISFIED: Final = 4
"""From this score on a CSAT answer is satisfied."""
CONSISTENT, INCONSISTENT, NOT_CLEAR = "consistent", "inconsistent", "not clear"
PAIRS: Final = pl.Schema(
    {
        "channel": pl.String(),
        "other": pl.String(),
        **dict.fromkeys(("n", "n_other"), pl.Int64()),
        **dict.fromkeys(("value", "value_other", "difference", "low", "high"), pl.Float64()),
        "verdict": pl.String(),
    }
)


class Paired(NamedTuple):
    """How many customers have something in both channels, in the first or the second alone, and in neither."""

    both: int
    first: int
    second: int
    neither: int


def compare_shares(shares: Mapping[str, tuple[int, int]], *, margin: float = 0.05) -> pl.DataFrame:
    """Every pair of channels with the difference of their shares; `shares` has the part and the whole of each.

    One row per pair: `channel`, `other` String; `n`, `n_other` Int64 (the wholes); `value`, `value_other`, `difference`
    Float64 with its interval `low`, `high` (Newcombe); `verdict` String (consistent, inconsistent, not clear). Pairs in
    the order of the channels; a channel with an empty whole is in none. Raises `DefinitionError` for a margin that is
    not between 0 and 1, and a part that is larger than its whole.

    >>> compare_shares({"web": (810, 1000), "phone": (690, 1000)})["verdict"].to_list()
    ['inconsistent']
    """
    _check_margin(margin)
    for name, (part, whole) in shares.items():
        if not 0 <= part <= whole:
            raise DefinitionError(
                f"Channel {name!r} has no share.", expected="a part from 0 to the whole", found=f"{part} of {whole}"
            )
    rows = []
    for (name, (k1, n1)), (other, (k2, n2)) in combinations(((n, s) for n, s in shares.items() if s[1]), 2):
        ends = newcombe(k1, n1, k2, n2)
        values = {"n": n1, "n_other": n2, "value": k1 / n1, "value_other": k2 / n2}
        rows.append({"channel": name, "other": other, **values, **_judged(values, ends, margin)})
    return pl.DataFrame(rows, schema=PAIRS, orient="row")


def compare_paired(pairs: Mapping[tuple[str, str], Paired], *, margin: float = 0.05) -> pl.DataFrame:
    """The same of customers who have been in both channels: the difference within the person (Newcombe, paired).

    Columns are those of `compare_shares`; both wholes are the customers of the pair.

    >>> found = compare_paired({("web", "phone"): Paired(14, 5, 0, 22)})
    >>> found.select(pl.col("difference").round(4), "verdict").row(0)
    (0.122, 'not clear')
    """
    _check_margin(margin)
    rows = []
    for (name, other), counts in pairs.items():
        n = sum(counts)
        if n:
            ends = paired_newcombe(*counts)
            values = {"value": (counts.both + counts.first) / n, "value_other": (counts.both + counts.second) / n}
            given = {"n": n, "n_other": n, **values}
            rows.append({"channel": name, "other": other, **given, **_judged(given, ends, margin)})
    return pl.DataFrame(rows, schema=PAIRS, orient="row")


def consistency(
    paths: Paths, *, over: str = "channel", margin: float = 0.05, paired: bool = False, lookback: str = "7d"
) -> pl.DataFrame:
    """Is satisfaction (CSAT) the same in every channel, or other values of the text column `over`?

    An answer belongs to the channel of the customer's last touch before it within the `lookback`, as in `voice`. With
    `paired` only customers count who have answered after both channels, with their last answer of each: then happier
    customers of one channel do not make it look better. Columns: those of `compare_shares`. No answers give no rows.
    Raises `DefinitionError` for an unknown column, and a margin that is not between 0 and 1; `paired` leaves out
    customers who object to profiling.

    >>> told = {"ann": "visit@0d[channel=web]", "bo": "visit@0d[channel=app]"}
    >>> consistency(Paths.from_text(told)).is_empty()
    True
    """
    if over not in paths.dictionaries:
        paths.values_of(over)  # names the column that is not there, or is no text
    if not {SURVEY, SCORE} <= set(paths.schema):
        _check_margin(margin)
        return pl.DataFrame(schema=PAIRS)
    if not paired:
        counts = voice(paths, by=over, lookback=lookback).filter(~pl.col("is_total"), pl.col("csat_n") > 0)
        known = counts.drop_nulls(over).sort(over)
        return compare_shares(
            {name: (k, n) for name, k, n in known.select(over, "satisfied", "csat_n").rows()}, margin=margin
        )
    answers = responses(paths, [over], lookback).filter(pl.col(SURVEY) == "csat").drop_nulls(over).sort(AT)
    last = answers.group_by(CUSTOMER, over, maintain_order=True).agg((pl.col(SCORE).last() >= SATISFIED).alias(REST))
    found: dict[tuple[str, str], Paired] = {}
    for one, other in combinations(sorted(last[over].unique().to_list()), 2):
        first, second = (last.filter(pl.col(over) == name).select(CUSTOMER, REST) for name in (one, other))
        both = first.join(second, on=CUSTOMER, suffix=" too")
        a, b = both[REST], both[f"{REST} too"]
        found[one, other] = Paired(*(int(each.sum()) for each in (a & b, a & ~b, ~a & b, ~a & ~b)))
    return compare_paired(found, margin=margin)


def _judged(values: Mapping[str, float], ends: Interval, margin: float) -> dict[str, Any]:
    """The difference of a pair, its interval, and the verdict."""
    low, high, verdict = float(ends.low), float(ends.high), NOT_CLEAR
    if -margin <= low and high <= margin:
        verdict = CONSISTENT
    elif low > margin or high < -margin:
        verdict = INCONSISTENT
    return {"difference": values["value"] - values["value_other"], "low": low, "high": high, "verdict": verdict}


def _check_margin(margin: float) -> None:
    if not 0 < margin < 1:
        raise DefinitionError("The margin is a share.", expected="between 0 and 1, such as 0.05", found=str(margin))
