"""Frame in, Altair chart out: one file a chart family."""
