"""Charts by stage: the funnel, and groups against the rest."""
