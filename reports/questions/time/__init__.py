"""How long journeys take to the goal, and what has changed between two periods."""
