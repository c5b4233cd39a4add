"""Shares of contacts and of sessions tell of no few customers."""

from __future__ import annotations

from reports.privacy.people.help import publishable_shares, shares_of_help_in_steps
from reports.privacy.steps import Steps
from tests.reports.people import share_row


def test_a_share_of_few_customers_takes_the_smallest_group_with_it() -> None:
    rows = [share_row("contact_rate", None, 150, 900)]
    rows += [share_row("contact_rate", name, part, 300) for name, part in (("A", 4), ("B", 100), ("C", 46))]
    found = publishable_shares(rows, 10, 30)
    assert [row["part"] for row in found] == [150, None, 100, None]
    assert [row["state"] for row in found] == ["shown", "withheld", "shown", "withheld"]


def test_the_rest_of_a_share_is_not_told_either_and_a_rate_needs_customers() -> None:
    found = publishable_shares(
        [share_row("repeat_rate", None, 297, 300), share_row("transfer_rate", None, 0, 20)], 10, 30
    )
    assert [(row["state"], row["share"]) for row in found] == [("withheld", None), ("few", None)]
    assert found[1]["whole"] == 20


def test_many_units_of_few_customers_are_few() -> None:
    row = share_row("repeat_rate", None, 120, 300) | {"customers_part": 2}
    assert publishable_shares([row], 10, 30)[0]["part"] is None


def test_shares_of_a_second_report_are_of_counts_in_steps() -> None:
    first = Steps(10)
    shares_of_help_in_steps(publishable_shares([share_row("repeat_rate", None, 100, 300)], 10, 30), first, "contacts")
    again = publishable_shares([share_row("repeat_rate", None, 104, 308)], 10, 30)
    (row,) = shares_of_help_in_steps(again, Steps(10, first.counts), "contacts")
    assert (row["part"], row["whole"], row["share"]) == (100, 310, 100 / 310)


def test_a_share_that_another_number_would_reveal_is_withheld() -> None:
    row = share_row("contact_rate", None, 150, 900)
    found = publishable_shares([row | {"secret": True}, share_row("repeat_rate", None, 90, 900)], 10, 30)
    assert [one["state"] for one in found] == ["withheld", "shown"]
