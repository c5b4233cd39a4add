"""Mappings for the exports and webhooks of other tools, one file each."""
