"""Membership is that of a plain loop over each customer's touches, at every instant, however the customers are cut."""

from __future__ import annotations

import pickle
import random
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import polars as pl
import pytest

import analytics
from analytics import (
    AllOf,
    AnyOf,
    Attribute,
    ChosenByOutcomeWarning,
    Did,
    DidNot,
    FirstTouch,
    Funnel,
    InSegment,
    Listed,
    Matched,
    NoneOf,
    PathRules,
    Paths,
    Rfm,
    Segment,
    Step,
    Total,
    UnknownWordWarning,
    membership,
    segment_evidence,
    segment_sizes,
)
from expectations.errors import DefinitionError
from tests.oracles.whole_paths.segments import Touch, state
from tests.written import frame_in_parts

DAY = timedelta(days=1)
WEEK = 7 * 86_400_000_000
START = datetime(2024, 1, 1, tzinfo=UTC)
ORIGIN = int(START.timestamp()) * 1_000_000
LISTED = {"c1": START + 9 * DAY, "c3": None, "stranger": START}


def in_order(names: Sequence[str], *wanted: str) -> bool:
    return len(names) >= len(wanted) and names[0] == wanted[0] and names[-1] == wanted[-1]


def quick_buy(touches: Sequence[Touch]) -> bool:
    return (
        in_order([name for _, name, _ in touches], "cart", "buy")
        and touches[-1][0] - touches[0][0] < 2 * 86_400 * 10**6
    )


CASES: dict[str, tuple[Any, Any]] = {
    "did": (Did("buy"), ("did", ["buy"], 1, None)),
    "did within": (Did(["buy", "call"], within="7d"), ("did", ["buy", "call"], 1, WEEK)),
    "did three times": (Did("look", at_least=3, within="7d"), ("did", ["look"], 3, WEEK)),
    "did anything": (Did("*", at_least=2), ("did", ["look", "cart", "buy", "call"], 2, None)),
    "did not": (DidNot("buy", within="7d"), ("did_not", ["buy"], WEEK)),
    "total": (Total("price", at_least=20, within="7d"), ("total", "price", 20, WEEK, None)),
    "total ever of some": (Total("price", at_least=15, of="buy"), ("total", "price", 15, None, ["buy"])),
    "total below 0": (Total("price", at_least=-3, within="7d"), ("total", "price", -3, WEEK, None)),
    "attribute": (Attribute("tier", "gold", "red"), ("attribute", "tier", ["gold", "red"])),
    "attribute of numbers": (Attribute("level", 1, 2), ("attribute", "level", [1, 2])),
    "first": (FirstTouch("tier", "gold"), ("first", "tier", ["gold"])),
    "first by a condition": (FirstTouch(pl.col("level") >= 2), ("first", "level", [2, 3])),
    "matched": (
        Matched("look .* buy", within="7d"),
        ("matched", lambda own: in_order([name for _, name, _ in own], "look", "buy"), False, WEEK),
    ),
    "matched to the end": (
        Matched("cart (?!buy)* $", within="7d"),
        ("matched", lambda own: own[0][1] == "cart" and all(name != "buy" for _, name, _ in own[1:]), True, WEEK),
    ),
    "matched from the beginning": (
        Matched("^ look"),
        None,  # the oracle knows no beginning: see the test below
    ),
    "matched in time": (Matched("cart <2d buy", within="7d"), ("matched", quick_buy, False, WEEK)),
    "all": (
        AllOf(Attribute("tier", "gold"), DidNot("buy", within="7d")),
        ("all", [("attribute", "tier", ["gold"]), ("did_not", ["buy"], WEEK)]),
    ),
    "any": (
        AnyOf(Attribute("tier", "gold"), Did("buy", within="7d")),
        ("any", [("attribute", "tier", ["gold"]), ("did", ["buy"], 1, WEEK)]),
    ),
    "none": (
        NoneOf(Attribute("tier", "gold"), Did("buy", within="7d"), FirstTouch("tier", "red")),
        ("none", [("attribute", "tier", ["gold"]), ("did", ["buy"], 1, WEEK), ("first", "tier", ["red"])]),
    ),
    "in another": (
        NoneOf(InSegment(Segment("Others", DidNot("buy", within="7d"), Did("look")))),
        ("none", [("all", [("did_not", ["buy"], WEEK), ("did", ["look"], 1, None)])]),
    ),
}
KNOWN = {name: case for name, case in CASES.items() if case[1] is not None}


