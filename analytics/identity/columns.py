"""Names of the columns in which identity resolution keeps customers, links and combinations."""

from __future__ import annotations

from typing import Final

import polars as pl

from analytics.store.columns import LINKED_VALUES

CODE: Final = "_customer"
HASH: Final = "_hash"
COMBINATION: Final = "_combination"
LINKED_TYPE: Final = pl.Enum(LINKED_VALUES)
