"""Journeys as products: with an owner and targets, judged cohort by cohort, with a history and what moved."""
