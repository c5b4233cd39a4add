"""Session numbers, as cases ask for them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import polars as pl

from analytics import sessions
from tests.oracles.conforming.cases import Unsupported, seconds, time_of


def sessions_case(case: Mapping[str, Any]) -> dict[str, Any]:
    """The session number of every event, in the order given."""
    params, events = case["params"], case["events"]
    if unknown := set(params) - {"kind", "gap_seconds", "gap_edge"}:
        raise Unsupported(f"parameter {unknown.pop()}")
    gap = seconds(params["gap_seconds"])
    if params.get("gap_edge", "exact_gap_continues") != "exact_gap_continues":
        gap -= timedelta(microseconds=1)  # the other reading: a pause as long as the gap ends the session
    frame = pl.DataFrame(
        {"customer": [e["customer"] for e in events], "at": [time_of(e["ts"]) for e in events]},
        schema={"customer": pl.String, "at": pl.Datetime("us", "UTC")},
    )
    return {"session_number": sessions(frame, gap=gap)["session"].to_list()}
