"""The Kafka side: read records of topics, create topics, produce. The only package that knows the client library."""
