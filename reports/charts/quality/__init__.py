"""Charts of data quality: checks by day, coverage of identities."""
