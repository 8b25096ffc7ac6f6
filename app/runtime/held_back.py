"""Whether the cluster holds a worker's writing back, because a quota is used up (KIP-219)."""

from __future__ import annotations

import time

LATELY_S = 300.0
"""For how long after the last wait it is taken that there will be another."""


class HeldBack:
    """What the brokers have told all writers of a worker, for whose user and client id a quota counts as one.

    A log's second record batch in a transaction would wait with the transaction open, on a connection that the broker reads
    nothing of, for longer than either may take. So what is decided lately after a wait goes into one request.
    """

    def __init__(self) -> None:
        self._until_s = 0.0

    def note(self, wait_s: float) -> None:
        """A broker has told a writer to stay away for so long."""
        self._until_s = max(self._until_s, time.monotonic() + wait_s + LATELY_S)

    @property
    def lately(self) -> bool:
        """A broker has, not long ago."""
        return time.monotonic() < self._until_s
