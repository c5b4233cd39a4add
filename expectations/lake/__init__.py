"""Where things lie in the lake, and the only door to its tables and files."""
