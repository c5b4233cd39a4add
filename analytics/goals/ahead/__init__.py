"""What comes next: the touch after these, and who will reach the goal, and when."""
