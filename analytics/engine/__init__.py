"""How a question runs: conditions, matching, units, parts in parallel, compiled kernels."""
