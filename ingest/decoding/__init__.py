"""Decodes the bytes of messages to typed events."""
