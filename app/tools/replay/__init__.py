"""`reengage replay`: the inputs read again from the start, into topics of their own (contract 5 and 7)."""
