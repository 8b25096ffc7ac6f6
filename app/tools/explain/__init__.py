"""`reengage explain`: the timeline of one member, with the reasons (contract 7)."""
