"""Intervals, tests, corrections and curves over arrays."""
