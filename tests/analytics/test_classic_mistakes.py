"""What measures of customers often get wrong: each mistake would give another number in a case small enough to see."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from analytics import (
    Attribution,
    Experiment,
    Funnel,
    Metric,
    Paths,
    Prediction,
    attribution,
    change,
    diff,
    drivers,
    experiment,
    lapse,
    lifecycle,
    record_restatements,
    restatements,
    retention,
    watch,
)
from analytics import kept_run as kept
from analytics.goals.ahead.definition import Cutoffs
from analytics.stitching.known import known_customers
from tests.analytics.monitoring.runs.histories import RULES, History
from tests.analytics.monitoring.runs.histories import START as LAKE_START
from tests.written import START

DAY = timedelta(days=1)
BUY = Funnel(["cart", "pay"], window="2d")


def people(count: int, text: str, name: str) -> dict[str, str]:
    """So many customers with these touches."""
    return {f"{name}{number}": text for number in range(count)}


def test_a_period_that_is_not_over_is_not_counted() -> None:
    """On day 10 only half of the second week is over: of those who came back in it nothing is told, and no 0 either."""
    visits = {"ann": "look@0d look@8d", "bo": "look@1d", "cy": "look@1d"}
    assert retention(Paths.from_text(visits, end="10d"), period="week", periods=[1]).is_empty()
    assert retention(Paths.from_text(visits, end="14d"), period="week", periods=[1])["share"][0] == pytest.approx(1 / 3)
    assert len(lifecycle(Paths.from_text(visits, end="13d"))) == 1


def test_nobody_is_alerted_of_a_day_that_is_not_over() -> None:
    """Every day 40 look and 30 of them buy; the last day has an hour, and nobody has bought yet."""
    days = {
        f"{day} {n}": f"look@{24 * day}h" + (f" buy@{24 * day + 1}h" if n < 30 else "")
        for day in range(60)
        for n in range(40)
    }
    today = {f"60 {n}": "look@1440h" for n in range(40)}
    found = watch(Paths.from_text(days | today, end="1441h"))
    assert found.tested_until is not None and found.tested_until <= START + 60 * DAY
    assert found.alerts.filter(measure="pair").is_empty()


def test_who_has_not_lapsed_is_followed_to_the_last_time_a_lapse_could_be_known() -> None:
    """Bo's last touch before day 10 is on day 2; censored there, nobody would be left when Ann lapses on day 4."""
    table = lapse(Paths.from_text({"ann": "look@0d look@4d", "bo": "look@0d look@2d look@12d"}, end="40d"), gap="30d")
    assert table.select("time", "at_risk", "events", "active").rows()[0] == (4 * DAY, 2, 1, 0.5)
    assert table["time"].to_list() == [4 * DAY, 10 * DAY]


def test_new_is_who_is_active_first_and_not_who_is_first_seen_or_recorded() -> None:
    """Bo's record is of the first week and Bo was seen then, but is first active in the second."""
    paths = Paths.from_text({"ann": "buy@0d", "bo": "mail@1d buy@8d"}, end="14d")
    assert lifecycle(paths, "buy").select("new", "begins").rows() == [(1, True), (1, False)]


def test_credit_is_also_from_those_who_do_not_convert() -> None:
    """Each channel is in ten paths that convert; only the second is in thirty that do not."""
    won, lost = people(10, "one@0d two@1d buy@2d", "w"), people(30, "two@0d", "l")
    definition = Attribution("buy", on="touchpoint", models=["linear", "markov"], lookback="9d")
    found = attribution(Paths.from_text(won | lost, end="60d"), definition)
    earned = found.drop_nulls("credited").iter_rows(named=True)
    credit = {f"{row['model']} {row['credited']}": row["credit"] for row in earned}
    assert credit["linear one"] == credit["linear two"] == 5 and found["nulls"][0] == 30
    assert credit["markov one"] != pytest.approx(5)


def test_a_markov_chain_is_solved_and_not_simulated() -> None:
    paths = Paths.from_text({"x": "a@0d b@1d buy@2d", "y": "a@0d", "z": "b@0d buy@1d"}, end="60d")
    found = attribution(paths, Attribution("buy", on="touchpoint", models=["markov"], lookback="9d"))
    credit = dict(found.drop_nulls("credited").select("credited", "credit").iter_rows())
    assert credit == pytest.approx({"b": 4 / 3, "a": 2 / 3}, abs=1e-12)


def dropped(share: float, size: int = 200, text: str = "cart@1d", name: str = "c") -> dict[str, str]:
    """Customers of whom a share drops after the cart."""
    return {f"{name}{n}": text + (" help@2d" if n < share * size else " pay@2d") for n in range(size)}


def test_no_driver_of_a_drop_is_a_step_of_the_funnel_or_comes_after_it() -> None:
    """All who drop ask for help after it, and all who go on pay: both tell the outcome, and neither explains it."""
    paths = Paths.from_text(dropped(0.5) | dropped(0.3, text="home@0d cart@1d", name="h"), end="60d")
    found = drivers(paths, BUY)
    ranked = found.filter(pl.col("kind").is_in(["attribute", "met", "count"]))
    assert set(ranked["factor"]) >= {"met:home"} and not {"met:cart", "met:pay", "met:help"} & set(ranked["factor"])