def drawn(seed: int, customers: int = 6) -> dict[str, list[Touch]]:
    """Random touches of some customers, at few distinct times: many are at one instant, or a window apart."""
    draw, found = random.Random(seed), {}
    for number in range(customers):
        steps = sorted(draw.choices(range(0, 40), k=draw.randint(1, 9)))
        unit = draw.choice([86_400 * 10**6 // 2, 86_400 * 10**6, WEEK // 2 + draw.choice([0, 1])])
        found[f"c{number}"] = [
            (
                ORIGIN + step * unit,
                draw.choice(["look", "look", "cart", "buy", "call"]),
                {
                    "tier": draw.choice(["gold", "red", "none", None]),
                    "level": draw.choice([1, 2, 3, None]),
                    "price": draw.choice([None, 5.0, 12.5, -4.0]),
                },
            )
            for step in steps
        ]
    return found


def shop(touches: Mapping[str, Sequence[Touch]], touches_per_part: int = 10**9, end: datetime | None = None) -> Paths:
    rows = [
        {"customer": who, "at": time, "touchpoint": name, **own}
        for who, path in touches.items()
        for time, name, own in path
    ]
    schema = {"customer": pl.String, "at": pl.Int64, "touchpoint": pl.String, "tier": pl.String}
    frame = pl.DataFrame(rows, schema={**schema, "level": pl.Int64, "price": pl.Float64})
    frame = frame.with_columns(pl.col("at").cast(pl.Datetime("us", "UTC")))
    return frame_in_parts(frame, touches_per_part, end or START + 400 * DAY)


def instants(touches: Sequence[Touch]) -> list[int]:
    """Times at which a state could change, with the microseconds around them."""
    edges = {time + off for time, _, _ in touches for off in (0, WEEK, 2 * WEEK)}
    return sorted(edge + off for edge in edges for off in (-1, 0, 1))


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("name", KNOWN)
def test_membership_is_that_of_the_oracle_at_every_touch_and_instant(name: str, seed: int) -> None:
    condition, plain = KNOWN[name]
    touches = drawn(seed)
    segment = Segment("s", condition)
    for paths in (shop(touches), shop(touches, 9)):
        column = paths.with_segments(segment).touches.select("customer", "s").collect()
        spans = membership(paths, segment)
        for customer, own in touches.items():
            words = [{True: "in", False: "out", None: None}[state(plain, own, time)] for time, _, _ in own]
            assert column.filter(customer=customer)["s"].to_list() == words
            mine = spans.filter(customer=customer).select(pl.col("since", "until").to_physical()).rows()
            assert all(one[1] + 1 < other[0] for one, other in pairwise(mine))
            for instant in instants(own):
                is_member = any(since <= instant and (until is None or instant <= until) for since, until in mine)
                assert is_member == (state(plain, own, instant) is True), instant


@pytest.mark.parametrize("seed", range(6))
def test_a_match_from_the_beginning_begins_with_the_first_touch(seed: int) -> None:
    touches = drawn(seed)
    column = shop(touches).with_segments(Segment("s", Matched("^ look"))).touches.select("customer", "s").collect()
    for customer, own in touches.items():
        expected = "in" if own[0][1] == "look" else "out"
        assert column.filter(customer=customer)["s"].to_list() == [expected] * len(own)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("name", CASES)
def test_later_touches_change_nothing_before_them(name: str, seed: int) -> None:
    touches, segment = drawn(seed), Segment("s", CASES[name][0])
    cut = sorted(time for own in touches.values() for time, _, _ in own)[10]
    before = {who: [touch for touch in own if touch[0] < cut] for who, own in touches.items()}
    whole, early = (shop(each).with_segments(segment).touches.collect() for each in (touches, before))
    assert whole.filter(pl.col("at").to_physical() < cut)["s"].to_list() == early["s"].to_list()


@pytest.mark.parametrize("seed", range(4))
def test_who_is_listed_is_in_from_then_on(seed: int) -> None:
    touches = drawn(seed)
    rows = pl.DataFrame({"customer": list(LISTED), "valid_from": list(LISTED.values())})
    paths = shop(touches, 9).with_segments(Segment("VIP", Listed(rows, name="vip")))
    column = paths.touches.select("customer", "VIP").collect()
    for customer, own in touches.items():
        since = {"c1": int(LISTED["c1"].timestamp()) * 10**6, "c3": 0}.get(customer)  # type: ignore[union-attr]
        words = ["in" if state(("listed", since), own, time) else "out" for time, _, _ in own]
        assert column.filter(customer=customer)["VIP"].to_list() == words


def test_the_worked_example_of_two_buys_in_sixty_days() -> None:
    ann = Paths.from_text({"ann": "buy@0d buy@20d visit@60d visit@61d buy@95d"}, end="120d")
    twice = Segment("Two buys", Did("buy", at_least=2, within="60d"))
    assert ann.with_segments([twice]).touches.collect()["Two buys"].to_list() == ["out", "in", "in", "out", "out"]
    assert membership(ann, twice).rows() == [("ann", START + 20 * DAY, START + 60 * DAY)]


def test_a_new_customer_is_no_lapsed_one() -> None:
    bo = Paths.from_text({"bo": "visit@0d buy@10d visit@50d"}, end="60d")
    lapsed = Segment("Lapsed", DidNot("buy", within="30d"))
    assert bo.with_segments(lapsed).touches.collect()["Lapsed"].to_list() == [None, "out", "in"]
    assert membership(bo, lapsed).rows() == [("bo", START + 40 * DAY + timedelta(microseconds=1), None)]


def test_an_attribute_with_a_history_changes_between_touches() -> None:
    history = pl.DataFrame(
        {"customer": ["ann", "ann"], "value": ["gold", None], "valid_from": [START + DAY, START + 3 * DAY]}
    )
    paths = Paths.from_text({"ann": "visit@0d visit@5d", "bo": "visit@2d"})
    gold = Segment("Gold", Attribute("tier", "gold", history=history))
    assert membership(paths, gold).rows() == [("ann", START + DAY, START + 3 * DAY - timedelta(microseconds=1))]
    assert paths.with_segments(gold).touches.collect()["Gold"].to_list() == [None, None, None]


SHOP = {"ann": "look@0d buy@1d look@10d", "bo": "look@0d look@1d buy@2d buy@9d", "cy": "look@3d"}


def test_the_groups_of_a_segment_add_up_to_the_total_in_every_measure() -> None:
    paths = Paths.from_text(SHOP, end="60d").with_segments(Segment("Lapsed", DidNot("buy", within="5d")))
    counts = analytics.funnel(paths, Funnel(["look", "buy"], window="3d", by=["Lapsed"]))
    entered = counts.filter(step=1)
    assert entered.filter("is_total")["entered"].item() == entered.filter(~pl.col("is_total"))["entered"].sum() == 3
    rate = analytics.goal_rate(paths, "buy", unit="customer", by="Lapsed")
    assert rate.filter("is_total")["units"].item() == rate.filter(~pl.col("is_total"))["units"].sum() == 3
    compared = analytics.compare(paths, analytics.match, "look", group=pl.col("Lapsed").is_null())
    assert len(compared) == 1


def test_a_cut_keeps_what_was_before_it() -> None:
    twice = Segment("Twice", Did("buy", at_least=2))
    paths = Paths.from_text({"ann": "buy@0d buy@2d look@4d"}, end="9d")
    late = [START + 3 * DAY, None]
    assert paths.between(*late).with_segments(twice).touches.collect()["Twice"].to_list() == ["in"]
    assert paths.with_segments(twice).between(*late).touches.collect()["Twice"].to_list() == ["in"]
    assert membership(paths.between(*late), twice)["since"].item() == START + 2 * DAY


def test_paths_that_begin_in_a_segment() -> None:
    rules = PathRules(goal=["buy"])
    paths = Paths.from_text({"ann": "look@0d buy@1d look@2d look@3d", "bo": "look@0d"}, end="60d", rules=rules)
    again = paths.with_segments(Segment("Buyers", Did("buy"))).begun_with("Buyers", "in", unit="journey")
    assert len(again) == 2 and analytics.goal_rate(again, "buy")["units"].to_list() == [1]
    assert (
        len(paths.with_segments(Segment("Never", Did("look", at_least=9))).begun_with("Never", "in", unit="journey"))
        == 0
    )


def test_a_question_that_names_no_segment_does_not_pay(monkeypatch: pytest.MonkeyPatch) -> None:
    paths = Paths.from_text(SHOP).with_segments(Segment("Buyers", Did("buy")))

    def never(*_: Any) -> None:
        raise AssertionError

    monkeypatch.setattr(Did, "states", never)
    assert len(analytics.transitions(paths)) and len(analytics.funnel(paths, Funnel(["look", "buy"])))
    with pytest.raises(AssertionError):
        analytics.transitions(paths, by="Buyers")


def test_a_saved_copy_has_the_column(tmp_path: Any) -> None:
    paths = Paths.from_text(SHOP).with_segments(Segment("Lapsed", DidNot("buy", within="5d")))
    paths.save(tmp_path)
    assert Paths.open(tmp_path).touches.collect().equals(paths.touches.collect())
    again = Paths.open(tmp_path)
    with pytest.raises(DefinitionError, match="called like a column"):
        again.with_segments(Segment("Lapsed", Did("buy")))


def test_no_touches_and_one_touch() -> None:
    for text, words in (({}, []), ({"ann": "buy@0d"}, ["in"])):
        paths = Paths.from_text(text)
        segment = Segment("s", Did("buy"))
        assert paths.with_segments(segment).touches.collect()["s"].to_list() == words
        assert len(membership(paths, segment)) == len(words)
        assert segment_sizes(paths, segment)["members"].to_list() == [1] * len(words)


def test_a_measure_with_a_segment_is_picklable() -> None:
    paths = Paths.from_text(SHOP).with_segments(Segment("Lapsed", DidNot("buy", within="5d")))
    part = pickle.loads(pickle.dumps(paths.parts[0]))
    assert part.read(["Lapsed"]).equals(paths.parts[0].read(["Lapsed"]))


def test_the_hash_is_of_the_definition_alone() -> None:
    one = Segment("a", Did("buy", within="7d"))
    assert one.hash == Segment("b", Did("buy", within=timedelta(days=7)), version=2, says="x").hash
    others = [
        Segment("a", Did("buy", within="8d")),
        Segment("a", Did("buy", at_least=2, within="7d")),
        Segment("a", Did(Step("buy", pl.col("price") > 1), within="7d")),
        Segment("a", DidNot("buy", within="7d")),
        Segment("a", InSegment(one)),
    ]
    assert len({one.hash, *(other.hash for other in others)}) == 6


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Did("buy", at_least=0), "counted from 1"),
        (lambda: Did("buy", within="30"), "not a length of time"),
        (lambda: Did("buy", within="0d"), "above 0"),
        (lambda: DidNot("buy"), "needs a time"),
        (lambda: Did([]), "names nothing"),
        (lambda: Total("price", at_least="much"), "a number"),  # type: ignore[arg-type]
        (lambda: Attribute("tier"), "names nothing"),
        (lambda: FirstTouch("tier"), "names nothing"),
        (lambda: Matched("look ["), "invalid"),
        (AllOf, "no condition"),
        (lambda: Segment("s"), "no condition"),
        (lambda: Segment(" ", Did("buy")), "no name"),
        (lambda: Segment("s", Did("buy"), version=0), "whole number"),
        (lambda: Listed(pl.DataFrame({"who": ["ann"]})), "no column 'customer'"),
    ],
)
def test_a_condition_that_means_nothing_is_refused(make: Any, message: str) -> None:
    with pytest.raises(DefinitionError, match=message):
        make()


