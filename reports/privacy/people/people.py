"""Applies the privacy rules to the sizes of segments and to where journeys stand, and publishes them in steps.

A segment of fewer than 10 `k` customers, or of less than 1 % of all, is named and no more is told of it. Two segments
that differ by few customers are not both told, as one may lie within the other. A customer has at most one journey
under way: counts of these are counts of customers.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from reports.privacy.people.personas import MIN_SHARE
from reports.privacy.restated import reshare
from reports.privacy.rules import small, withheld
from reports.privacy.stages import FEW, SHOWN, WITHHELD
from reports.privacy.steps import Steps, rate

Row = dict[str, Any]
_SHARE: Final = ("share_of_known", "share_of_known_low", "share_of_known_high")
_COUNTS: Final = ("members", "known", "joined", "left")
AGES: Final = ("fresh", "waiting", "late")
_WAITS: Final = ("usual_wait", "late_after")


def publishable_sizes(rows: Sequence[Mapping[str, Any]], apart: Collection[Mapping[str, Any]], k: int) -> list[Row]:
    """The sizes with `state`, in which whatever must not be published is None.

    In: `segment_sizes` at one instant, with who joined and left since another; `overlaps` of every two segments then.
    """
    near = {
        frozenset((row["segment"], row["other"]))
        for row in apart
        if small(row["only_segment"], k) or small(row["only_other"], k)
    }
    published: list[Row] = []
    for one in rows:
        row = {**one, "state": SHOWN}
        members, known = row["members"], row["known"]
        told = [other for other in published if other["state"] == SHOWN]
        secret = small(members, k) or small(known - members, k) or small(row["customers"] - known, k)
        secret = secret or any(
            frozenset((row["segment"], other["segment"])) in near or small(abs(known - other["known"]), k)
            for other in told
        )
        if secret:
            row |= {"state": WITHHELD, **dict.fromkeys((*_COUNTS, *_SHARE))}
        elif members < max(10 * k, MIN_SHARE * row["customers"]):
            row |= {"state": FEW, **dict.fromkeys((*_COUNTS, *_SHARE))}
        elif row["joined"] is not None:
            before = members - row["joined"] + row["left"]
            stayed = members - row["joined"]
            if any(small(count, k) for count in (row["joined"], row["left"], before, stayed)):
                row |= dict.fromkeys(("joined", "left"))
        published.append(row)
    return published


def sizes_in_steps(rows: Sequence[Row], steps: Steps) -> list[Row]:
    """The published sizes: counts in steps, shares of the published counts; who joined and left need not add up."""
    found = []
    for one in rows:
        row, name = dict(one), one["segment"]
        row["known"] = steps.count("sizes", (name, "known"), one["known"])
        row["members"] = steps.part("sizes", (name, "members"), one["members"], one["known"], row["known"])
        for count in ("joined", "left"):
            row[count] = steps.count("sizes", (name, count), one[count])
        found.append(row)
    if steps.moved("sizes"):
        for row in found:
            reshare(row, "share_of_known", rate(row["members"], row["known"]))
    return found


def publishable_standing(rows: Sequence[Mapping[str, Any]], k: int, least: int) -> list[Row]:
    """Where journeys stand, with `state`, in which whatever must not be published is None.

    In: the totals of `standing`. `state` is few where so few have gone on from a stage that what is usual there is not
    certain: ages are not told then.
    """
    stages = {place: row["customers"] for place, row in enumerate(rows)}
    hidden = withheld(stages, [[*stages]], k)
    published: list[Row] = []
    for place, one in enumerate(rows):
        row = {**one, "state": WITHHELD if place in hidden else SHOWN if one["enough"] else FEW}
        secret = withheld({name: one[name] for name in AGES}, [AGES], k)
        if row["state"] != SHOWN:
            row |= dict.fromkeys((*AGES, "share_late", *_WAITS))
        row |= dict.fromkeys(secret)
        if row["late"] is None or small(one["journeys"] - one["late"], k):
            row["share_late"] = None
        if place in hidden:
            row |= dict.fromkeys(("journeys", "share_of_journeys"))
        if place in hidden or one["customers"] < least:
            row["median_wait"] = None
        published.append(row)
    return published


def standing_in_steps(rows: Sequence[Row], steps: Steps) -> list[Row]:
    """The published rows: counts in steps, shares of the published counts."""
    found = []
    for one in rows:
        row, name = dict(one), one["stage"] or ""
        row["journeys"] = steps.count("standing", (name, "journeys"), one["journeys"])
        for age in AGES:
            row[age] = steps.part("standing", (name, age), one[age], one["journeys"], row["journeys"])
        found.append(row)
    if steps.moved("standing"):
        known = [row["journeys"] for row in found]
        whole = None if None in known else sum(known)
        for row in found:
            row["share_of_journeys"] = rate(row["journeys"], whole)
            row["share_late"] = None if row["share_late"] is None else rate(row["late"], row["journeys"])
    return found
