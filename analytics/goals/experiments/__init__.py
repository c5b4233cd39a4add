"""Experiments: who was shown which variant, and what that changes."""
