"""Expectations about the data, suites of them, and the settings that define them."""
