"""Session numbers, as cases ask for them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import polars as pl

from analytics import sessions
from expectations.errors import DefinitionError
from tests.oracles.conforming.cases import EPOCH, Unsupported, seconds, time_of

CONTINUES = "exact_gap_continues"


def sessions_case(case: Mapping[str, Any]) -> dict[str, Any]:
    """The session number of every event, in the order given (none without a time), and the sessions as a list."""
    params, events = case["params"], case["events"]
    if unknown := set(params) - {"kind", "gap_seconds", "gap_edge"}:
        raise Unsupported(f"parameter {unknown.pop()}")
    gap = seconds(params["gap_seconds"])
    edge = params.get("gap_edge", CONTINUES)
    if not edge.startswith("exact_gap_"):
        raise DefinitionError("A gap's edge has no such word.", expected=f"{CONTINUES} or exact_gap_ends", found=edge)
    if edge != CONTINUES:
        gap -= timedelta(microseconds=1)  # the other reading: a pause as long as the gap ends the session
    timed = [place for place, event in enumerate(events) if event["ts"] is not None]
    frame = pl.DataFrame(
        {"customer": [events[n]["customer"] for n in timed], "at": [time_of(events[n]["ts"]) for n in timed]},
        schema={"customer": pl.String, "at": pl.Datetime("us", "UTC")},
    )
    numbered = sessions(frame, gap=gap)
    numbers = dict(zip(timed, numbered["session"].to_list(), strict=True))
    listed = (
        numbered.group_by("customer", "session")
        .agg(pl.col("at").min().alias("begin"), pl.col("at").max().alias("end"), pl.len().alias("events"))
        .sort("customer", "session")
        .with_columns(((pl.col(name) - EPOCH).dt.total_microseconds() / 1e6) for name in ("begin", "end"))
    )
    return {
        "session_number": [numbers.get(place) for place in range(len(events))],
        "sessions": listed.rename({"session": "number"}).rows(named=True),
    }
