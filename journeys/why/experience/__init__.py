"""How it is for customers: what their short visits find, and what they say in their own words."""
