"""Where to resume, and when to stop loudly instead."""

from __future__ import annotations

import pytest

from expectations.errors import LandingError
from ingest.landing.offsets import application, check_end, check_generation, fingerprint, resume
from ingest.message import Partition

HERE = Partition("orders", 2)


@pytest.mark.parametrize(("landed", "beginning", "start"), [(None, 0, 0), (None, 40, 40), (0, 0, 0), (120, 40, 120)])
def test_reading_goes_on_where_landing_stopped(landed: int | None, beginning: int, start: int) -> None:
    assert resume(HERE, landed, beginning, accept_gap=False) == start


def test_records_that_are_gone_stop_the_run_until_that_is_accepted() -> None:
    with pytest.raises(LandingError, match="30 records of orders/2 were deleted") as stopped:
        resume(HERE, 10, 40, accept_gap=False)
    assert "--accept-gap" in stopped.value.do
    assert resume(HERE, 10, 40, accept_gap=True) == 40


def test_a_topic_made_anew_stops_the_run_until_that_is_accepted() -> None:
    known = fingerprint("id-1")
    assert check_generation("orders", "id-1", None, new_generation=False)
    assert not check_generation("orders", "id-1", known, new_generation=False)
    with pytest.raises(LandingError, match="recreated") as stopped:
        check_generation("orders", "id-2", known, new_generation=False)
    assert "--new-generation" in stopped.value.do
    assert check_generation("orders", "id-2", known, new_generation=True)


def test_a_partition_that_ends_before_what_was_landed_stops_the_run() -> None:
    check_end(HERE, 10, None)
    check_end(HERE, 10, 10)
    with pytest.raises(LandingError, match="ends before"):
        check_end(HERE, 11, 10)


def test_pipelines_generations_and_partitions_have_names_of_their_own() -> None:
    names = {application(p, t, n) for p in ("a", "b") for t in ("1", "2") for n in (0, 1)}
    assert len(names) == 8
    assert 0 <= fingerprint("6f2c") < 2**63
