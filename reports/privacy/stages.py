"""Applies the privacy rules to funnels, breakdowns, period changes and satisfaction.

Small counts are withheld and rates over few customers removed (`reports.privacy.rules`). `k` is the smallest published
count, `min_customers` the minimum number of customers behind a rate. Counts of journeys are judged by their distinct
customers, both those who reached a stage and those who were lost before it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

import polars as pl
from polars import selectors as cs

from reports.privacy.rules import coarse_step, public_bounds, publishable_steps, small, withheld

_SHARES: Final = (
    "share_of_entered",
    "share_of_entered_low",
    "share_of_entered_high",
    "share_of_previous",
    "share_of_previous_low",
    "share_of_previous_high",
)
_MONEY: Final = ("value", "value_left_out", "net_value", "returns", "returns_left_out")
_BEHIND: Final = {
    "touched": ("customers_touched", "customers_skipped"),
    "skipped": ("customers_touched", "customers_skipped"),
    "late": ("customers_late", "customers_never"),
    "direct": ("customers_direct",),
    "all_stages": ("customers_all_stages", "customers_not_all_stages"),
    "waits": ("customers_waited",),
    "backward": ("customers_backward",),
    "value_left_out": ("customers_left_out",),
    "returns_left_out": ("customers_returns_left_out",),
}
"""Counts that stand beside `reached`, and the customers behind them: of a count and of its rest, as with `reached` (of
`late`, with those who were lost) the one has the other.
"""
_BESIDE: Final = (*_BEHIND, "customers", "value", "net_value", "returns")
NO_VALUE: Final = "unknown"
SHOWN, FEW, WITHHELD = "shown", "few", "withheld"
BOUNDED: Final = "bounded"
"""The rate lies between `bound_low` and `bound_high`: fewer than k were lost, or went on."""
_MAX_BOUND_WIDTH: Final = 0.25
_RATES: Final = ("share", "low", "high", "difference", "difference_low", "difference_high")

Cell = tuple[str, str, int]


def open_or_direct(row: Mapping[str, Any], k: int) -> tuple[set[str], bool]:
    """Which of the counts `open` and `direct` of a first stage, or of a goal, must be withheld; and all journeys, too?

    With the mature ones they add up to all journeys, so each would be known from the other and the total. In:
    `customers_open`, `customers_direct`.

    >>> open_or_direct({"customers_open": 40, "customers_direct": 3}, 10) == ({"open", "direct"}, False)
    True
    >>> open_or_direct({"customers_open": 0, "customers_direct": 3}, 10)
    ({'direct'}, True)
    """
    people = {name: row[f"customers_{name}"] for name in ("open", "direct")}
    hidden = withheld(people, [list(people)], k)
    return hidden, bool(hidden) and (len(hidden) == 1 or small(sum(people.values()), k))


def is_total_withheld(funnel: pl.DataFrame, k: int) -> bool:
    """Whether the number of all journeys would reveal how many of them are open, or direct."""
    return open_or_direct(funnel.sort("step").row(0, named=True), k)[1]


def publishable_stages(funnel: pl.DataFrame, k: int, min_customers: int) -> pl.DataFrame:
    """The funnel over all journeys, one row per step, with `previous`, `dropped` Int64 and `state` String added.

    In: `stage_funnel`, or a `funnel` of customers.

    `state` is `shown`; `bounded` where only bounds of the rate are published (`bound_low`, `bound_high`); `few` where
    the step before has fewer than `min_customers` customers (counts stay, rates are removed); `withheld` where the
    count, or its difference from a published count, is below `k`.
    """
    rows = funnel.sort("step").to_dicts()
    counts = [row["reached"] for row in rows]
    people, lost = ([row.get(name, row["reached"]) for row in rows] for name in ("customers", "customers_lost"))
    by_customers = "customers" in funnel.columns
    if by_customers:
        publishable_counts = publishable_steps([rows[0]["customers_entered"], *people], k, [0, *lost])[1:]
        younger = [[row[f"customers_open{of}"] for row in rows] for of in ("", "_lost")]
        publishable_open = publishable_steps(younger[0], k, younger[1])
        hidden = open_or_direct(rows[0], k)[0]
    else:
        publishable_counts, hidden = publishable_steps(people, k), set()
        publishable_open = publishable_steps([row["open"] for row in rows], k)
    entered = rows[0].get("customers_entered", people[0])
    bounds = public_bounds(counts, publishable_counts, k)
    published: list[dict[str, Any]] = []
    for index, row in enumerate(rows):
        before = rows[index - 1] if index else None
        publishable = publishable_counts[index]
        has_rate = before is not None and publishable and publishable_counts[index - 1]
        row["previous"] = before["reached"] if before is not None and publishable_counts[index - 1] else None
        row["dropped"] = counts[index - 1] - counts[index] if index else 0
        row["state"] = SHOWN if publishable else WITHHELD
        if not has_rate:
            _blank(row, "dropped", "share_of_previous", "share_of_previous_low", "share_of_previous_high")
        if not publishable:
            _blank(row, "reached", *_BESIDE, *_SHARES)
        _drop_thin_rates(row, entered, people[index - 1] if row["previous"] is not None else None, min_customers)
        _withhold_money(row, k)
        row["entered"] = None if small(entered, k) else row["entered"]
        row["open"] = row["open"] if publishable_open[index] and (index or "open" not in hidden) else None
        row["direct"] = None if "direct" in hidden else row.get("direct")
        if row.get("customers") is not None and small(row["customers"], k):
            _blank(row, "customers")
        _blank(row, *(name for name, behind in _BEHIND.items() if any(small(row.get(of) or 0, k) for of in behind)))
        if not publishable or people[index] < min_customers or small(row.get("customers_waited") or 0, k):
            _blank(row, "median_wait", "p90_wait")
        row["bound_low"], row["bound_high"] = None, None
        if row["state"] == WITHHELD and index and people[index - 1] >= min_customers and people == counts:
            _add_bounds(row, bounds[index - 1], bounds[index])
        published.append(row)
    added = {
        **{"previous": pl.Int64, "dropped": pl.Int64, "state": pl.String},
        **{"bound_low": pl.Float64, "bound_high": pl.Float64},
    }
    schema: dict[str, Any] = {**funnel.schema, **added}
    table = pl.DataFrame([{name: row.get(name) for name in schema} for row in published], schema=schema, orient="row")
    has_money = "value" in funnel.columns and funnel["value"].count() > 0
    unasked = () if has_money else _MONEY[1:]
    return table.drop("is_total", "tie_sensitive", "period", *_JUDGED, *unasked, strict=False)


_JUDGED: Final = (
    *("customers_entered", "customers_lost", "customers_open", "customers_open_lost", "effective_previous"),
    *dict.fromkeys(name for behind in _BEHIND.values() for name in behind),
    *("value_dominated", "net_value_dominated", "customers_returned"),
)


def _withhold_money(row: dict[str, Any], k: int) -> None:
    """Withholds a sum of which one customer brings more than half; its difference to another sum is one, too."""
    if row.get("value_dominated"):
        _blank(row, "value", "net_value")
    if (row.get("net_value_dominated") and row.get("returns")) or small(row.get("customers_returned") or 0, k):
        _blank(row, "net_value", "returns", "returns_left_out")


def publishable_segments(steps: pl.DataFrame, k: int, min_customers: int) -> pl.DataFrame:
    """Step conversion by group, with `state`, `bound_low`, `bound_high` added and unpublishable values set to null.

    In: `dimension`, `segment`, `step`, `previous`, `reached`, `share`, `low`, `high`, `everyone`, `difference`,
    `difference_low`, `difference_high`, `verdict`, and of journeys `customers_previous`, `customers`,
    `customers_lost`; one row per group and step from the second on.

    A rate with fewer than `k` customers on one side is published as bounds. A count that would reveal a withheld one is
    withheld too; its rate stays, rounded so that it covers at least `k` counts.
    """
    rows = steps.to_dicts()
    counts: dict[Cell, int] = {}
    lost: dict[Cell, int] = {}
    bounds: dict[Cell, tuple[int, int]] = {}
    hidden: set[Cell] = set()
    by_customers = "customers" in steps.columns
    for (dimension, segment), group in _grouped(rows, "dimension", "segment").items():
        chain = [group[0]["previous"], *(row["reached"] for row in group)]
        people = [group[0]["customers_previous"], *(row["customers"] for row in group)] if by_customers else chain
        gone = [0, *(row["customers_lost"] for row in group)] if by_customers else [0, *_falls(chain)]
        publishable_counts = publishable_steps(people, k, gone if by_customers else None)
        cells = [(dimension, segment, group[0]["step"] - 1 + offset) for offset in range(len(chain))]
        counts |= zip(cells, people, strict=True)
        lost |= zip(cells[1:], gone[1:], strict=True)
        if people == chain:
            bounds |= zip(cells, public_bounds(chain, publishable_counts, k), strict=True)
        hidden |= {cell for cell, publishable in zip(cells, publishable_counts, strict=True) if not publishable}
    revealing = _revealing(counts, lost, hidden, k)
    unseen = _unseen_totals(counts, k)
    for row in rows:
        before, cell = ((row["dimension"], row["segment"], row["step"] - back) for back in (1, 0))
        coarse = coarse_step(counts[before], k) if {before, cell} & revealing else 0.0001
        row["state"] = FEW if counts[before] < min_customers else SHOWN
        if {before, cell} & hidden or coarse is None:
            row["state"] = WITHHELD
            if counts[before] >= min_customers and not {before, cell} & revealing and before in bounds:
                _add_bounds(row, bounds[before], bounds[cell])
        if row["state"] != SHOWN:
            _blank(row, *_RATES, "verdict")
        if {(row["dimension"], row["step"] - back) for back in (0, 1)} & unseen:
            _blank(row, "everyone", "difference", "difference_low", "difference_high")
        row["reached"] = None if cell in hidden | revealing else row["reached"]
        row["previous"] = None if before in hidden | revealing else row["previous"]
        for name in _RATES:
            row[name] = None if row[name] is None or coarse is None else round(round(row[name] / coarse) * coarse, 4)
        row["everyone"] = None if row["everyone"] is None else round(row["everyone"], 4)
    added = {"state": pl.String, "bound_low": pl.Float64, "bound_high": pl.Float64}
    table = pl.DataFrame([{"bound_low": None, "bound_high": None, **row} for row in rows], {**steps.schema, **added})
    return table.drop("customers_previous", "customers", "customers_lost", strict=False)


def hidden_cells(
    chains: Mapping[tuple[str, str], tuple[int, Sequence[int], Sequence[int]]], k: int
) -> tuple[set[Cell], set[Cell]]:
    """Cells of groups that must be withheld, and cells that would reveal them.

    `chains` maps every group (dimension, segment) to its first step, the customers at it and at those that follow, and
    the customers lost before each; the groups of one dimension add up to a known total.
    """
    counts: dict[Cell, int] = {}
    lost: dict[Cell, int] = {}
    hidden: set[Cell] = set()
    for (dimension, segment), (first, people, gone) in chains.items():
        cells = [(dimension, segment, first + offset) for offset in range(len(people))]
        counts |= zip(cells, people, strict=True)
        lost |= zip(cells[1:], gone[1:], strict=True)
        shown = zip(cells, publishable_steps(people, k, gone), strict=True)
        hidden |= {cell for cell, publishable in shown if not publishable}
    return hidden, _revealing(counts, lost, hidden, k)


def _falls(chain: Sequence[int]) -> list[int]:
    return [before - count for before, count in pairwise(chain)]


def _add_bounds(row: dict[str, Any], before: tuple[int, int], reached: tuple[int, int]) -> None:
    """Sets the bounds of the rate in whole percent, as far as the published counts imply them."""
    low = reached[0] * 100 // before[1] / 100 if reached[0] > 1 else 0.0
    high = min(1.0, -(-reached[1] * 100 // before[0]) / 100)
    if high - low <= _MAX_BOUND_WIDTH:
        row.update(state=BOUNDED, bound_low=low, bound_high=high)


def _unseen_totals(counts: dict[Cell, int], k: int) -> set[tuple[str, int]]:
    """Steps of a dimension whose total over all groups must be withheld."""
    totals: dict[str, Counter[int]] = defaultdict(Counter)
    for (dimension, _, step), customers in counts.items():
        totals[dimension][step] += customers
    return {
        (dimension, step)
        for dimension, falling in totals.items()
        for step, publishable in zip(
            sorted(falling), publishable_steps([falling[s] for s in sorted(falling)], k), strict=True
        )
        if not publishable
    }


def _revealing(counts: dict[Cell, int], lost: dict[Cell, int], hidden: set[Cell], k: int) -> set[Cell]:
    """Cells that, with the totals of their dimension, would reveal a hidden count.

    Both the customers at a step and those lost before it have a known total.
    """
    by_step, lost_by_step = _by_step(counts), _by_step(lost)
    hidden_or_revealing = set(hidden)
    while True:
        hidden_or_revealing = withheld(counts, by_step, k, hidden_or_revealing)
        unknown = {cell for cell in lost if {cell, _before(cell)} & hidden_or_revealing}
        added = withheld(lost, lost_by_step, k, unknown) - unknown
        if not added:
            return hidden_or_revealing - hidden
        hidden_or_revealing |= added


def _before(cell: Cell) -> Cell:
    return (*cell[:2], cell[2] - 1)


def _by_step(cells: Iterable[Cell]) -> list[list[Cell]]:
    by_step: dict[tuple[str, int], list[Cell]] = defaultdict(list)
    for cell in cells:
        by_step[cell[0], cell[2]].append(cell)
    return list(by_step.values())


def publishable_changes(differences: pl.DataFrame, counts: pl.DataFrame, k: int, min_customers: int) -> pl.DataFrame:
    """Differences between two periods, without those that depend on few customers.

    `counts` has the distinct customers of both periods who reached a step, and who were lost before it:
    `earlier_customers`, `earlier_lost`, `later_customers`, `later_lost`.
    """

    def is_publishable(row: dict[str, Any]) -> bool:
        sides = [(row[f"{period}_customers"], row[f"{period}_lost"]) for period in ("earlier", "later")]
        return all(not small(n, k) and not small(m, k) and n + m >= min_customers for n, m in sides)

    publishable = pl.Series([is_publishable(row) for row in counts.to_dicts()], dtype=pl.Boolean)
    gaps = [f"{of}{end}" for of in ("entered", "previous") for end in ("_difference", "_low", "_high")]
    return differences.with_columns(cs.float().round(4)).with_columns(
        pl.when(publishable).then(pl.col(name)).alias(name) for name in gaps
    )


def publishable_voice(answers: pl.DataFrame, k: int, min_customers: int) -> pl.DataFrame | None:
    """Satisfaction by stage: `stage`, `responses` Int64, `satisfied`, `low`, `high` Float64 (shares of CSAT answers).

    In: the columns of `voice`. Null when no stage has enough answers. A share that depends on few customers is
    withheld.
    """
    rows = answers.to_dicts()
    publishable = [is_publishable_satisfaction(row, k, min_customers) for row in rows]
    if not any(publishable):
        return None
    rates = {"satisfied": "csat", "low": "csat_low", "high": "csat_high"}
    shown = pl.Series(publishable, dtype=pl.Boolean)
    return answers.select(
        "stage",
        responses=pl.when(pl.Series([not small(row["customers_csat"], k) for row in rows], dtype=pl.Boolean)).then(
            pl.col("csat_n")
        ),
        **{name: pl.when(shown).then(pl.col(column).round(4)) for name, column in rates.items()},
    )


def is_publishable_satisfaction(row: Mapping[str, Any], k: int, min_customers: int) -> bool:
    """Whether enough customers gave the CSAT answers of a row of `voice`, and enough of either kind."""
    sides = row["customers_satisfied"], row["customers_dissatisfied"]
    return row["customers_csat"] >= min_customers and not any(small(count, k) for count in sides)


def _blank(row: dict[str, Any], *columns: str) -> None:
    row.update(dict.fromkeys(columns))


def _drop_thin_rates(row: dict[str, Any], entered: int, previous: int | None, min_customers: int) -> None:
    """Remove the shares of too few customers: of those who `entered`, and of those who reached the step before."""
    if entered < min_customers:
        _blank(row, *_SHARES)
    if previous is not None and previous < min_customers:
        _blank(row, "share_of_previous", "share_of_previous_low", "share_of_previous_high")
    if row["state"] == SHOWN and row["step"] > 1 and row["share_of_previous"] is None:
        row["state"] = FEW if row["previous"] is not None else WITHHELD


def _grouped(rows: list[dict[str, Any]], *columns: str) -> dict[tuple[Any, ...], list[dict[str, Any]]]:
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: row["step"]):
        groups[tuple(row[column] for column in columns)].append(row)
    return groups
