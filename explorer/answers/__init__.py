"""What the page shows of a question: frames of the public functions, in words and shares."""
