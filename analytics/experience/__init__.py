"""How the journey is for customers: effort, channels, voice."""
