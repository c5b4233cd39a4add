"""Compiles expectations to polars expressions: row conditions, masks, the rules of the gate."""
