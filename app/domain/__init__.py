"""The pure core: what is decided about members and the others, given their state, one record and its instant.

No clock, no I/O, no randomness, no Kafka. Entry points: `engine.Engine` over a `Core` (`members.MemberCore`).
"""
