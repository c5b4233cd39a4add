"""For whom: comparison of groups, cohorts and retention."""
