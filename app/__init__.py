"""Reengage: re-engagement decisions on Kafka, exactly once, replayable, and able to say why."""
