"""Sizes, those who joined and left, and overlaps, beside a plain loop over customers."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from analytics import Attribute, Did, DidNot, NoneOf, Paths, Segment, overlaps, segment_sizes
from analytics.segments.named.segment import bound_segments
from analytics.segments.named.sizes import SegmentOverlaps, SegmentSizes
from expectations.errors import DefinitionError
from tests.oracles.whole_paths.segments import Touch, state
from tests.written import assert_counts_add_up, frame_in_parts

START = datetime(2024, 1, 1, tzinfo=UTC)
DAY = 86_400_000_000
ORIGIN = int(START.timestamp()) * 1_000_000
PLAIN: dict[str, tuple[Segment, Any]] = {
    "Buyers": (Segment("Buyers", Did("buy", within="9d"), version=3), ("did", ["buy"], 1, 9 * DAY)),
    "Lapsed": (Segment("Lapsed", DidNot("buy", within="5d")), ("did_not", ["buy"], 5 * DAY)),
    "Gold": (Segment("Gold", NoneOf(Attribute("tier", "red"))), ("none", [("attribute", "tier", ["red"])])),
}
SEGMENTS = [segment for segment, _ in PLAIN.values()]


def drawn(seed: int) -> dict[str, list[Touch]]:
    draw = random.Random(seed)
    return {
        f"c{number}": [
            (ORIGIN + step * DAY // 2, draw.choice(["look", "buy"]), {"tier": draw.choice(["red", "gold", None])})
            for step in sorted(draw.choices(range(90), k=draw.randint(1, 8)))
        ]
        for number in range(14)
    }


def shop(touches: dict[str, list[Touch]], size: int = 10**9) -> Paths:
    rows = [
        {"customer": who, "at": at, "touchpoint": name, **own}
        for who, path in touches.items()
        for at, name, own in path
    ]
    frame = pl.DataFrame(rows).with_columns(pl.col("at").cast(pl.Datetime("us", "UTC")))
    return frame_in_parts(frame, size, START + timedelta(days=60))


def at_monday(touches: dict[str, list[Touch]]) -> list[int]:
    first = min(path[0][0] for path in touches.values())
    return [instant for week in range(9) if first <= (instant := ORIGIN + week * 7 * DAY) <= ORIGIN + 60 * DAY]


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("size", [10**9, 12])
def test_sizes_are_those_of_a_loop_and_add_up(seed: int, size: int) -> None:
    touches = drawn(seed)
    rows = segment_sizes(shop(touches, size), SEGMENTS).to_dicts()
    expected = []
    for name, (segment, plain) in PLAIN.items():
        before: set[str] | None = None
        for instant in at_monday(touches):
            states = {who: state(plain, path, instant) for who, path in touches.items() if path[0][0] <= instant}
            now = {who for who, holds in states.items() if holds}
            known = sum(holds is not None for holds in states.values())
            moved = (None, None) if before is None else (len(now - before), len(before - now))
            expected.append((name, segment.version, instant, len(now), known, len(states), *moved))
            before = now
    names = ("segment", "version", "at", "members", "known", "customers", "joined", "left")
    micros = [{**row, "at": int(row["at"].timestamp()) * 1_000_000} for row in rows]
    assert [tuple(row[name] for name in names) for row in micros] == expected
    for one, other in pairwise(rows):
        if one["segment"] == other["segment"]:
            assert other["members"] == one["members"] + other["joined"] - other["left"]
    for row in rows:
        share = row["share_of_known"]
        assert share == (row["members"] / row["known"] if row["known"] else None)
        assert share is None or row["share_of_known_low"] <= share <= row["share_of_known_high"]


@pytest.mark.parametrize("seed", range(6))
def test_overlaps_are_those_of_sets(seed: int) -> None:
    touches, instant = drawn(seed), ORIGIN + 30 * DAY
    seen = {who: path for who, path in touches.items() if path[0][0] <= instant}
    members = {
        name: {who for who, path in seen.items() if state(plain, path, instant)} for name, (_, plain) in PLAIN.items()
    }
    rows = overlaps(shop(touches, 12), SEGMENTS, at=START + timedelta(days=30)).to_dicts()
    assert [(row["segment"], row["other"]) for row in rows] == [
        ("Buyers", "Lapsed"),
        ("Buyers", "Gold"),
        ("Lapsed", "Gold"),
    ]
    for row in rows:
        one, other = members[row["segment"]], members[row["other"]]
        counts = (len(one & other), len(one - other), len(other - one), len(seen))
        assert (row["both"], row["only_segment"], row["only_other"], row["customers"]) == counts
        assert row["jaccard"] == (len(one & other) / len(one | other) if one | other else None)
        lift = (len(one & other) / len(other)) / (len(one) / len(seen)) if one and other else None
        assert row["lift"] == pytest.approx(lift) if lift is not None else row["lift"] is None


def test_parts_add_up_in_any_order() -> None:
    paths = shop(drawn(1))
    bound = tuple(bound_segments(paths, SEGMENTS))
    instants = tuple(ORIGIN + day * DAY for day in range(0, 60, 7))
    assert_counts_add_up(SegmentSizes(bound, instants), paths, 12)
    assert_counts_add_up(SegmentOverlaps(bound, instants[4]), paths, 12)


def test_every_so_many_days_or_months() -> None:
    paths = Paths.from_text({"ann": "buy@1d buy@50d"}, end="70d")
    buyers = Segment("Buyers", Did("buy"))
    for every, first, count in (
        ("1d", START + timedelta(days=1), 70),
        ("1mo", datetime(2024, 2, 1, tzinfo=UTC), 2),
        ("4w", START + timedelta(days=28), 2),
    ):
        rows = segment_sizes(paths, buyers, every=every)
        assert (rows["at"][0], len(rows)) == (first, count), every


@pytest.mark.parametrize(
    "asked",
    [
        {"every": "12h"},
        {"every": "week"},
        {"at": []},
        {"at": [START + timedelta(days=2), START]},
        {"at": [START + timedelta(days=900)]},
    ],
)
def test_other_instants_are_refused(asked: dict[str, Any]) -> None:
    with pytest.raises(DefinitionError):
        segment_sizes(Paths.from_text({"ann": "buy@0d"}, end="9d"), Segment("Buyers", Did("buy")), **asked)


def test_nothing_and_one_segment() -> None:
    nobody = Paths.from_text({})
    assert segment_sizes(nobody, SEGMENTS[:2]).is_empty() and overlaps(nobody, SEGMENTS[:2])["both"].to_list() == [0]
    assert overlaps(Paths.from_text({"ann": "buy@0d"}), SEGMENTS[:1]).is_empty()
    empty = segment_sizes(nobody, SEGMENTS[0])
    assert_frame_equal(empty, segment_sizes(Paths.from_text({"ann": "buy@0d"}), SEGMENTS[0]).clear())
