"""The flow of paths, on a wide screen and on a phone."""
