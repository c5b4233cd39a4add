"""How customers experience the journey: effort, channels, voice of the customer."""
