"""Turns numbers and results into text: headlines, subtitles, value cards, tables."""
