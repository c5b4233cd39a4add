"""Answers to pages: frames in, a self-contained site out."""