@pytest.mark.parametrize(
    ("segments", "message"),
    [
        ([Segment("s", Did("buy")), Segment("s", Did("look"))], "Two segments are called 's'"),
        ([Segment("touchpoint", Did("buy"))], "called like a column"),
        ([Segment("s", Attribute("teir", "gold"))], "no column 'teir'"),
        ([Segment("s", Total("touchpoint", at_least=1))], "cannot be added up"),
        ([Segment("s", Listed(["nobody"], name="vip.csv"))], "No customer of the paths"),
        ([Segment("s", Matched("look*"))], "without touches"),
        ([Segment("s", Matched("look ("))], "This pattern is invalid"),
    ],
)
def test_a_segment_that_does_not_fit_the_paths_is_refused(segments: list[Segment], message: str) -> None:
    with pytest.raises(DefinitionError, match=message):
        Paths.from_text(SHOP).with_segments(segments)


def test_an_unknown_touchpoint_is_warned_of() -> None:
    with pytest.warns(UnknownWordWarning, match="did you mean 'buy'"):
        Paths.from_text(SHOP).with_segments(Segment("s", Did("buyy")))


def test_a_segment_that_counts_what_is_measured_is_warned_of() -> None:
    paths = Paths.from_text(SHOP, end="60d").with_segments(
        [Segment("Buyers", Did("buy")), Segment("Lookers", Did("look"))]
    )
    with pytest.warns(ChosenByOutcomeWarning, match="Segment 'Buyers' counts 'buy'"):
        analytics.funnel(paths, Funnel(["look", "buy"], by=["Buyers"], attribution="last"))
    analytics.funnel(paths, Funnel(["look", "buy"], by=["Buyers"]))  # warnings are errors
    analytics.funnel(paths, Funnel(["look", "buy"], by=["Lookers"], attribution="last"))
    with pytest.warns(ChosenByOutcomeWarning):
        analytics.funnel(paths, Funnel(["look", Step("buy", pl.col("Buyers") == "in")]))
    rules = PathRules(goal=["buy"])
    cut = Paths.from_text(SHOP, end="60d", rules=rules).with_segments(Segment("Buyers", Did("buy")))
    with pytest.warns(ChosenByOutcomeWarning):
        analytics.variants(cut, where=pl.col("Buyers") == "in")


