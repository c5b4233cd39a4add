"""The configuration file: `journeys.toml`, and the lengths of time in it."""
