"""What moved between the reports of a shop that lands week by week is told with its cause."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from analytics import DIFF_CAUSES, diff
from journeys.settings import Settings
from tests.journeys.reported.weeks import WeeklyShop

K = 10


def largest(rows: list[dict[str, Any]], cause: str) -> dict[str, Any]:
    """The row that a cause moved most; every other cause moved it less."""
    found = max(rows, key=lambda row: abs(row[cause] or 0))
    others = [abs(found[name]) for name in (*DIFF_CAUSES, "other") if name != cause]
    assert abs(found[cause]) > max(others), found
    return found


def test_a_new_week_a_late_file_the_forgotten_and_a_changed_goal_are_each_named(tmp_path: Path) -> None:
    """One after the other, with a report after each; that one customer is forgotten is told to nobody."""
    shop = WeeklyShop(tmp_path, 1200)
    shop.land_weeks()
    week = shop.moved()
    shop.land_late_file()
    late = shop.moved()
    shop.forget(1)
    alone, inside = shop.moved(), diff(Settings(shop.config).lake)
    shop.forget(40, already=1)
    deleted = shop.moved()
    shop.change_goal()
    changed = shop.moved()
    rows = [row for rows in (week, late, alone, deleted, changed) for row in rows if row["difference"] is not None]
    for row in rows:
        assert sum(row[name] for name in (*DIFF_CAUSES, "other")) == row["difference"] == row["now"] - row["then"]

    assert largest(week, "time")["part"] == "totals" and not any(row["restated"] and row["time"] for row in week)
    order = largest(late, "late")
    assert (order["part"], order["name"], order["week"]) == ("goals", "Order placed", "2026-01-12")
    assert order["late"] >= 3 * K and order["restated"] and not any(row["time"] for row in late)
    assert not any(row["deleted"] for row in alone)
    assert inside["deleted"].abs().sum() and all(inside[name].eq(0).all() for name in ("late", "time", "definitions"))
    assert largest(deleted, "deleted")["deleted"] <= -3 * K
    assert not any(row[name] for row in deleted for name in ("late", "time", "definitions"))
    goal = largest(changed, "definitions")
    assert (goal["part"], goal["name"]) == ("goals", "Advice asked") and goal["definitions"] >= 3 * K
    assert not any(row[name] for row in changed for name in ("late", "time", "deleted", "identities"))
