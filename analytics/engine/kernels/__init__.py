"""The sequential scans, compiled at their first use. Only this package imports numba."""
