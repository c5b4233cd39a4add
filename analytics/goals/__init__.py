"""What leads to the goal: its rate, and the time to it."""
