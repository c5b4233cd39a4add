"""What customers say in their own words: themes by a codebook, redaction, quotes that a person approved."""
