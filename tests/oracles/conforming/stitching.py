"""Whose event another tool says it is, as cases ask for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import polars as pl

from analytics.engine.conditions import one_of
from analytics.identity.other_tools import first_user, last_login, last_person, person_of_graph, unique_components
from tests.oracles.conforming.cases import Params, Unsupported, seconds, time_of

TIME = pl.Datetime("us", "UTC")
KNOWN = {"kind", "mode", "graph", "unique", "replay_at", "lookback_seconds", "forgotten"}
ALSO = {
    **dict.fromkeys(["privacy_request", "privacy_requests", "deleted", "erased"], "forgotten"),
    **dict.fromkeys(["replayed_at", "replay_time"], "replay_at"),
}
"""Other words for the same."""


def stitching_case(case: Mapping[str, Any]) -> dict[str, Any]:
    """The person of every event, in the order given."""
    params = Params({ALSO.get(name, name): value for name, value in case["params"].items()})
    if isinstance(params.get("forgotten"), str):
        params["forgotten"] = [params["forgotten"]]
    if unknown := set(params) - KNOWN:
        raise Unsupported(f"parameter {unknown.pop()}")
    run = MODES[one_of("mode", params["mode"], MODES)]
    stitched = run(frame(case["events"]), params)["stitched"].to_list()
    return {"stitched": stitched, "people": len(set(stitched))}


def frame(events: list[Mapping[str, Any]]) -> pl.DataFrame:
    kinds = sorted({kind for event in events for kind in event.get("ids", {})}) or ["none"]
    rows = [
        {
            "at": time_of(event["ts"]),
            **{name: event.get(name) for name in ("device", "person", "user")},
            "ids": {kind: event.get("ids", {}).get(kind) for kind in kinds},
        }
        for event in events
    ]
    text = dict.fromkeys(["device", "person", "user"], pl.String)
    return pl.DataFrame(rows, schema={"at": TIME, **text, "ids": pl.Struct(dict.fromkeys(kinds, pl.String))})


def by_graph(events: pl.DataFrame, params: Params) -> pl.DataFrame:
    rows = [{**row, "valid_from": time_of(row["valid_from"])} for row in params["graph"]]
    graph = pl.DataFrame(rows, schema={"device": pl.String, "valid_from": TIME, "persons": pl.List(pl.String)})
    return person_of_graph(events, graph, forgotten=params.get("forgotten", ()), **replayed(params))


def by_field(events: pl.DataFrame, params: Params) -> pl.DataFrame:
    return last_person(events, replay=True, forgotten=params.get("forgotten", ()), **replayed(params))


def replayed(params: Params) -> dict[str, Any]:
    """When a replay happened, and how far it looked back."""
    lookback = seconds(params["lookback_seconds"]) if "lookback_seconds" in params else None
    return {"replayed_at": time_of(params["replay_at"]) if "replay_at" in params else None, "lookback": lookback}


MODES: dict[str, Callable[[pl.DataFrame, Params], pl.DataFrame]] = {
    "live": lambda events, params: last_person(events, forgotten=params.get("forgotten", ())),
    "replay": by_field,
    "last_auth": lambda events, params: last_login(events, forgotten=params.get("forgotten", ())),
    "device_split": by_field,
    "graph_live": by_graph,
    "graph_replay": by_graph,
    "device_cluster": lambda events, _: first_user(events),
    "components": lambda events, params: unique_components(events, params.get("unique", ())),
}
