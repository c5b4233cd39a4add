"""Charts of customers: groups of them side by side, where they stand, and the help that they need."""
