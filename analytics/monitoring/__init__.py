"""What has changed: the history of published reports."""
