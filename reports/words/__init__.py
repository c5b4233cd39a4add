"""How numbers and findings become text."""
