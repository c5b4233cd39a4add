"""The sequential scans, compiled at their first use. Only `cache` imports numba, and all kernels are compiled by it."""
