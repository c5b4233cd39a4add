"""Personas: groups of customers who move alike, that do not overlap; by rules, or by clusters of real paths."""
