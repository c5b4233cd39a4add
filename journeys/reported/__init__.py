"""What published reports told: how they differ, and whether a number is the one that was published."""
