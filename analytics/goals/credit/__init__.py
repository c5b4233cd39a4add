"""Shares the credit for goals among the touches before them."""
