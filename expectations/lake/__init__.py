"""The layout of the lake, and the only access to its tables and files."""
