"""What holds for a pool of coaches: how many transfers a day it takes, and when a day begins (contract 6.1)."""

from __future__ import annotations

from dataclasses import dataclass

from app.domain.calendar import next_wall_time_ms


@dataclass(frozen=True, kw_only=True)
class PoolSettings:
    """The settings of one pool; the defaults are contract 6.1's.

    Attributes:
        slots_per_day: automatic transfers from one reset to the next, until a capacity record says otherwise.
        max_attempts: after so many failed attempts a member is not tried again.
        reset_at: wall time `HH:MM` at which a new day begins,
        time_zone: in this IANA zone.
    """

    slots_per_day: int = 20
    max_attempts: int = 3
    reset_at: str = "17:00"
    time_zone: str = "America/Los_Angeles"

    def next_reset_ms(self, after_ms: int) -> int:
        """The first reset after an instant. Once a day, also where the clock shows the time twice or not at all."""
        return next_wall_time_ms(after_ms, self.reset_at, self.time_zone)
