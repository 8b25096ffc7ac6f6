"""A cluster whose quota a client has used up: it answers, says how long the client is to stay away, and reads nothing
more of its connection until then (KIP-219).

Who waits on this side instead has no request under way meanwhile that could time out, and no transaction open.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Throttle:
    """What one broker, or all that one client talks to, said last. On one event loop.

    `on_held_back` is told how many seconds there are to wait, each time it is said.
    """

    def __init__(self, on_held_back: Callable[[float], None]) -> None:
        self._on_held_back = on_held_back
        self._until_s = 0.0

    def note(self, throttle_time_ms: int) -> None:
        """Take in what an answer says; 0: nothing is to be waited for."""
        if throttle_time_ms > 0:
            wait_s = throttle_time_ms / 1_000
            self._until_s = max(self._until_s, time.monotonic() + wait_s)
            self._on_held_back(wait_s)

    @property
    def wait_s(self) -> float:
        """How long there is to wait yet; 0 or less: not at all."""
        return self._until_s - time.monotonic()

    async def wait(self) -> None:
        """Return when the last that was said is over."""
        if (wait_s := self.wait_s) > 0:
            await asyncio.sleep(wait_s)


def unobserved(_seconds: float) -> None:
    """For who tells nobody."""
