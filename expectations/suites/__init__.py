"""What is expected of the data: expectations, suites, and the settings that name them."""
