"""Exact tests, periods that are over and arrived, and expectations of watches, as cases ask for them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from analytics import binomial_two_sided, duration, over_and_arrived, unusual_share, waited_for
from tests.oracles.conforming.cases import Unsupported, time_of
from tests.oracles.conforming.statistics import without_nan


def binomial_case(case: Mapping[str, Any]) -> dict[str, Any]:
    """The exact two-sided p-value."""
    params = _params(case, {"count", "of", "share"})
    return {"p_value": without_nan(float(binomial_two_sided(params["count"], params["of"], params["share"])))}


def arrived_case(case: Mapping[str, Any]) -> dict[str, Any]:
    """How long the period is waited for, and whether it can be tested at the end of the data."""
    params = _params(case, {"period_end", "window", "end", "channels"})
    names = [str(number) for number in range(len(params["channels"]))]
    channels = dict(zip(names, params["channels"], strict=True))
    waited = waited_for(
        {name: channel["touches"] for name, channel in channels.items()},
        {name: duration(channel["lateness"]) for name, channel in channels.items()},
    )
    window = duration(params.get("window", timedelta(0)))
    tested = over_and_arrived(time_of(params["period_end"]), time_of(params["end"]), window=window, waited=waited)
    return {"lateness": waited.total_seconds(), "tested": tested}


def expectation_case(case: Mapping[str, Any]) -> dict[str, Any]:
    """What the past leads to expect of a day, and whether the day is unusual."""
    params = _params(case, {"past", "today"})
    return unusual_share([tuple(day) for day in params["past"]], *params["today"])._asdict()


def _params(case: Mapping[str, Any], known: set[str]) -> Mapping[str, Any]:
    params: Mapping[str, Any] = case["params"]
    if unknown := set(params) - known - {"kind"}:
        raise Unsupported(f"params {sorted(unknown)}")
    return params
