"""Messages that could not become events: kept, listed, replayed."""
