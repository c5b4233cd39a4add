"""An incident is found on its first day, told once, with its pair, group and days; quiet data are quiet."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache

import numpy as np
import polars as pl
import pytest

from analytics import Paths, WatchRun, watch
from analytics.monitoring.watching.incidents import Flows, Watched, most_unlikely
from expectations.errors import DefinitionError

START = datetime(2026, 1, 5, tzinfo=UTC)
DAYS = 70


def shop(
    seed: int, *, fall: tuple[int, int] | None = None, without: tuple[str, int] | None = None, days: int = DAYS
) -> Paths:
    """Journeys of words that no rule knows; in a fall, half of those by one device do not go on."""
    draw = np.random.default_rng(seed)
    day = np.repeat(np.arange(days), draw.poisson(220, days))
    size = len(day)
    device = draw.choice(["phone", "desk", "tablet"], size, p=[0.5, 0.3, 0.2])
    channel = draw.choice(["site", "shop"], size, p=[0.7, 0.3])
    middle = draw.random(size) < 0.7
    chance = np.full(size, 0.6)
    if fall is not None:
        chance[(day >= fall[0]) & (day <= fall[1]) & (device == "phone")] = 0.3
    last = middle & (draw.random(size) < chance)
    second = draw.integers(0, 80_000, size)
    tables = []
    for name, there, later in (("apply", np.ones(size, bool), 0), ("quote", middle, 60), ("sign", last, 120)):
        rows = np.flatnonzero(there)
        at = pl.Series((day[rows] * 86_400 + second[rows] + later) * 1_000_000).cast(pl.Duration("us")) + START
        tables.append(
            pl.DataFrame(
                {
                    "customer": np.char.add("c", rows.astype(str)),
                    "at": at,
                    "touchpoint": [name] * len(rows),
                    "device": device[rows],
                    "channel": channel[rows],
                }
            )
        )
    frame = pl.concat(tables)
    if without is not None:
        of_day = (pl.col("at") - START).dt.total_days() == without[1]
        frame = frame.filter(~((pl.col("channel") == without[0]) & of_day))
    return Paths.from_frame(frame, end_of_data=START + timedelta(days=days, hours=2))


@cache
def fallen() -> WatchRun:
    return watch(shop(1, fall=(50, 55)))


def day(number: int) -> datetime:
    return START + timedelta(days=number)


def test_an_incident_is_one_alert_of_its_pair_group_and_days() -> None:
    alerts = fallen().alerts.filter(measure="pair")
    row = alerts.row(0, named=True)
    assert len(alerts) == 1
    assert (row["name"], row["by"], row["group"]) == ("quote -> sign", "device", "phone")
    assert (row["since"], row["until"], row["status"]) == (day(50), day(55), "closed")
    assert row["opened"] <= day(51)
    assert row["closed"] == day(57)
    assert "quote -> sign" in row["folded"]
    assert row["expected"] == pytest.approx(0.6, abs=0.03)
    assert row["expected_low"] < row["expected"] < row["expected_high"]
    assert row["at_stake"] == pytest.approx(row["of"] * row["expected"] - row["seen"])
    assert row["customers"] <= row["of"]


def test_to_watch_twice_tells_the_same_and_an_alert_keeps_its_id() -> None:
    again = watch(shop(1, fall=(50, 55)))
    assert again.alerts.equals(fallen().alerts)
    young = watch(shop(1, fall=(50, 55)), level=0.01)
    assert young.alerts["alert"].to_list() == fallen().alerts["alert"].to_list()


def test_an_incident_that_goes_on_is_open() -> None:
    row = watch(shop(2, fall=(64, 69))).alerts.row(0, named=True)
    assert (row["status"], row["since"], row["until"]) == ("open", day(64), day(69))


@pytest.mark.parametrize("seed", [3, 4, 5])
def test_quiet_data_are_quiet(seed: int) -> None:
    found = watch(shop(seed))
    assert found.periods == DAYS + 1
    assert found.tests > 50
    assert found.alerts.height <= 1, found.alerts.select(
        "name", "group", "since", "until", "seen", "of", "expected"
    ).rows()


def test_a_day_without_a_channel_is_told_as_missing_data_and_is_no_fall() -> None:
    found = watch(shop(6, without=("site", 60)))
    assert found.not_tested["channel", "since", "until"].rows() == [("site", day(60), day(60))]
    assert found.alerts.filter(pl.col("measure") == "pair").is_empty()


@pytest.mark.parametrize("seed", [11, 12, 13])
def test_a_channel_that_is_still_on_most_days_is_not_missing_between_its_mailings(seed: int) -> None:
    draw, touches = np.random.default_rng(seed), shop(seed, days=140).touches.collect()
    mailed = [(number, int(draw.integers(20, 300))) for number in np.flatnonzero(draw.random(140) < 0.2)]
    mailing = pl.concat([touches.filter(touchpoint="apply").sample(size, seed=day) for day, size in mailed])
    days = np.repeat([number for number, _ in mailed], [size for _, size in mailed])
    at = pl.Series([day(int(number)) + timedelta(hours=6) for number in days], dtype=touches.schema["at"])
    mailing = mailing.with_columns(at=at, touchpoint=pl.lit("letter"), channel=pl.lit("mail"))
    paths = Paths.from_frame(pl.concat([touches, mailing]), end_of_data=day(140) + timedelta(hours=2))
    found = watch(paths)
    assert found.not_tested.is_empty(), found.not_tested
    assert found.alerts.filter(pl.col("of") == 0).is_empty()
    fewer = found.alerts.filter(measure="channel", name="mail").filter(pl.col("seen") < pl.col("expected"))
    assert fewer.is_empty(), fewer.to_dicts()


def test_a_day_that_has_not_arrived_is_not_tested() -> None:
    paths = shop(2, fall=(64, 69))
    late = watch(paths, lateness={"site": timedelta(hours=25), "shop": timedelta(hours=1)})
    assert watch(paths).tested_until == day(69)
    assert late.alerts.filter(measure="pair")["until"].max() == day(68)


def test_a_touchpoint_that_falls_silent_or_was_never_heard_of_is_told() -> None:
    touches = shop(7).touches.collect()
    silent = touches.filter(~((pl.col("touchpoint") == "quote") & (pl.col("at") >= day(60))))
    fresh = touches.filter(touchpoint="sign").filter(pl.col("at") >= day(65)).with_columns(touchpoint=pl.lit("crash"))
    paths = Paths.from_frame(pl.concat([silent, fresh]), end_of_data=day(DAYS) + timedelta(hours=2))
    rows = watch(paths).alerts.filter(pl.col("rule") != "unusual")["rule", "name", "since", "status"].rows()
    assert ("silent", "quote", day(60), "open") in rows
    assert ("unheard", "crash", day(65), "closed") in rows


def test_nothing_is_found_in_nothing_and_bad_words_are_refused() -> None:
    found = watch(Paths.from_text({}))
    assert (found.alerts.height, found.periods, found.tested_until) == (0, 0, None)
    one = Paths.from_text({"ann": "look@0d"})
    assert watch(one).alerts.is_empty()
    with pytest.raises(DefinitionError, match="days or weeks"):
        watch(one, period="hour")  # type: ignore[arg-type]
    with pytest.raises(DefinitionError, match="probability"):
        watch(one, level=0)
    with pytest.raises(DefinitionError, match="no column"):
        watch(one, groups=["devise"])


def test_a_pair_explains_the_pairs_around_it_and_no_other() -> None:
    follows = {("look", "cart"): 0.5, ("cart", "pay"): 0.5, ("look", "pay"): 0.3, ("pay", "done"): 0.9}
    flows = Flows(follows | {("cart", "done"): 0.4, ("look", "done"): 0.3})

    def pair(source: str, target: str) -> Watched:
        return Watched("pair", f"{source} -> {target}", None, None, 0, 0, 0, source=source, target=target)

    carrier = pair("cart", "pay")
    assert flows.related(carrier, pair("look", "pay"))
    assert flows.related(carrier, pair("look", "done"))
    assert flows.related(carrier, pair("cart", "done"))
    assert not flows.related(carrier, pair("look", "cart"))
    assert not flows.related(carrier, pair("pay", "done"))
    assert flows.related(carrier, Watched("goal", "goal rate", None, None, 0, 0, 0))
    assert not flows.related(carrier, Watched("channel", "web", None, None, 1, 0, 0))


def test_the_most_unlikely_days_are_those_of_the_largest_sum() -> None:
    assert most_unlikely(np.array([-1.0, 2.0, -0.5, 3.0, -4.0])) == (1, 3)
    assert most_unlikely(np.array([-3.0, -1.0, -2.0])) == (1, 1)


def test_a_column_with_too_many_values_is_left_out_and_named() -> None:
    people = {
        f"c{n}": f"look@{n % 20}d[place=p{n},device=phone] buy@{n % 20}d[place=p{n},device=phone]" for n in range(101)
    }
    found = watch(Paths.from_text(people, end="30d"), groups=["place", "device"])
    assert found.unwatched == ("place",)
    assert found.periods > 0


def closing(sundays: dict[int, int], *, without: int | None = None) -> Paths:
    """A shop of one channel that is as good as closed on Sundays, with so many visits on some of them."""
    draw = np.random.default_rng(5)
    visits = {}
    for number in range(70):
        size = sundays.get(number, 3) if number % 7 == 6 else 0 if number == without else int(draw.poisson(120))
        visits |= {f"c{number}-{n}": f"look@{24 * number + n % 10 + 8}h" for n in range(size)}
    touches = Paths.from_text(visits, end="1682h").touches.collect()
    start = pl.lit(START) - touches["at"].min().replace(hour=0)  # type: ignore[union-attr]
    return Paths.from_frame(
        touches.select("customer", pl.col("at") + start, "touchpoint", channel=pl.lit("store")),
        end_of_data=day(70) + timedelta(hours=2),
    )


def test_a_weekday_that_is_always_near_empty_is_no_missing_data_and_a_day_without_any_is() -> None:
    found = watch(closing({48: 0, 62: 0}, without=59))
    assert found.not_tested["channel", "since", "until"].rows() == [("store", day(59), day(59))]
    assert not found.alerts.filter(pl.col("since") != day(59)).height


def test_a_shop_that_begins_to_close_on_a_weekday_is_told_three_times_at_most() -> None:
    open_before = dict.fromkeys(range(6, 42, 7), 120)
    found = watch(closing({**open_before, 48: 0, 55: 0, 62: 0, 69: 0}))
    assert {*found.not_tested["since"]} <= {day(48), day(55), day(62)}


def test_a_touchpoint_of_few_touches_that_tripled_is_told_once() -> None:
    touches = shop(7).touches.collect()
    number = (pl.col("at") - START).dt.total_days()
    some = touches.filter(touchpoint="apply").with_columns(touchpoint=pl.lit("refund"), number=number)
    of_days = some.group_by("number", maintain_order=True)
    few = pl.concat(one.sample(9 if key[0] >= 60 else 2, seed=1) for key, one in of_days)
    everything = pl.concat([touches, few.select(touches.columns)])
    paths = Paths.from_frame(everything, end_of_data=day(DAYS) + timedelta(hours=2))
    (row,) = watch(paths).alerts.filter(rule="tripled").to_dicts()
    assert (row["name"], row["status"], row["until"]) == ("refund", "open", day(69))
    assert day(56) <= row["since"] <= day(61)
    assert row["seen"] > 3 * row["expected"] and row["customers"] > 0
    assert watch(shop(7)).alerts.filter(rule="tripled").is_empty()
