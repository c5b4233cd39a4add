"""What the caller of a question is warned of: words that no touch has, and old names of arguments."""
