"""Maintains the tables of the lake: compaction, ordering, clean-up, restore."""
