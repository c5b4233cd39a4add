"""Loads events and profiles from files."""
