"""The `[ingest]` table of journeys.toml."""
