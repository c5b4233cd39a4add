"""From expectations to polars expressions: conditions, masks, the rules of the gate."""
