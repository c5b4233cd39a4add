"""Who gets how far: funnels, trends, members, survival."""
