"""FILES -> MAPPING: guesses from the rows of a file what they say of whom, when and what, for a person to review."""
