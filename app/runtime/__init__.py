"""Carrying the core on Kafka: reading, ordering, deciding, committing, restoring."""
