"""Sessions are counted by intent and kind as the definition says."""

from __future__ import annotations

import random
import statistics
from datetime import timedelta
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from pydantic import ValidationError

from analytics import Intent, Paths, UnknownWordWarning, moments, wilson
from expectations.errors import DefinitionError
from tests.oracles.whole_paths.moments import DAY, Seen, counts
from tests.written import START, frame_in_parts

RULES: list[dict[str, Any]] = [
    {"name": "buy", "touchpoints": ["cart", "order"], "useful": ["order"]},
    {"name": "do", "touchpoints": ["help"], "unless": ["call"]},
    {"name": "go", "touchpoints": ["finder"], "useful": ["store"], "within": 9 * DAY},
    {"name": "know", "touchpoints": ["search", "product"]},
]
INTENTS = [
    Intent(**rule | ({"within": timedelta(seconds=rule["within"])} if "within" in rule else {})) for rule in RULES
]
NAMES = ["search", "product", "cart", "order", "help", "call", "finder", "store", "home", "error page"]
COUNTS = (
    "sessions",
    "mature",
    "there",
    "judged",
    "useful",
    "timed",
    "quick",
    "back_1d",
    "back_7d",
    "followed",
    "reached",
)
LOOKS = "search@0s[session=1,device=mobile] product@40s[session=1,device=mobile]"


def drawn(seed: int) -> dict[str, list[Seen]]:
    """Customers with several sessions, on whole half minutes so that times are often equal."""
    draw = random.Random(seed)
    people: dict[str, list[Seen]] = {}
    for number in range(draw.randint(1, 12)):
        at, own = draw.randint(0, 5) * DAY, []
        for session in range(1, draw.randint(2, 7)):
            at += draw.choice([DAY, 3600, 2 * DAY, 7 * DAY, 1800 + draw.randint(1, DAY)])
            for _ in range(draw.choice([1, 1, 2, 3, 5])):
                device = draw.choice(["mobile", "mobile", "tablet", "desktop", None])
                own.append(Seen(at, draw.choice(NAMES), session, device, draw.choice([None, 1.0, 3.0, 3.5])))
                at += draw.choice([0, 30, 60, 90, 180])
        people[f"c{number}"] = own
    return people


def shop(people: dict[str, list[Seen]], size: int = 10**9) -> Paths:
    rows = [
        (who, START + timedelta(seconds=t.at), t.name, t.session, t.device, t.seconds)
        for who, own in people.items()
        for t in own
    ]
    schema = {
        "customer": pl.String,
        "at": pl.Datetime("us", "UTC"),
        "touchpoint": pl.String,
        "session": pl.UInt32,
        "device": pl.String,
        "seconds": pl.Float64,
    }
    return frame_in_parts(pl.DataFrame(rows, schema=schema, orient="row"), size, START + timedelta(days=25))


@pytest.mark.parametrize("seed", range(15))
def test_counts_are_those_of_a_loop_over_sessions(seed: int) -> None:
    people = drawn(seed)
    given: dict[str, Any] = {"entries": ["search", "home"], "load_seconds": "seconds", "goal": "order"}
    found = moments(shop(people), INTENTS, longest="4m", **given)
    expected = counts(
        people, RULES, longest=240, end=25 * DAY, entries=given["entries"], goal="order", horizon=30 * DAY
    )
    assert found.select("intent", "kind").rows() == sorted(
        expected,
        key=lambda key: (
            [*(rule["name"] for rule in RULES), "unclear"].index(key[0]),
            ["moment", "glance", "sitting", "not handheld"].index(key[1]),
        ),
    )
    alone = [
        counts({who: own}, RULES, longest=240, end=25 * DAY, entries=given["entries"], goal="order", horizon=30 * DAY)
        for who, own in people.items()
    ]
    for row in found.to_dicts():
        own = expected[row["intent"], row["kind"]]
        each = [one[row["intent"], row["kind"]] for one in alone if (row["intent"], row["kind"]) in one]
        for part, whole in (("there", "mature"), ("useful", "judged"), ("quick", "timed")):
            assert row[f"customers_{part}"] == sum(one[part] > 0 for one in each), part
            assert row[f"customers_not_{part}"] == sum(one[whole] > one[part] for one in each), part
        assert {name: row[name] for name in COUNTS} == {name: own[name] for name in COUNTS}
        assert row["customers"] == len(own["people"])
        median = timedelta(seconds=statistics.median(own["waits"])) if own["waits"] else None
        assert row["median_useful"] == median
        assert row["useful_rate"] == (own["useful"] / own["judged"] if own["judged"] else None)
    assert found["share_of_sessions"].sum() == pytest.approx(1)
    assert_frame_equal(moments(shop(people, 9), INTENTS, longest="4m", **given), found, check_exact=True)


