"""Receipts: what every number of a report was computed from, and whether it is the one that was published."""
