"""Sizes of segments, and where journeys stand, tell of no few customers."""

from __future__ import annotations

from reports.privacy.people.people import publishable_sizes, publishable_standing, sizes_in_steps, standing_in_steps
from reports.privacy.steps import Steps
from tests.reports.people import size, stood


def test_a_segment_tells_nothing_where_few_are_in_it_or_not_in_it() -> None:
    rows = [size("few", 7), size("small", 150), size("most", 19_996), size("known", 900, 20_495), size("good", 900)]
    found = publishable_sizes(rows, [], 10)
    assert [row["state"] for row in found] == ["withheld", "few", "withheld", "withheld", "shown"]
    assert [row["members"] for row in found] == [None, None, None, None, 900]


def test_of_two_segments_that_differ_by_few_one_is_told() -> None:
    pair = {"segment": "a", "other": "b", "only_segment": 0, "only_other": 4}
    found = publishable_sizes([size("a", 900), size("b", 904, 19_000)], [pair], 10)
    assert [row["members"] for row in found] == [900, None]
    found = publishable_sizes([size("a", 900), size("b", 1500, 20_004)], [], 10)
    assert [row["known"] for row in found] == [20_000, None]


def test_who_joined_is_not_told_where_few_did_or_few_were_there_before() -> None:
    for joined, left in ((3, 50), (50, 3), (895, 0)):
        (row,) = publishable_sizes([size("a", 900, joined=joined, left=left)], [], 10)
        assert (row["members"], row["joined"], row["left"]) == (900, None, None)


def test_sizes_of_a_second_report_are_in_steps() -> None:
    first = Steps(10)
    assert sizes_in_steps(publishable_sizes([size("a", 900)], [], 10), first)[0]["members"] == 900
    (row,) = sizes_in_steps(publishable_sizes([size("a", 906)], [], 10), Steps(10, first.counts))
    assert (row["members"], row["known"], row["share_of_known"]) == (910, 20_000, 910 / 20_000)


def test_ages_of_few_journeys_and_uncertain_waits_are_not_told() -> None:
    rows = [stood("A", 200, 300, 4), stood("B", 20, 20, 20, enough=False), stood("C", 100, 100, 100)]
    found = publishable_standing(rows, 10, 30)
    assert [row["state"] for row in found] == ["shown", "few", "shown"]
    assert [row["late"] for row in found] == [None, None, 100] and found[0]["share_late"] is None
    assert [row["fresh"] for row in found] == [None, None, 100]  # a second one goes with the small one
    assert found[1]["usual_wait"] is None and found[1]["journeys"] == 60


def test_a_stage_of_few_journeys_takes_another_with_it() -> None:
    found = publishable_standing([stood("A", 1, 1, 1), stood("B", 20, 20, 20), stood("C", 100, 100, 100)], 10, 30)
    assert [row["journeys"] for row in found] == [None, None, 300]
    assert [row["state"] for row in found] == ["withheld", "withheld", "shown"]
    assert found[0]["median_wait"] is None


def test_journeys_under_way_of_a_second_report_are_in_steps() -> None:
    first = Steps(10)
    standing_in_steps(publishable_standing([stood("A", 100, 100, 100)], 10, 30), first)
    (row,) = standing_in_steps(publishable_standing([stood("A", 100, 100, 107)], 10, 30), Steps(10, first.counts))
    assert (row["journeys"], row["late"], row["share_of_journeys"]) == (310, 110, 1.0)
    assert row["share_late"] == 110 / 310
