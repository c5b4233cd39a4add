"""The last answer of a prediction, kept in the lake as long as nothing that it was made from changes."""

from __future__ import annotations

import json
from datetime import datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

from analytics.goals.ahead.definition import Prediction
from analytics.goals.ahead.snapshots import digest_of
from analytics.stitching.build import build_inputs
from analytics.touches.rules import PathRules
from expectations.lake import files
from expectations.lake.layout import SNAPSHOTS, Lake

if TYPE_CHECKING:
    from analytics.goals.ahead.forecast import Forecast

FRAMES: Final = ("quality", "reliability", "outlook", "scores")
ANSWER: Final = "forecast"
_TIMES: Final = ("tested", "at")


def state_of(lake: Lake, rules: PathRules, definition: Prediction, at: datetime | None = None) -> str:
    """A digest of all that an answer is made from."""
    return digest_of(
        rules,
        definition,
        inputs=build_inputs(lake, rules),
        asked=[definition.days, definition.cutoffs, definition.apart.total_seconds()],
        at=at,
        goal_name=definition.named.name,
        sklearn=version("scikit-learn"),
    )


def forecast_kept(lake: Lake, state: str) -> dict[str, Any] | None:
    """The arguments of the `Forecast` that was made from this state; None where there is none."""
    content = files.read(f"{lake.table(SNAPSHOTS)}/{ANSWER}.json")
    plain: dict[str, Any] = {} if content is None else json.loads(content)
    if plain.pop("state", None) != state:
        return None
    frames = {name: files.read_rows(_frame(lake, state, name)) for name in FRAMES}
    times = {name: datetime.fromisoformat(plain[name]) for name in _TIMES}
    return {**plain, **frames, **times, "learned": tuple(map(datetime.fromisoformat, plain["learned"]))}


def keep_forecast(lake: Lake, state: str, answer: Forecast) -> None:
    """Keeps an answer, in place of the one before."""
    old = [name for name in files.listing(lake.table(SNAPSHOTS)) if name.startswith(f"{ANSWER}-")]
    for name in FRAMES:
        files.write_rows(_frame(lake, state, name), getattr(answer, name))
    plain = {
        "state": state,
        "model": answer.model,
        "reason": answer.reason,
        "objected": answer.objected,
        "learned": [at.isoformat() for at in answer.learned],
        **{name: getattr(answer, name).isoformat() for name in _TIMES},
    }
    files.write(f"{lake.table(SNAPSHOTS)}/{ANSWER}.json", json.dumps(plain, indent=1).encode())
    files.discard(lake.table(SNAPSHOTS), [name for name in old if state not in name])


def _frame(lake: Lake, state: str, name: str) -> str:
    return f"{lake.table(SNAPSHOTS)}/{ANSWER}-{state}-{name}.parquet"
