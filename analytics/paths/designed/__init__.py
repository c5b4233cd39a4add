"""Paths beside a designed path: how closely they follow it, where they deviate, and where they leave it."""
