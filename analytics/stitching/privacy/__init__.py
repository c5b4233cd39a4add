"""What the lake holds about a person: found by one identity, exported, and erased."""
