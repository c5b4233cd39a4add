"""Which way customers go: transitions, flows, step matrices, variants, patterns, conformance."""
