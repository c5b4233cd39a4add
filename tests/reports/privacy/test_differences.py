"""What moved between reports, in steps: no small count, no small cause, and all causes still add up."""

from __future__ import annotations

from random import Random
from typing import Any

import polars as pl

from analytics import DIFF_CAUSES
from analytics.monitoring.runs.diff import DIFF
from reports.privacy.differences import OTHER, publishable_differences

K = 10


def row(then: int, customers: dict[str, int] | None = None, **causes: int) -> dict[str, Any]:
    """A row of `diff`; as many customers as the counts say where nothing else is given."""
    moves = dict.fromkeys(DIFF_CAUSES, 0) | causes
    now = then + sum(moves.values())
    people = {"then": then, "now": now, **moves} | (customers or {})
    return {
        **{"part": "goals", "name": "Order", "week": None, "measure": "customers", "then": then, "now": now},
        **{"difference": now - then, **moves, "state": "both", "final": True, "restated": True},
        **{f"customers_{name}": count for name, count in people.items()},
    }


def published(*rows: dict[str, Any]) -> list[dict[str, Any]]:
    return publishable_differences(pl.DataFrame(list(rows), DIFF), DIFF_CAUSES, K, "UTC").to_dicts()


def test_a_small_cause_is_told_of_nobody() -> None:
    (found,) = published(row(100, late=31, deleted=-1))
    assert [found[name] for name in ("then", "now", "difference", "late", "deleted", OTHER)] == [100, 130, 30, 30, 0, 0]


def test_a_large_cause_of_few_customers_is_told_of_nobody() -> None:
    (found,) = published(row(100, {"late": 2, "now": 102}, late=40))
    assert (found["difference"], found["late"], found[OTHER]) == (40, 0, 40)


def test_small_counts_are_withheld_and_what_did_not_move_is_left_out() -> None:
    withheld, gained = published(row(30, late=-25), row(4, time=46), row(100, late=3), row(2, late=3))
    for found, known in ((withheld, "then"), (gained, "now")):
        assert {name: found[name] for name in ("then", "now", "difference", OTHER, *DIFF_CAUSES)} == {
            **dict.fromkeys(("then", "now", "difference", OTHER, *DIFF_CAUSES)),
            known: found[known],
        }
    assert (withheld["then"], gained["now"]) == (30, 50)
    assert publishable_differences(pl.DataFrame(schema=DIFF), DIFF_CAUSES, K, "UTC").is_empty()


def test_causes_add_up_in_steps_whatever_they_are() -> None:
    random = Random(5)
    rows = [
        row(random.choice((0, 3, 50, 412)), **{name: random.randint(0, 60) for name in DIFF_CAUSES}) for _ in "x" * 99
    ]
    for found in published(*rows):
        numbers = [
            found[name] for name in ("then", "now", "difference", OTHER, *DIFF_CAUSES) if found[name] is not None
        ]
        assert all(number % K == 0 for number in numbers)
        if found["difference"] is not None:
            assert found["then"] + found[OTHER] + sum(found[name] for name in DIFF_CAUSES) == found["now"]
