"""Turns answers of analytics into a self-contained site: frames in, pages out."""
