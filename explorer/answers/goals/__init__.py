"""What leads to a goal: the routes that journeys take to it, and who earns the credit."""
