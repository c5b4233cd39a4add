"""Frame in, Altair chart out: one file per chart family."""
