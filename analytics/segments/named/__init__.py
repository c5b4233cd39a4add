"""Named segments: conditions that are true, false or not known of a customer at every instant."""
