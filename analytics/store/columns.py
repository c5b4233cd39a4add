"""Names and types of the columns that stitching computes for every touch."""

from __future__ import annotations

from typing import Final

import polars as pl

CUSTOMER: Final = "customer"
AT: Final = "at"
TOUCHPOINT: Final = "touchpoint"
TOUCHES: Final = "touches"
TIME: Final = pl.Datetime("us", "UTC")
SECOND: Final = 1_000_000
SESSION: Final = "session"
JOURNEY: Final = "journey"
OUTCOME: Final = "outcome"
AFTER_GOAL: Final = "after_goal"
DIRECT: Final = "direct"
OUTCOMES: Final = ("converted", "abandoned", "open")
STAGE: Final = "stage"
LINKED: Final = "linked"
CURRENCY: Final = "currency"
LINKED_VALUES: Final = ("login", "device", "session", "anonymous")
