"""Micro-moments, as cases ask for them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl
from pydantic import ValidationError

from analytics import Intent, Paths, moments, sessions
from expectations.errors import DefinitionError
from tests.oracles.conforming.cases import paths_of
from tests.oracles.conforming.customers.activity import check, seen

HELD = ("moment", "glance", "sitting")


def moments_case(case: Mapping[str, Any]) -> dict[str, Any]:
    """The sessions on handheld devices by intent and kind, and how many are on others."""
    params = check(case, {"kind", "intents", "longest", "gap", "device", "handheld", "end"})
    try:
        intents = [Intent(name=each["name"], touchpoints=each["events"]) for each in params["intents"]]
    except ValidationError as error:
        raise DefinitionError(str(error)) from None
    given = {name: params[name] for name in ("longest", "device", "handheld") if name in params}
    paths = seen(case) if "end" in params else paths_of(case)
    touches = paths.touches.collect()
    device = params.get("device", "device")
    if device not in touches.columns:  # a property that no event has is null
        touches = touches.with_columns(pl.lit(None, pl.String).alias(device))
    cut = Paths.from_frame(sessions(touches, params.get("gap", "30m")), end_of_data=paths.end_of_data)
    table = moments(cut, intents, **given)
    counts: dict[str, dict[str, int]] = {}
    for intent, kind, number in table.select("intent", "kind", "sessions").filter(pl.col("kind").is_in(HELD)).rows():
        counts.setdefault(intent, dict.fromkeys(HELD, 0))[kind] = number
    others = table.filter(~pl.col("kind").is_in(HELD))["sessions"].sum()
    return {"intents": counts, "not_handheld": others}
