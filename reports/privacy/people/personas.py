"""Applies the privacy rules to personas: their sizes, their rates, and whatever their sentences stand on.

Of a persona of fewer than 10 `k` customers, or of less than 1 % of all, only the size is told. The customers
of all personas, those in none by reason, and those who object to profiling add up to all customers; customers with a
journey that reached the goal, and with one that did not, add up over the personas and those in none: no small one of
them is revealed as the rest of a sum.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from reports.privacy.restated import reshare
from reports.privacy.rules import small, withheld
from reports.privacy.stages import FEW, SHOWN, WITHHELD
from reports.privacy.steps import Steps, around, coarse, rate

Card = dict[str, Any]
MIN_SHARE: Final = 0.01
NO_RULE: Final = "no rule fits"
_SIZE: Final = ("customers", "share", "share_low", "share_high")
_RATE: Final = ("goal_rate", "goal_rate_low", "goal_rate_high")
_AGAINST: Final = ("others_goal_rate", *(f"goal_rate_difference{end}" for end in ("", "_low", "_high")))
_RATES: Final = ("mature", "reached", *_RATE, *_AGAINST, "share_of_goals", "share_of_value")
_TOLD: Final = ("traits", "attributes", "pains")
_GEOMETRIC: Final = ("touches per session", "sessions")
"""Features whose means are no shares."""
_BEHIND: Final = ("customers", "customers_reached", "customers_lost")


def publishable_personas(
    cards: Sequence[Mapping[str, Any]],
    apart: Mapping[str, int],
    journeys: Mapping[str | None, Mapping[str, Any]],
    customers: int,
    *,
    k: int,
    least: int,
) -> tuple[list[Card], dict[str, int | None]]:
    """The cards with `state`, in which whatever must not be published is None or left out; and who is in none.

    In: `persona_cards`; customers in none by reason; `goal_attainment` by persona, and under None of those in none; all
    customers; and per card `withheld_steps`, the steps of which the breakdown by persona withholds the rate, and
    `attribute_totals` (customers and known ones of each column and value).
    """
    people = {card["id"]: card["customers"] for card in cards} | {("", reason): n for reason, n in apart.items()}
    others = customers - sum(people.values())
    placed = [*(card["id"] for card in cards), ("", NO_RULE)]
    hidden = withheld({**people, None: others}, [[*people, None], [one for one in placed if one in people]], k)
    unrated = _unrated(cards, journeys, k)
    dominated = any(
        row["value"] is not None and 2 * row["largest_value"] > abs(row["value"])
        for name, row in journeys.items()
        if name is not None
    )
    inside = sum(card["customers"] for card in cards)
    published = []
    for card in cards:
        few = card["customers"] < max(10 * k, MIN_SHARE * customers)
        row = {**card, "state": WITHHELD if card["id"] in hidden or card["id"] in unrated else FEW if few else SHOWN}
        if card["id"] in hidden:
            row |= dict.fromkeys(_SIZE)
        if few or card["id"] in unrated or journeys.get(card["persona"], {}).get("customers", 0) < least:
            row |= dict.fromkeys(_RATES)
        if dominated:
            row["share_of_value"] = None
        row |= {name: [] for name in _TOLD} | {"path": None}
        if not few:
            row["traits"] = [one for one in card["traits"] if _is_told(one, card["customers"], inside, k)]
            row["attributes"] = [one for one in card["attributes"] if _is_common(one, card["attribute_totals"], k)]
            row["pains"] = [
                one
                for one in card["pains"]
                if one["step"] not in card["withheld_steps"]
                and one["customers_previous"] >= least
                and not any(small(one[name], k) for name in ("customers", "customers_lost"))
            ]
            row["path"] = card["path"] if _is_taken(card["path"], k, least) else None
        published.append(row)
    return published, {reason: None if ("", reason) in hidden else n for reason, n in apart.items()}


def _unrated(cards: Sequence[Mapping[str, Any]], journeys: Mapping[str | None, Mapping[str, Any]], k: int) -> set[str]:
    """The ids of personas without rates: few of their customers reached the goal, or did not, or of others' would be
    known.
    """
    names = {card["persona"]: card["id"] for card in cards}
    found: set[str] = set()
    for kind in _BEHIND:
        counts = {own: journeys.get(name, {}).get(kind, 0) for name, own in names.items()}
        rest = {None: journeys.get(None, {}).get(kind, 0)}
        found |= {one for one in withheld({**counts, **rest}, [[*counts, None], [*counts]], k) if one is not None}
    return found


def _is_told(trait: Mapping[str, Any], customers: int, inside: int, k: int) -> bool:
    """Whether a mean share is of no few customers, in the persona and in the others."""
    if trait["feature"] in _GEOMETRIC:
        return True
    pairs = ((trait["mean"], customers), (trait["mean_others"], inside - customers))
    return all(mean is not None and not _of_few(mean, size, k) for mean, size in pairs)


def _of_few(mean: float, size: int, k: int) -> bool:
    return 0 < mean * size < k or 0 < (1 - mean) * size < k


def _is_common(row: Mapping[str, Any], totals: Mapping[tuple[str, str], tuple[int, int]], k: int) -> bool:
    """Whether a value is of no few customers, nor all but few, in the persona and in the others."""
    n, known = totals[row["column"], row["value"]]
    counts = (row["customers"], row["known"] - row["customers"])
    others = (n - row["customers"], known - n - counts[1])
    return not any(small(count, k) for count in (*counts, *others))


def _is_taken(path: Mapping[str, Any] | None, k: int, least: int) -> bool:
    """Whether a path is of enough journeys and customers, and not of all but few."""
    if path is None or path["units"] < least or path["customers"] < k:
        return False
    return not small(round(path["units"] / path["share_of_units"]) - path["units"], k)


def personas_in_steps(
    cards: Sequence[Card], apart: Mapping[str, int | None], steps: Steps
) -> tuple[list[Card], dict[str, int | None]]:
    """The published cards, and those in none: counts in steps, shares of the published counts, the rest rounded."""
    table, exact = "personas", [dict(card) for card in cards]
    rows = [dict(card) for card in cards]
    for row in rows:
        of = row["id"]
        row["customers"] = steps.count(table, (of, "customers"), row["customers"])
        mature = row["mature"]
        row["mature"] = steps.count(table, (of, "mature"), mature)
        row["reached"] = steps.part(table, (of, "reached"), row["reached"], mature, row["mature"])
        if row["path"] is not None:
            units = steps.count(table, (of, "path", *row["path"]["path"]), row["path"]["units"])
            row["path"] = None if units is None else {**row["path"], "units": units}
    none = {reason: steps.count(table, ("", reason), n) for reason, n in apart.items()}
    if not steps.moved(table):
        return exact, none
    placed = [row["customers"] for row in rows] + [n for reason, n in none.items() if reason == NO_RULE]
    for row in rows:
        _restate(row, rows, placed, steps.k)
    return rows, none


def _restate(row: Card, rows: Collection[Card], placed: Sequence[int | None], k: int) -> None:
    """Sets what follows from the published counts of a card, and rounds the rest."""
    size, mature = row["customers"], row["mature"]
    reshare(row, "share", rate(size, _sum(placed)))
    reshare(row, "goal_rate", rate(row["reached"], mature))
    row["share_of_goals"] = None if row["share_of_goals"] is None else rate(row["reached"], _sum_of(rows, "reached"))
    row["share_of_value"] = coarse(row["share_of_value"], mature, k)
    before, gap = row["goal_rate_difference"], None
    row["others_goal_rate"] = coarse(row["others_goal_rate"], mature, k)
    if row["goal_rate"] is not None and row["others_goal_rate"] is not None:
        gap = row["goal_rate"] - row["others_goal_rate"]
    ends = around(gap, before, row["goal_rate_difference_low"], row["goal_rate_difference_high"])
    row |= dict(zip(_AGAINST[1:], (gap, *ends), strict=True))
    row["traits"] = [
        one if one["feature"] in _GEOMETRIC else {**one, **_coarse(one, ("mean", "mean_others"), size, k)}
        for one in row["traits"]
    ]
    row["attributes"] = [{**one, **_coarse(one, ("share", "share_others"), size, k)} for one in row["attributes"]]
    row["pains"] = [{**one, **_coarse(one, ("share_of_previous", "difference"), size, k)} for one in row["pains"]]
    if row["path"] is not None:
        row["path"] |= _coarse(row["path"], ("share_of_units",), size, k)


def _coarse(row: Mapping[str, Any], names: Sequence[str], customers: int | None, k: int) -> dict[str, float | None]:
    return {name: coarse(row[name], customers, k) for name in names}


def _sum(counts: Sequence[int | None]) -> int | None:
    return None if None in counts else sum(counts)  # type: ignore[arg-type]


def _sum_of(rows: Collection[Card], name: str) -> int | None:
    return _sum([row[name] for row in rows])
