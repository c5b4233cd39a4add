"""Names and types of the columns that identity resolution adds: customer codes, hashes, combinations, link types."""

from __future__ import annotations

from typing import Final

import polars as pl

from analytics.store.columns import LINKED_VALUES

CODE: Final = "_customer"
HASH: Final = "_hash"
COMBINATION: Final = "_combination"
LINKED_TYPE: Final = pl.Enum(LINKED_VALUES)
