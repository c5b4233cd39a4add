"""The configuration file `journeys.toml`, and durations."""
