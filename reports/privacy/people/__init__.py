"""Applies the privacy rules to what is said of customers: personas, segments, where they stand, help they needed."""
