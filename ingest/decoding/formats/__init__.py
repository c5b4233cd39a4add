"""The message formats, one module each: every format converts one message to events."""
