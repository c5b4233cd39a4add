"""The journey map, on a wide screen and on a phone."""
