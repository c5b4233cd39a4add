"""From the bytes of a message to typed events."""
