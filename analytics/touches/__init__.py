"""From events to touches: naming, sessions, journeys, attributes."""
