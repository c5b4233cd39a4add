"""A shop in which no group differs from the others, with as many shuffles of its groups as are asked for.

Customers have one to four journeys, which are alike: some customers go on more often than others. Payment gets worse
for everybody on one day and stays so, which a scan for falls may take for the fall of a group.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np
import polars as pl

from analytics import PathRules, Paths

START: Final = datetime(2026, 1, 5, tzinfo=UTC)
DAYS: Final = 98
GROUPS: Final = {
    "device": (0.6, 0.3, 0.1),
    "region": (0.25, 0.2, 0.2, 0.2, 0.15),
    "channel": (0.85, 0.08, 0.07),
}
RULES: Final = PathRules.model_validate(
    {
        "goal": ["buy"],
        "stages": [{"name": name, "touchpoints": [name]} for name in ("look", "try", "buy")],
        "journey_gap": "5d",
        "after": [],
    }
)


def columns_of(shuffle: int) -> tuple[str, ...]:
    """The columns of one shuffle of the groups."""
    return tuple(f"{name} {shuffle}" for name in GROUPS)


def shop(seed: int, shuffles: int, *, customers: int = 2_500, worse: float = 0.65) -> Paths:
    """Touches of customers; for every shuffle each customer has one value of each column, drawn apart from the rest.

    `worse` is what the chance to pay is multiplied by from the fiftieth day on.
    """
    draw = np.random.default_rng(seed)
    many = 1 + draw.binomial(3, 0.2, customers)
    customer = np.repeat(np.arange(customers), many)
    number = np.arange(len(customer)) - np.repeat(np.cumsum(many) - many, many)
    first = draw.uniform(0, DAYS - 1, customers)
    day = (first[customer] + number * draw.uniform(8, 30, len(customer))) % DAYS
    willing = draw.beta(6, 4, customers)[customer]
    tries = draw.random(len(customer)) < willing
    pays = tries & (draw.random(len(customer)) < 0.7 * np.where(day >= 50, worse, 1.0))
    touches = [
        pl.DataFrame({"customer": customer[there], "day": day[there] + step / 48, "touchpoint": name})
        for step, (name, there) in enumerate((("look", tries | True), ("try", tries), ("buy", pays)))
    ]
    frame = pl.concat(touches).select(
        "customer",
        "touchpoint",
        at=pl.lit(START) + pl.duration(microseconds=(pl.col("day") * 86_400_000_000).cast(pl.Int64)),
    )
    groups = {
        column: draw.choice(len(shares), customers, p=shares).astype(str)
        for shuffle in range(shuffles)
        for column, shares in zip(columns_of(shuffle), GROUPS.values(), strict=True)
    }
    people = pl.DataFrame({"customer": np.arange(customers), **groups})
    return Paths.from_frame(frame.join(people, on="customer"), end_of_data=START + timedelta(days=DAYS), rules=RULES)
