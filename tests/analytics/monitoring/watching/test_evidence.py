"""The days of an incident add up to it, and what rose with it is told."""

from __future__ import annotations

from datetime import timedelta
from functools import cache

import numpy as np
import polars as pl

from analytics import Paths, WatchRun, watch
from tests.analytics.monitoring.test_watch import DAYS, START, day, shop


@cache
def found() -> WatchRun:
    """Half of the phones do not go on for six days, and there are calls on every day, three times as many on these."""
    touches = shop(1, fall=(50, 55)).touches.collect()
    draw = np.random.default_rng(2)
    number = np.repeat(
        np.arange(DAYS), draw.poisson(np.where((np.arange(DAYS) >= 50) & (np.arange(DAYS) <= 55), 90, 30))
    )
    seconds = pl.Series((number * 86_400 + draw.integers(0, 80_000, len(number))) * 1_000_000).cast(pl.Duration("us"))
    calls = pl.DataFrame({"customer": np.char.add("d", np.arange(len(number)).astype(str)), "at": seconds + START})
    columns = ["customer", "at", "touchpoint", "device", "channel"]
    frame = pl.concat(
        [
            touches.select(pl.col(columns).exclude("at").cast(pl.String), "at").select(columns),
            calls.with_columns(touchpoint=pl.lit("call"), device=pl.lit("desk"), channel=pl.lit("shop")).select(
                columns
            ),
        ]
    )
    return watch(Paths.from_frame(frame, end_of_data=START + timedelta(days=DAYS, hours=2)))


def test_the_days_of_an_incident_add_up_to_it_and_have_the_others_beside_them() -> None:
    row = found().alerts.filter(measure="pair").row(0, named=True)
    days = found().days.filter(pl.col("alert") == row["alert"])
    own = days.filter(pl.col("period").is_between(row["since"], row["until"]))
    assert (row["group"], own["of"].sum(), own["seen"].sum()) == ("phone", row["of"], row["seen"])
    assert own["period"].to_list() == [day(number) for number in range(50, 56)]
    others = days["others_seen"].sum() / days["others_of"].sum()
    assert abs(others - 0.6) < 0.03
    assert (days["expected_low"] <= days["expected"]).all() and (days["expected"] <= days["expected_high"]).all()


def test_what_rose_on_the_days_of_an_incident_is_told_with_what_its_past_leads_to_expect() -> None:
    row = found().alerts.filter(measure="pair").row(0, named=True)
    rose = found().rose_with.filter(pl.col("alert") == row["alert"]).row(0, named=True)
    assert (rose["measure"], rose["name"], rose["of"]) == ("touchpoint", "call", None)
    assert 450 < rose["seen"] < 630 and 150 < rose["expected"] < 210
    assert rose["p_corrected"] < 0.01


def test_nothing_has_no_evidence() -> None:
    nothing = watch(Paths.from_text({"ann": "look@0d buy@1d"}, end="9d"))
    assert nothing.days.is_empty() and nothing.rose_with.is_empty()
