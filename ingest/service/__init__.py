"""The consumer process: poll, land, report its state, stop in order."""
