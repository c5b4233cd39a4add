"""Where journeys under way stand, and how many of them will reach the goal."""
