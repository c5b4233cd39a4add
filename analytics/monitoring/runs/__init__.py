"""What published reports told, and why a later one tells otherwise."""
