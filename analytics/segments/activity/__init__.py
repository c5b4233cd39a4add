"""Who is active, how often, for how long, and who comes back."""
