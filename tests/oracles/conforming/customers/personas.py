"""Personas, as cases ask for them: how many, who is placed, and which is which after a refresh."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from analytics import Observation, match_personas, persona_count, persona_placement
from tests.oracles.conforming.customers.activity import check, seen

LEFT_OUT = ("goal", "returns", "answers", "after")


def match_case(case: Mapping[str, Any]) -> dict[str, Any]:
    """Which group of a new fit is which persona of the old one."""
    params = check(case, {"kind", "old", "new"})
    rows = match_personas(params["old"], params["new"]).to_dicts()
    groups = [row for row in rows if row["group"] is not None]
    return {
        "persona": {row["group"]: row["persona"] for row in groups},
        "jaccard": {row["group"]: row["jaccard"] for row in groups if row["persona"] is not None},
        "retired": [row["persona"] for row in rows if row["group"] is None],
    }


def count_case(case: Mapping[str, Any]) -> dict[str, Any]:
    """The largest number of personas that is stable."""
    params = check(case, {"kind", "placed", "candidates"})
    rows = [{**row, "shuffled_jaccard": row["shuffled"]} for row in params["candidates"]]
    return {"chosen": persona_count(rows, params["placed"])}


def placement_case(case: Mapping[str, Any]) -> dict[str, Any]:
    """Who is placed, and why the others are not."""
    params = check(case, {"kind", "end", "observation", "least", *LEFT_OUT})
    left_out = [word for name in LEFT_OUT if name in params for word in _words(params[name])]
    asked = {
        "length" if name == "observation" else name: params[name] for name in ("observation", "least") if name in params
    }
    rows = persona_placement(seen(case), Observation.of(after=left_out, **asked)).to_dicts()
    return {"placement": {row["customer"]: row["placement"] for row in rows}}


def _words(given: Any) -> list[str]:
    """The touchpoints of a step, or those that are named."""
    named = given["any_of"] if isinstance(given, Mapping) else given
    return [named] if isinstance(named, str) else list(named)
