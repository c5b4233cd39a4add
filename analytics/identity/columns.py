"""Names and types of the columns that identity resolution adds: customer codes, hashes, combinations, link types.

Also the types of its arrays: numbers of nodes, and masks over nodes.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from analytics.store.columns import LINKED_VALUES

CODE: Final = "_customer"
HASH: Final = "_hash"
COMBINATION: Final = "_combination"
LINKED_TYPE: Final = pl.Enum(LINKED_VALUES)

NodeNumbers = NDArray[np.int32] | NDArray[np.int64]
Mask = NDArray[np.bool_]
