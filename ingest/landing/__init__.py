"""Makes events and offsets visible in the lake in one commit."""
