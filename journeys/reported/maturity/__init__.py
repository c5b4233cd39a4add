"""`journeys maturity`: how mature the work on customer journeys is, by its own account and by what the lake says."""