def test_a_share_of_several_cohorts_is_of_their_members_and_no_mean_of_shares() -> None:
    """Of 99 who began in the first week a third comes back, of the one of the second week all: 34 of 100, no 67 %."""
    visits = people(33, "look@0d look@8d", "a") | people(66, "look@0d", "b") | {"c": "look@9d look@15d"}
    table = retention(Paths.from_text(visits, end="21d"), period="week", periods=[1])
    assert table.filter("is_total")["share"].to_list() == [0.34]
    assert table.filter(~pl.col("is_total"))["share"].to_list() == [pytest.approx(1 / 3), 1.0]


def test_mix_and_rate_leave_nothing_unexplained() -> None:
    """Phones go from a third to two thirds while the rate falls on both: all of the fall is mix or rate."""

    def period(day: int, phones: int, desks: int, of_phones: float, of_desks: float) -> dict[str, str]:
        return {
            f"{day} {device} {n}": f"cart@{day}d[device={device}]" + (f" pay@{day + 1}d" if n < share * size else "")
            for device, size, share in (("phone", phones, of_phones), ("desk", desks, of_desks))
            for n in range(size)
        }

    paths = Paths.from_text(period(0, 100, 200, 0.3, 0.6) | period(10, 200, 100, 0.25, 0.5), end="60d")
    spans = {"before": (START, START + 5 * DAY), "after": (START + 10 * DAY, START + 15 * DAY)}
    found = change(paths, BUY, by="device", **spans)  # type: ignore[arg-type]
    total = found.filter(effect="total")["contribution"].item()
    assert total == pytest.approx((50 + 50) / 300 - (30 + 120) / 300)
    parts = found.filter(pl.col("effect").is_in(["mix", "rate"]))
    assert parts["contribution"].sum() == pytest.approx(total, abs=1e-12)
    assert (parts.group_by("effect").agg(pl.col("contribution").sum())["contribution"] < 0).all()


def test_no_week_is_both_learned_from_and_tested() -> None:
    cutoffs = Cutoffs.of(Prediction("buy"), START, START + 120 * DAY, START + 120 * DAY)
    assert max(cutoffs.learned) + 14 * DAY <= cutoffs.tested
    assert all(one < other for one, other in pairwise(cutoffs.learned))


def test_whoever_signs_in_later_was_not_known_before(tmp_path: Path) -> None:
    """The browser of day 1 is Ann's by a login of day 9: five days after it, they are still two."""
    shop = History(tmp_path)
    shop.land(("look", 1, None, "x"), ("look", 2, "ann", None), ("login", 9, "ann", "x"))

    def customers(day: int) -> int:
        known = known_customers(shop.lake, RULES, LAKE_START + day * DAY)
        return sum(each.touches["_customer"].n_unique() for each in known)

    assert (customers(6), customers(10)) == (2, 1)


def test_dozens_of_p_values_are_corrected_together() -> None:
    """Twenty columns of noise: alone some would be found, together none is."""
    draw = np.random.default_rng(3)
    names = [f"tier{number}" for number in range(20)]

    def row(number: int) -> dict[str, Any]:
        return {name: f"{draw.integers(2)}" for name in names} | {"customer": f"c{number}"}

    rows = [row(number) for number in range(600)]
    touches: Iterable[dict[str, Any]] = (
        each | {"touchpoint": name, "at": START + hour * timedelta(hours=1)}
        for number, each in enumerate(rows)
        for hour, name in enumerate(("cart", "pay")[: 1 + number % 2])
    )
    paths = Paths.from_frame(pl.DataFrame(list(touches)), end_of_data=START + 60 * DAY)
    found = drivers(paths, BUY, factors=names).filter(kind="attribute")
    assert found["p_value"].min() < 0.05 < found["p_corrected"].min()


def variants(a: tuple[int, int], b: tuple[int, int], **options: Any) -> dict[str, Any]:
    """The row of variant B, of customers and buyers of both."""
    visits = {
        f"{name}{n}": f"see@1d[v={name}]" + (f" buy@2d[v={name}]" if n < buyers else "")
        for name, (size, buyers) in (("A", a), ("B", b))
        for n in range(size)
    }
    asked = Experiment("x", "see", variant="v", metrics=Metric("buy"), window="5d")
    return experiment(Paths.from_text(visits, end="60d"), asked, **options).row(1, named=True)


def test_an_experiment_that_may_be_looked_at_daily_is_not_judged_as_if_looked_at_once() -> None:
    """Of 1,000 each, 200 and 250 buy: clear at one look that was fixed before, and not yet at any look."""
    once, daily = (variants((1000, 200), (1000, 250), **given) for given in ({"horizon": "fixed"}, {}))
    assert once["low"] > 0 and once["verdict"] == "better"
    assert daily["low"] < 0 < daily["high"] and daily["verdict"] == "undecided"


def test_an_experiment_whose_customers_fall_unevenly_decides_nothing() -> None:
    row = variants((600, 60), (400, 200))
    assert row["srm"] and row["p_corrected"] < 1e-6 and row["verdict"] == "undecided"


def test_a_past_that_changes_is_told(tmp_path: Path) -> None:
    """A number of a week that was over moves when an order of it lands late: it is restated, with then, now and why."""
    shop = History(tmp_path)
    shop.land(("look", 0, "ann", None), ("buy", 1, "ann", None), ("look", 20, "zed", None))
    shop.report()
    shop.land(("look", 3, "bo", None), ("buy", 4, "bo", None))
    shop.report()
    found = diff(shop.lake)
    record_restatements(shop.lake, found, *(kept(shop.lake, name) for name in ("report-1", "report-2")))
    told = restatements(shop.lake).filter(part="goals", name="Order")
    assert told.select("then", "now", "late", "cause").rows() == [(1, 2, 1, "late")]
