"""An outlook tells of no few customers, neither of those under way nor of those of the test."""

from __future__ import annotations

from typing import Any

import pytest

from reports.privacy.people.outlook import publishable_outlook
from reports.privacy.steps import Steps
from tests.reports.people import OUTLOOK_ROWS, outlook_row


def published(*rows: dict[str, Any], steps: Steps | None = None) -> dict[int | None, dict[str, Any]]:
    return {row["band"]: row for row in publishable_outlook(rows, 10, 30, steps or Steps(10))}


def test_customers_under_way_are_in_tens_and_goals_whole() -> None:
    found = published(*OUTLOOK_ROWS)
    assert [row["customers"] for row in found.values()] == [11760, 6200, 3420, 1530, 600]
    assert [row["tested_goals"] for row in found.values()] == [843, 168, 245, 252, 178]
    assert all(isinstance(row["expected_goals"], int) and row["state"] == "shown" for row in found.values())


@pytest.mark.parametrize("few", [1, 9])
def test_few_customers_under_way_and_few_goals_are_withheld_with_what_they_follow_from(few: int) -> None:
    first, *bands = OUTLOOK_ROWS
    bands[3] = outlook_row(4, (0.18, 1.0), few, 588, few)
    found = published(first, *bands)
    assert found[4]["customers"] is found[4]["expected_goals"] is found[4]["expected"] is None
    assert (found[4]["state"], found[4]["tested"], found[4]["seen"]) == ("withheld", None, None)
    assert sum(row["customers"] is None for row in found.values()) == 2
    assert sum(row["tested_goals"] is None for row in found.values()) == 2


def test_a_band_of_few_in_the_test_has_no_share() -> None:
    first, *bands = OUTLOOK_ROWS
    bands[3] = outlook_row(4, (0.18, 1.0), 604, 25, 12)
    found = published(first, *bands)
    assert (found[4]["state"], found[4]["seen"], found[4]["expected"]) == ("few", None, None)
    assert found[4]["customers"] == 600 and found[4]["tested"] == 25


def test_a_later_report_moves_in_steps() -> None:
    first = Steps(10)
    published(*OUTLOOK_ROWS, steps=first)
    later = (outlook_row(None, (0.0, 1.0), 11766, 11764, 846), *OUTLOOK_ROWS[1:])
    found = published(*later, steps=Steps(10, first.counts))
    assert (found[None]["customers"], found[None]["tested"], found[None]["tested_goals"]) == (11770, 11761, 843)
