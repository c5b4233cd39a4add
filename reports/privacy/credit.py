"""Applies the privacy rules to the credit of channels: nothing but shares, each rounded so that it covers k customers.

A credit by the last touch is a count of goals, of few customers in a channel that is rarely last; so no credit is
published as a count, and the rounding of its share tells no count below k from another.
"""

from __future__ import annotations

from typing import Any, Final

import polars as pl

from reports.privacy.rules import rough_share

_F: Final = pl.Float64()
_ENDS: Final = ("", "_low", "_high")
_DIGITS: Final = 2
"""Of what is worked out from a credit and a cost: as rough as the credit is."""
CREDIT: Final = pl.Schema(
    {
        "channel": pl.String(),
        **dict.fromkeys(("last", "linear", "markov", "markov_low", "markov_high"), pl.Float64()),
        **dict.fromkeys(("rate_with", "rate_without", "effect", "effect_low", "effect_high"), pl.Float64()),
        "part": pl.Boolean(),
        **dict.fromkeys(("cost", *(f"{of}{end}" for of in ("cost_per_goal", "return_on_cost") for end in _ENDS)), _F),
    }
)
MIN_CHANNELS: Final = 2


def publishable_credit(
    credit: pl.DataFrame, effects: pl.DataFrame, k: int, min_customers: int, *, is_worth_told: bool = False
) -> pl.DataFrame | None:
    """One row per channel that `min_customers` customers met, the largest credit first.

    In: answers of `attribution` (last, linear, markov), which may have costs (`with_costs`), and of `touch_effects`;
    `is_worth_told`: no customer brings more than half of the value of the goals. Columns: `channel` String; `last`,
    `linear`, `markov` with `markov_low`, `markov_high` Float64 (shares of the goals); `rate_with`, `rate_without`
    Float64 (of followed paths); `effect` with `effect_low`, `effect_high` Float64 (incremental goals, as a share of the
    goals of followed paths); `part` Boolean (the interval of the effect and that of `markov` have nothing in common);
    `cost`, `cost_per_goal`, `return_on_cost` with `_low`, `_high` Float64 (by the published `markov`, in two digits;
    null where a day has no cost, or no credit is told, and a return unless `is_worth_told`).
    The last row, with null as channel, has the goals without a touch before; none where there are none to tell. Null
    for fewer than two channels, or too few customers with a goal.
    """
    totals, compared = credit.filter("is_total"), effects.filter("is_total", pl.col("customers_with") >= min_customers)
    if len(compared) < MIN_CHANNELS or not totals["enough"].all() or totals["customers"][0] < min_customers:
        return None
    customers = totals["customers"][0]
    shares = {(row["credited"], row["model"]): row for row in totals.iter_rows(named=True)}

    def told(share: float | None, of: int = customers) -> float | None:
        return None if share is None else rough_share(share * of, of, k)

    rows: list[dict[str, Any]] = []
    for row in compared.iter_rows(named=True):
        credits = {model: shares[row["credited"], model] for model in ("last", "linear", "markov")}
        conversions, goals = credits["markov"]["conversions"], row["reached_with"] + row["reached_without"]
        found: dict[str, Any] = {model: told(of["share"]) for model, of in credits.items()}
        for end in ("low", "high"):
            edge = credits["markov"][f"credit_{end}"]
            found[f"markov_{end}"] = None if edge is None else told(edge / conversions)
        for name, end in (("effect", ""), ("effect_low", "_low"), ("effect_high", "_high")):
            more = row[f"incremental{end}"]
            found[name] = told(more / goals) if goals and more is not None and row["enough"] else None
        found |= {
            "rate_with": told(row["rate_with"], row["customers_with"]),
            "rate_without": told(row["rate_without"], row["customers_without"] or 1),
        }
        spent = _spent(credits["markov"], found, is_worth_told=is_worth_told)
        rows.append({"channel": row["credited"], **found, "part": _are_apart(found), **spent})
    rows.sort(key=lambda row: (-(row["markov"] or 0.0), row["channel"]))
    if (alone := told(shares[None, "last"]["share"])) != 0:
        rows.append({"channel": None, **dict.fromkeys(("last", "linear", "markov"), alone), "part": False})
    told_rows = [{name: row.get(name) for name in CREDIT} for row in rows]
    return pl.DataFrame(told_rows, CREDIT, orient="row") if alone is not None else None


def _spent(row: dict[str, Any], told: dict[str, Any], *, is_worth_told: bool) -> dict[str, float | None]:
    """The cost of a channel, per goal and against what comes back, by the share of the goals that is told."""
    if row.get("cost") is None or row["days_without_cost"]:
        return {}
    found: dict[str, float | None] = {"cost": row["cost"]}
    for end, other in zip(_ENDS, ("", "_high", "_low"), strict=True):
        if (goals := (told[f"markov{other}"] or 0.0) * row["conversions"]) and row["cost"]:
            found[f"cost_per_goal{end}"] = _rounded(row["cost"] / goals)
        share, value = told[f"markov{end}"], row["value"]
        if is_worth_told and share is not None and row["cost"] and row["share"] and value is not None:
            found[f"return_on_cost{end}"] = _rounded(value / row["share"] * share / row["cost"])
    return found


def _rounded(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")


def _are_apart(row: dict[str, Any]) -> bool:
    ends = [row[name] for name in ("markov_low", "markov_high", "effect_low", "effect_high")]
    return None not in ends and (ends[2] > ends[1] or ends[3] < ends[0])
