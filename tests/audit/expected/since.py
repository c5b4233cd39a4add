"""*Since the last report*: its measures beside those that the earlier site published, and why they differ."""

from __future__ import annotations

from datetime import datetime, timedelta
from math import hypot
from typing import Any

from tests.audit.certainty import quantile
from tests.audit.claims import Claims
from tests.audit.expected.stages import funnel
from tests.audit.expected.withholding import Allowed, Expected, between, exact, near, nothing
from tests.audit.landed.settings import DAY
from tests.audit.site import Row
from tests.audit.words import shown

OVER = timedelta(days=37)
"""A week that began so long before the end of the data is over."""


def changed(index: dict[str, Any], earlier: dict[str, Any]) -> list[str]:
    """The parts of the definitions that are not those of the earlier report."""
    now, then = index["definition"], earlier["definition"]
    return sorted(name for name in now.keys() | then.keys() if now.get(name) != then.get(name))


def frame(claims: Claims) -> Expected | None:
    """One row per measure that both reports have, or one per definition that changed."""
    site, earlier = claims.site, claims.site.earlier
    if earlier is None:
        return None
    if names := changed(site.index, earlier):
        return Expected(("definition",), {(name,): {} for name in names})
    before = {each["measure"]: each for each in earlier["measures"]}
    _hold_against_frames(before, earlier)
    cause, rows = ", ".join(causes(site.index, earlier)), {}
    for name, (kind, value, low, high) in _now(claims).items():
        if name not in before or value is None:
            continue
        then = before[name]
        gap, slack = value - then["value"], 1.1e-4 if name.startswith("Satisfied") else 1e-9  # published to 4 digits
        ends: tuple[Allowed, Allowed] = nothing("no interval"), nothing("no interval")
        clear = nothing("no interval")
        if low is not None and high is not None and then["low"] is not None:
            down = gap - hypot(value - low, then["high"] - then["value"])
            up = gap + hypot(high - value, then["value"] - then["low"])
            ends, clear = (_close(down, slack + 1e-6), _close(up, slack + 1e-6)), exact(down > 0 or up < 0)
        rows[(name,)] = {
            "kind": exact(kind),
            "before": exact(float(then["value"])),
            "now": near(value) if kind == "time" else _close(value),
            "difference": _close(gap, abs(value) / 1000 if kind == "time" else slack),
            "low": ends[0],
            "high": ends[1],
            "clear": clear,
            "cause": exact(cause) | exact("")
            if abs(gap) <= max(slack, abs(value) / 1000 if kind == "time" else 0.0)
            else exact(cause),
        }
    return Expected(("measure",), rows, in_order=True) if rows else None


def _close(value: float, slack: float = 5.1e-5) -> Allowed:
    return between(value - slack, value + slack)


def _hold_against_frames(before: dict[str, Row], earlier: dict[str, Any]) -> None:
    """Replaces what the earlier report says of its stages by what the frame of its funnel has."""
    found = [part["frame"] for page in earlier["pages"] for part in page["parts"] if part["id"] == "funnel"]
    for stages in found:
        names, last = stages["name"], len(stages["name"]) - 1
        told = {"Mature journeys": ("entered", 0), f"Reach “{shown(names[last])}”": ("share_of_entered", last)}
        told |= {f"Going on to “{shown(names[i])}”": ("share_of_previous", i) for i in range(1, last + 1)}
        for measure, (column, row) in told.items():
            ends = {end: stages.get(f"{column}_{end}", [None] * (last + 1))[row] for end in ("low", "high")}
            if stages[column][row] is not None:
                before[measure] = {"value": stages[column][row], **ends}


def _now(claims: Claims) -> dict[str, tuple[str, float | None, float | None, float | None]]:
    """The measures by the truth, where they are published: kind, value, and for a share its interval."""
    truth, rows = claims.truth, list(funnel(claims.truth).rows.values())
    found: dict[str, tuple[str, float | None, float | None, float | None]] = {}
    if not rows[0]["entered"].test(None):
        found["Mature journeys"] = ("count", float(len(truth.mature)), None, None)
    shares = {f"Reach “{shown(truth.settings.goal)}”": (rows[-1]["share_of_entered"], claims.goal_rate)}
    for row, step, name in zip(rows[1:], truth.funnel[1:], truth.settings.steps[1:], strict=True):
        shares[f"Going on to “{shown(name)}”"] = row["share_of_previous"], step.share
    for name, (allowed, share) in shares.items():
        if not allowed.test(None) and share.ends is not None:
            found[name] = ("share", share.value, *share.ends)
    if "time-to-goal" in claims.site.frames:
        found["Median time to the goal"] = ("time", quantile(truth.times, 0.5) / DAY, None, None)
    for name in truth.settings.stage_names:
        if (share := claims.satisfaction.get(name)) is not None and share.ends is not None:
            found[f"Satisfied at “{shown(name)}”"] = ("share", share.value, *share.ends)
    return found


def causes(index: dict[str, Any], earlier: dict[str, Any]) -> list[str]:
    """Why the reports differ: the data end later, weeks that were over have other counts, customers are others."""
    ended, end = (datetime.fromisoformat(each["end_of_data"]) for each in (earlier, index))
    found = ["period"] if end > ended else []
    moved = [
        name
        for name, cells in index["counts"].items()
        if name.startswith("week ")
        and cells != earlier["counts"].get(name, cells)
        and datetime.fromisoformat(f"{name.removeprefix('week ')}T00:00:00+00:00") < ended - OVER
    ]
    found += ["late data"] if moved else []
    if any(index["versions"].get(table) != earlier["versions"].get(table) for table in ("links", "profiles")):
        found.append("customers")
    return found or ["late data"]
