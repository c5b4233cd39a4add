"""What depends on the place of a report: the days of its time zone, and the currency of its sums."""
