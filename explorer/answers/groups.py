"""The groups of a breakdown, step by step, against everybody else."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import polars as pl

from analytics import Funnel, against_the_rest, benjamini_hochberg
from explorer.question import SEGMENT, Question
from explorer.source import Source
from explorer.tens import told
from reports.privacy.rules import rough_share
from reports.words.numbers import count, interval, percent, points, points_interval, shown_name

LEVEL: Final = 0.05
GROUP: Final = " group"
"""The column of the names of groups; no column of touches begins with a blank."""
_APART: Final = " · "


def groups_of(
    source: Source, question: Question, definition: Funnel, answer: pl.DataFrame
) -> tuple[pl.DataFrame, dict[str, Any] | None]:
    """The rows that are shown of an answer, and the card of its groups; None without a breakdown.

    Groups of fewer entrants than a rate needs are left out and counted, so no value of a column of keys is shown. A
    difference is clear where its p-value, adjusted over all that are shown, is at most 5 %.
    """
    if not definition.by:
        return source.told(answer), None
    least = max(source.report.least, source.report.k)
    exact = answer.with_columns(_name_of(definition.by).alias(GROUP))
    named = source.told(answer).with_columns(_name_of(definition.by).alias(GROUP))
    large = named.filter(~pl.col("is_total"), step=1).filter(pl.col("entered") >= least)
    order = large.with_columns(known=pl.all_horizontal(pl.col(definition.by).is_not_null()))
    order = order.sort("known", "entered", descending=True, maintain_order=True)
    kept = order.head(source.report.values_per_segment)[GROUP].to_list()
    few = named.filter(~pl.col("is_total"), step=1).height - len(kept)
    shown = named.filter(pl.col("is_total") | pl.col(GROUP).is_in(kept))
    cells = _cells(exact, kept, definition, least)
    if source.is_shared:
        cells = {key: _coarse(cell, source.report.k) for key, cell in cells.items()}
    known = set(order.filter("known")[GROUP])
    rows = [
        {"is_known": name in known} | _group(shown.filter(pl.col(GROUP) == name, ~pl.col("is_total")), name, cells)
        for name in kept
    ]
    label = " and ".join(_label(source, column) for column in question.by)
    total = named.filter("is_total").sort("step").to_dicts()
    steps = [
        {"name": shown_name(row["name"]), "share": row["share_of_previous"], "text": percent(row["share_of_previous"])}
        for row in total[1:]
    ]
    card = {"title": _title(rows, label), "label": label, "few": few, "least": least, "steps": steps, "rows": rows}
    return shown.drop(GROUP), card


def _label(source: Source, column: str) -> str:
    return column.removeprefix(SEGMENT) if column.startswith(SEGMENT) else source.report.name_of(column)


def _name_of(by: tuple[str, ...]) -> pl.Expr:
    """The name of a group: its values, of which a missing one is unknown."""
    return pl.concat_str([pl.col(name).cast(pl.String).fill_null("unknown") for name in by], separator=_APART)


def _cells(
    named: pl.DataFrame, kept: list[str], definition: Funnel, least: int
) -> dict[tuple[str, int], dict[str, Any]]:
    """The differences of groups to everybody else, by group and step; step 0 is the whole funnel.

    There are none where one customer can be several entrants.
    """
    if definition.repeats_customers:
        return {}
    steps, last = against_the_rest(named, GROUP), len(definition.steps)
    ends = named.filter(pl.col("step").is_in([1, last])).with_columns(
        step=pl.when(pl.col("step") == 1).then(1).otherwise(2).cast(pl.UInt32)
    )
    whole = against_the_rest(ends, GROUP).with_columns(step=pl.lit(0, pl.UInt32)) if last > 1 else steps.clear()
    found = pl.concat([steps, whole]).filter(pl.col(GROUP).is_in(kept), pl.col("previous") >= least)
    adjusted = benjamini_hochberg(found["p_value"].fill_null(float("nan")).to_numpy())
    clear = np.nan_to_num(adjusted, nan=1.0) <= LEVEL
    return {
        (row[GROUP], row["step"]): {**row, "is_clear": bool(is_clear)}
        for row, is_clear in zip(found.to_dicts(), clear, strict=True)
    }


def _coarse(cell: dict[str, Any], k: int) -> dict[str, Any]:
    """A difference rounded so that it covers at least `k` customers of the group."""
    size, names = cell["previous"], ("difference", "difference_low", "difference_high")
    ends = {name: None if cell[name] is None else rough_share(cell[name] * size, size, k) for name in names}
    return cell | ends | {"previous": told(size, k)}


def _group(rows: pl.DataFrame, name: str, cells: dict[tuple[str, int], dict[str, Any]]) -> dict[str, Any]:
    """One group: its steps, and the whole funnel."""
    steps = rows.sort("step").to_dicts()
    last = steps[-1]
    whole = cells.get((name, 0), {}) if last["share_of_entered"] is not None else {}
    return {
        "name": shown_name(name),
        "entered": count(steps[0]["entered"]),
        "reached": count(last["reached"]),
        "of_entered": percent(last["share_of_entered"]),
        "of_entered_interval": interval(last["share_of_entered_low"], last["share_of_entered_high"]),
        "difference": points(whole.get("difference")),
        "difference_interval": points_interval(whole.get("difference_low"), whole.get("difference_high")),
        "clear": _direction(whole),
        "steps": [
            {
                "name": shown_name(row["name"]),
                "share": row["share_of_previous"],
                "low": row["share_of_previous_low"],
                "high": row["share_of_previous_high"],
                "text": percent(row["share_of_previous"]),
                "interval": interval(row["share_of_previous_low"], row["share_of_previous_high"]),
                "is_enough": row["enough"],
                "clear": _direction(cells.get((name, row["step"]), {})),
                "difference": cells.get((name, row["step"]), {}).get("difference"),
                "at_stake": _at_stake(cells.get((name, row["step"]), {})),
            }
            for row in steps[1:]
        ],
    }


def _direction(cell: dict[str, Any]) -> int:
    """1 for clearly more than everybody else, -1 for clearly fewer, 0 where it is not clear."""
    return 0 if not cell.get("is_clear") or cell["difference"] is None else 1 if cell["difference"] > 0 else -1


def _at_stake(cell: dict[str, Any]) -> float:
    """The customers that a clear difference stands for."""
    return abs(cell["difference"]) * cell["previous"] if _direction(cell) else 0.0


def _title(rows: list[dict[str, Any]], label: str) -> str:
    """The clear difference with most customers at stake; of those without a value only where it is the only one."""
    clear = [(step, row) for row in rows for step in row["steps"] if step["at_stake"]]
    if not clear:
        return f"No clear difference by {label.lower()}" if rows else f"Too few for a comparison by {label.lower()}"
    step, row = max(clear, key=lambda pair: (pair[1]["is_known"], pair[0]["at_stake"]))
    side = "above" if step["clear"] > 0 else "below"
    name, difference = row["name"], abs(step["difference"]) * 100
    return f"{name[:1].upper()}{name[1:]} is {difference:.1f} points {side} everybody else at {step['name']}"
