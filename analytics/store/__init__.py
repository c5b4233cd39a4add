"""The path store: parts of narrow columns that analyses scan."""
