"""Checks what has landed against the suites, day by day, and keeps the results."""
