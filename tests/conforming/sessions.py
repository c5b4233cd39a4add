"""Session numbers, as cases ask for them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from analytics import sessions
from tests.conforming.cases import Unsupported, seconds, time_of


def sessions_case(case: Mapping[str, Any]) -> dict[str, Any]:
    """The session number of every event, in the order given."""
    params, events = case["params"], case["events"]
    if params.get("gap_edge", "exact_gap_continues") != "exact_gap_continues":
        raise Unsupported(f"gap edge {params['gap_edge']}")
    frame = pl.DataFrame(
        {"customer": [e["customer"] for e in events], "at": [time_of(e["ts"]) for e in events]},
        schema={"customer": pl.String, "at": pl.Datetime("us", "UTC")},
    )
    return {"session_number": sessions(frame, gap=seconds(params["gap_seconds"]))["session"].to_list()}