def test_patterns_and_scores_count_touchpoints_too() -> None:
    paths = Paths.from_text(SHOP, end="60d", rules=PathRules(goal=["buy"]))
    segments = [Segment("Quick", Matched("look buy")), Segment("Best", Rfm("champions"))]
    assert [segment.checked(paths).touchpoints for segment in segments] == [{"look", "buy"}, {"buy"}]


def objecting(*who: str) -> Paths:
    made = Paths.from_text(SHOP, end="60d")
    return Paths(made.parts, made.schema, made.dictionaries, made.end_of_data, objected=who)


def test_who_objects_is_in_no_segment() -> None:
    paths, buyers = objecting("bo"), Segment("Buyers", Did("buy"))
    assert membership(paths, buyers)["customer"].to_list() == ["ann"]
    column = paths.with_segments(buyers).touches.collect()
    assert column.filter(customer="bo")["Buyers"].null_count() == 4
    assert (
        paths.with_segments(Segment("None", NoneOf(Did("buy"))))
        .touches.collect()
        .filter(customer="bo")["None"]
        .null_count()
        == 4
    )
    last = segment_sizes(paths, buyers, at=[START + 20 * DAY]).row(0, named=True)
    assert (last["members"], last["known"], last["customers"]) == (1, 2, 3)
    with pytest.raises(DefinitionError, match="objects to profiling"):
        segment_evidence(paths, buyers, "bo")


def test_why_a_customer_is_in() -> None:
    paths = Paths.from_text(SHOP, end="60d")
    segment = Segment("s", Did("buy", at_least=2), NoneOf(Attribute("touchpoint", "call")))
    rows = segment_evidence(paths, segment, "bo")
    assert rows["state"].to_list() == ["in", "in", "in", "out"]
    assert rows["at"].to_list() == [None, START + 2 * DAY, START + 9 * DAY, None]
    early = segment_evidence(paths, segment, "bo", at=START + 2 * DAY)
    assert early["state"].to_list() == ["out", "out", "out"] and early["touchpoint"].to_list() == [None, "buy", None]
    for customer, at, message in (("zoe", None, "no such customer"), ("cy", START, "no touch up to then")):
        with pytest.raises(DefinitionError, match=message):
            segment_evidence(paths, segment, customer, at=at)
