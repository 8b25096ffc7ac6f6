"""Records on the wire: schemas, the three encodings, JSON lines, topics and partitions (contract 2, 3 and 4)."""
