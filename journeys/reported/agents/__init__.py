"""Answers for programs that ask in tools: what reports told, and for who owns the lake also questions of their own."""
