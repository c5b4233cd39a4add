"""What the lake keeps of earlier times, without the customers who are forgotten."""
