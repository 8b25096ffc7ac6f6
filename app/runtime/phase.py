"""The life of a partition, as a table of legal moves."""

from __future__ import annotations

import enum


class Phase(enum.Enum):
    """Where a partition is in its life; `MOVES` says what may follow."""

    FENCING = "fencing"
    RESTORING = "restoring"
    READY = "ready"
    HELD = "held"
    BROKEN = "broken"
    CLOSED = "closed"


MOVES: dict[Phase, frozenset[Phase]] = {
    Phase.FENCING: frozenset({Phase.RESTORING, Phase.BROKEN, Phase.CLOSED}),
    Phase.RESTORING: frozenset({Phase.READY, Phase.BROKEN, Phase.CLOSED}),
    Phase.READY: frozenset({Phase.HELD, Phase.BROKEN, Phase.CLOSED}),
    Phase.HELD: frozenset({Phase.READY, Phase.BROKEN, Phase.CLOSED}),
    Phase.BROKEN: frozenset({Phase.CLOSED}),
    Phase.CLOSED: frozenset(),
}