def test_groups_are_those_of_the_first_touch_and_add_up() -> None:
    paths = shop(drawn(7))
    whole = moments(paths, INTENTS, by="device")
    total, groups = whole.filter("is_total"), whole.filter(~pl.col("is_total"))
    assert_frame_equal(total.drop("device"), moments(paths, INTENTS), check_exact=True)
    sums = groups.group_by("intent", "kind", maintain_order=True).agg(pl.col(COUNTS).sum())
    assert sums.sort("intent", "kind").equals(total.select("intent", "kind", *COUNTS).sort("intent", "kind"))
    assert groups.filter(pl.col("kind") == "not handheld")["device"].unique().sort().to_list() == [None, "desktop"]


def test_the_window_of_the_goal_is_inclusive_and_the_interval_is_of_customers() -> None:
    text = {f"c{n}": f"{LOOKS} product@{30 if n < 4 else 31}d[session=2,device=desktop]" for n in range(8)}
    found = moments(Paths.from_text(text, end="60d"), [Intent(name="know", touchpoints=["search"])], goal="product")
    row = found.row(0, named=True)
    assert (row["intent"], row["kind"], row["followed"], row["reached"]) == ("know", "moment", 8, 8)
    found = moments(Paths.from_text(text, end="60d"), [Intent(name="know", touchpoints=["search"], useful=["product"])])
    row = found.row(0, named=True)
    low, high = wilson(8, 8)
    assert (row["useful_rate"], row["useful_rate_low"], row["useful_rate_high"]) == (1, float(low), float(high))
    assert row["goal_rate"] is None and row["there_rate"] is None and row["quick_rate"] is None


def test_no_session_gives_no_rows_and_one_touch_is_a_glance() -> None:
    assert moments(shop({}), INTENTS).is_empty()
    one = moments(shop({"a": [Seen(0, "home", 1, "app", None)]}), INTENTS)
    assert one.select("intent", "kind", "sessions", "there").rows() == [("unclear", "glance", 1, 0)]


def test_a_touchpoint_in_two_intents_is_of_the_first_and_that_is_told() -> None:
    twice = [Intent(name="a", touchpoints=["search"]), Intent(name="b", touchpoints=["search", "product"])]
    with pytest.warns(UserWarning, match="'search' is in two intents: a session with it is 'a', not 'b'"):
        found = moments(Paths.from_text({"ann": LOOKS}), twice)
    assert found["intent"].to_list() == ["a"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"longest": "3"}, "length of time"),
        ({"longest": "0s"}, "takes some time"),
        ({"device": "phone"}, "handheld is not known"),
        ({"load_seconds": "device"}, "is a number"),
        ({"load_seconds": "none"}, "no column"),
        ({"handheld": ()}, "handheld names nothing"),
        ({"by": "kind"}, "cannot be a breakdown"),
    ],
)
def test_what_cannot_be_asked_is_refused(options: dict[str, Any], words: str) -> None:
    paths = Paths.from_text({"ann": LOOKS.replace("session", "kind=x,session")})
    with pytest.raises(DefinitionError, match=words):
        moments(paths, [Intent(name="know", touchpoints=["search"])], **options)


def test_intents_have_names_of_their_own_and_rules_that_can_be_kept() -> None:
    paths, know = Paths.from_text({"ann": LOOKS}), Intent(name="know", touchpoints=["search"])
    for intents in ([], [know, know], [Intent(name=str(n), touchpoints=[f"t{n}"]) for n in range(21)]):
        with pytest.raises(DefinitionError, match="told by intents"):
            moments(paths, intents)
    for wrong in (
        {"name": "unclear"},
        {"touchpoints": []},
        {"useful": ["a"], "unless": ["b"]},
        {"within": "0s"},
        {"within": "7"},
    ):
        with pytest.raises(ValidationError):
            Intent(**{"name": "know", "touchpoints": ["search"], **wrong})
    with pytest.raises(DefinitionError, match="session"):
        moments(Paths.from_text({"ann": "search@0s[device=mobile]"}), [know])
    with pytest.warns(UnknownWordWarning, match="serach"):
        moments(paths, [Intent(name="know", touchpoints=["serach"])])
