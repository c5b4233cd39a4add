"""Kafka to lake: consume, decode, judge and land every event exactly once."""
