"""The trouble that customers meet: what gets in the way, and the help that they ask for."""
