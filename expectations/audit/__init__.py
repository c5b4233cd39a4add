"""Checks landed rows against the suites, day by day, and stores the results."""
