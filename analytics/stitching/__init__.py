"""Builds the path store from the lake, keeps it current, and corrects it."""
