"""The bench: drain rate, memory, latency and exactness of Reengage, beside plain Faust in the same run (`make bench`)."""
