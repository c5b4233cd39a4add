"""Analysis frames as they may be published: small counts withheld, rates over few customers taken out.

Everything a page, a table or a file shows is made from what this module returns. The rules are those of
`reports.privacy`; `k` is the smallest count that is shown, `least` the fewest customers a rate is made of.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any, Final

import polars as pl
from polars import selectors as cs

from reports.privacy import publishable_steps, small, withheld

_SHARES: Final = (
    "share_of_entered",
    "share_of_entered_low",
    "share_of_entered_high",
    "share_of_previous",
    "share_of_previous_low",
    "share_of_previous_high",
)
NO_VALUE: Final = "(no value)"
OUTCOMES: Final = ("converted", "abandoned", "open")
SHOWN, FEW, WITHHELD = "shown", "few", "withheld"
_WELL_MIXED: Final = 50
"""From this many times k customers on, a rate to a tenth of a point does not give their count away."""

Cell = tuple[str, str, int]


def totals(counts: dict[str, int], k: int) -> dict[str, int | None]:
    """Customers, journeys and outcomes of journeys; null where small, or where a small one could be worked out.

    >>> totals({"customers": 50, "journeys": 60, "converted": 3, "abandoned": 40, "open": 17}, 10)
    {'customers': 50, 'journeys': 60, 'converted': None, 'abandoned': 40, 'open': None}
    """
    hidden = withheld({name: counts[name] for name in OUTCOMES}, [OUTCOMES], k)
    hidden |= {name for name, count in counts.items() if small(count, k)}
    return {name: None if name in hidden else count for name, count in counts.items()}


def stages(funnel: pl.DataFrame, k: int, least: int) -> pl.DataFrame:
    """The funnel over all customers, one row a step, with `previous` Int64 and `state` String added.

    `state` is `shown`; `few` where the step before has fewer than `least` customers (counts stay, rates go);
    `withheld` where the count, or the difference to a count that is shown, is below `k`.
    """
    rows = funnel.sort("step").to_dicts()
    seen = publishable_steps([row["reached"] for row in rows], k)
    published: list[dict[str, Any]] = []
    for index, row in enumerate(rows):
        before = rows[index - 1] if index else None
        fine = seen[index]
        known = before is not None and fine and seen[index - 1]
        row["previous"] = before["reached"] if before is not None and seen[index - 1] else None
        row["state"] = SHOWN if fine else WITHHELD
        if not known:
            _blank(row, "dropped", "share_of_previous", "share_of_previous_low", "share_of_previous_high")
        if not fine:
            _blank(row, "reached", *_SHARES)
        _thin(row, least)
        for name in ("open", "entered"):
            row[name] = None if small(row[name], k) else row[name]
        if not fine or row["reached"] is None or row["reached"] < least:
            _blank(row, "median_wait", "p90_wait")
        published.append(row)
    schema: dict[str, pl.DataType | type[pl.DataType]] = {**funnel.schema, "previous": pl.Int64, "state": pl.String}
    return pl.DataFrame(published, schema=schema, orient="row").drop("is_total", "tie_sensitive", strict=False)


def segments(steps: pl.DataFrame, k: int, least: int) -> pl.DataFrame:
    """Step conversion by group, with `state` String added and what may not be seen set to null.

    In: `dimension`, `segment`, `step`, `previous`, `reached`, `share`, `low`, `high`, `everyone`, `difference`,
    `difference_low`, `difference_high`, `verdict`; one row per group and step from the second on.

    A count that would give a withheld one away goes too; its rate stays, to a tenth of a point, where so many customers
    stand behind it that the count cannot be worked out from it.
    """
    rows = steps.to_dicts()
    counts: dict[Cell, int] = {}
    hidden: set[Cell] = set()
    for (dimension, segment), group in _grouped(rows, "dimension", "segment").items():
        chain = [group[0]["previous"], *(row["reached"] for row in group)]
        first = group[0]["step"] - 1
        for offset, (count, fine) in enumerate(zip(chain, publishable_steps(chain, k), strict=True)):
            counts[dimension, segment, first + offset] = count
            hidden |= set() if fine else {(dimension, segment, first + offset)}
    second = _giving_away(counts, hidden, k)
    for row in rows:
        key = (row["dimension"], row["segment"])
        cells = {(*key, row["step"]), (*key, row["step"] - 1)}
        told = bool(cells & second) and row["previous"] < _WELL_MIXED * k
        row["state"] = WITHHELD if cells & hidden or told else FEW if row["previous"] < least else SHOWN
        if row["state"] != SHOWN:
            _blank(row, "share", "low", "high", "difference", "difference_low", "difference_high", "verdict")
        if (*key, row["step"]) in hidden | second:
            row["reached"] = None
        if (*key, row["step"] - 1) in hidden | second:
            row["previous"] = None
        for name in ("share", "low", "high", "everyone", "difference", "difference_low", "difference_high"):
            row[name] = None if row[name] is None else round(row[name], 3 if cells & second else 4)
    return pl.DataFrame(rows, schema={**steps.schema, "state": pl.String}, orient="row")


def _giving_away(counts: dict[Cell, int], hidden: set[Cell], k: int) -> set[Cell]:
    """Cells from which, with the total of their dimension at that step, a hidden one could be worked out."""
    totals: dict[tuple[str, int], list[Cell]] = defaultdict(list)
    for cell in counts:
        totals[cell[0], cell[2]].append(cell)
    return withheld(counts, totals.values(), k, hidden) - hidden


def changes(differences: pl.DataFrame, counts: pl.DataFrame, k: int) -> pl.DataFrame:
    """Differences between two periods, without those that rest on a small count.

    `counts` has `reached`, `previous` and `entered` of the earlier period, and the same with `_later`.
    """

    def solid(row: dict[str, Any], of: str) -> bool:
        pairs = [(row[f"{of}{period}"], row[f"reached{period}"]) for period in ("", "_later")]
        return all(whole is None or not (small(part, k) or small(whole - part, k)) for whole, part in pairs)

    rows = counts.to_dicts()
    out = differences.with_columns(cs.float().round(4))
    for of in ("entered", "previous"):
        fine = pl.Series([solid(row, of) for row in rows], dtype=pl.Boolean)
        gaps = pl.when(fine).then(pl.col(f"{of}_difference", f"{of}_low", f"{of}_high"))
        out = out.with_columns(gaps)
    return out


def voice(told: pl.DataFrame, interval: Callable[..., Any], k: int, least: int) -> pl.DataFrame | None:
    """Satisfaction by stage: `stage`, `responses` Int64, `satisfied`, `low`, `high` Float64 (shares of CSAT answers).

    Null when no stage has enough answers. A share that rests on a small count is withheld.
    """
    many, share = told["csat_n"], told["csat"]
    part = (many * share).round().fill_null(0).cast(pl.Int64)
    fine = [n >= least and not small(x, k) and not small(n - x, k) for n, x in zip(many, part, strict=True)]
    if not any(fine):
        return None
    ends = interval(part.to_numpy(), many.to_numpy())
    rates = {"satisfied": share, "low": pl.Series(ends.low), "high": pl.Series(ends.high)}
    shown = pl.Series(fine, dtype=pl.Boolean)
    return told.select(
        "stage",
        responses=pl.when(pl.Series([not small(n, k) for n in many], dtype=pl.Boolean)).then(many),
        **{name: pl.when(shown).then(values.round(4)) for name, values in rates.items()},
    )


def _blank(row: dict[str, Any], *columns: str) -> None:
    row.update(dict.fromkeys(columns))


def _thin(row: dict[str, Any], least: int) -> None:
    if row["entered"] is not None and row["entered"] < least:
        _blank(row, *_SHARES)
    if row["previous"] is not None and row["previous"] < least:
        _blank(row, "share_of_previous", "share_of_previous_low", "share_of_previous_high")
    if row["state"] == SHOWN and row["step"] > 1 and row["share_of_previous"] is None:
        row["state"] = FEW if row["previous"] is not None else WITHHELD


def _grouped(rows: list[dict[str, Any]], *columns: str) -> dict[tuple[Any, ...], list[dict[str, Any]]]:
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: row["step"]):
        groups[tuple(row[column] for column in columns)].append(row)
    return groups
