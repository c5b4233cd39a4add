"""Which way customers go: transitions, flows, variants, patterns, conformance."""
