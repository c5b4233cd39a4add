"""The simulated shop: its people, what they do, and how the record of it reaches Kafka."""
