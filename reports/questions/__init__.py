"""What a report asks of analytics. The only package of reports that imports analytics."""
