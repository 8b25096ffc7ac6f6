"""The nudge policy: what every message to a member has to respect (contract 6.6).

Pure questions, each answered from the policy, the member's profile and the instant; in which order they are asked is
`nudges.py`'s business.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import blake2b
from typing import TYPE_CHECKING

from app.domain.calendar import (
    is_public_holiday,
    local_time,
    minute_of_day,
    next_change_ms,
    zone_of,
)
from app.domain.instants import DAY_MS, MINUTE_MS, WEEK_MS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from app.domain.nudge_state import Sent
    from app.domain.state import Profile

NUDGE_CHANNELS = ("EMAIL", "SMS", "IN_APP", "PUSH", "WEBHOOK")

ATTRIBUTION_MS = WEEK_MS
"""A conversion is attributed to a nudge sent at most this long before (contract 6.4)."""

_MIDNIGHT = 0


@dataclass(frozen=True, kw_only=True)
class Policy:
    """One compiled `policy.toml`; the defaults are those of contract 6.6.

    Attributes:
        version: hash of all it says, part of the hash of the playbooks.
        channels: for members and playbooks that name none, the preferred one first; never empty.
        quiet_from, quiet_to: minutes of the member's day; equal: no quiet hours.
        holidays: whether nothing is sent on public holidays.
        caps: (span_ms, count): at most so many nudges in such a span.
        hold_out_percent: share of the members a playbook's nudges are kept from, to compare with.
        spread_ms: what has waited is released within this span after the end of the waiting; shorter than the hours
            that are not quiet, or it would run into the next quiet hours.
        consent_default: by channel, for members who said neither yes nor no; a channel not in it: no.
    """

    version: str = "default"
    channels: tuple[str, ...] = ("IN_APP", "EMAIL", "SMS")
    quiet_from: int = 21 * 60
    quiet_to: int = 8 * 60
    holidays: bool = True
    caps: tuple[tuple[int, int], ...] = ((DAY_MS, 1), (WEEK_MS, 3))
    hold_out_percent: float = 0
    spread_ms: int = 15 * MINUTE_MS
    consent_default: Mapping[str, bool] = field(
        default_factory=lambda: {"EMAIL": True, "SMS": False, "IN_APP": True}
    )

    @property
    def remember_ms(self) -> int:
        """How long a sent nudge still matters: for the longest cap, and for attribution."""
        return max([ATTRIBUTION_MS, *(span_ms for span_ms, _ in self.caps)])

    def holds_out(self, playbook: str, member_id: str) -> bool:
        """Whether the member is one of those the playbook's nudges are kept from; raising the percentage only adds."""
        percent = self.hold_out_percent
        return percent > 0 and hold_out_rank(playbook, member_id) < percent

    def channels_of(self, profile: Profile, wanted: Sequence[str]) -> Sequence[str]:
        """The list that counts: the member's own if not empty, else `wanted` (the nudge's), else the policy's."""
        return profile.channels or wanted or self.channels

    def channel_for(self, profile: Profile, wanted: Sequence[str]) -> tuple[str, str]:
        """The first channel with an address and consent, and why there is none; one of the two is empty.

        See `channels_of` for `wanted`.
        """
        reachable = [
            channel for channel in self.channels_of(profile, wanted) if has_address(profile, channel)
        ]
        if not reachable:
            return "", "no_channel"
        for channel in reachable:
            if self.has_consent(profile, channel):
                return channel, ""
        return "", "no_consent"

    def has_consent(self, profile: Profile, channel: str) -> bool:
        """Whether the member may be written to on the channel: explicitly, else by default, else not."""
        said = (profile.consents or {}).get(channel)
        return self.consent_default.get(channel, False) if said is None else said

    def open_from_ms(self, at_ms: int, profile: Profile) -> int:
        """The first instant from `at_ms` on that lies neither in quiet hours nor on a public holiday of the member."""
        region = (profile.country, profile.region) if self.holidays else (None, None)
        hours = (self.quiet_from, self.quiet_to)
        until_ms = _closed_until_ms(at_ms // MINUTE_MS, profile.time_zone, *hours, *region)
        return at_ms if until_ms is None else until_ms

    def released_ms(self, at_ms: int, profile: Profile, member_id: str) -> int:
        """When a nudge that has to wait at `at_ms` is judged again: as soon as it may be, plus the member's offset."""
        return self.open_from_ms(at_ms, profile) + spread_offset_ms(member_id, self.spread_ms)

    def is_capped(self, at_ms: int, sent: Sequence[Sent]) -> bool:
        """Whether one more nudge at `at_ms` would be one too many. `sent` are the member's, over all playbooks."""
        return any(len(counted(at_ms, span_ms, sent)) >= count for span_ms, count in self.caps)


@lru_cache(20_000)
def _closed_until_ms(
    at_minute: int, zone_name: str | None, start: int, end: int, country: str | None, region: str | None
) -> int | None:
    """When quiet hours and holidays that lie over a minute end; None: none do.

    Nights and holidays begin and end with a minute of UTC. Many members share a place, so many nudges share an answer,
    and working one out takes a hundred times as long as remembering it.
    """
    zone, at_ms = zone_of(zone_name), at_minute * MINUTE_MS
    while _is_closed(local_time(at_ms, zone), start, end, country, region):
        at_ms = next_change_ms(at_ms, (end, _MIDNIGHT), zone)
    return None if at_ms == at_minute * MINUTE_MS else at_ms


def _is_closed(moment: datetime, start: int, end: int, country: str | None, region: str | None) -> bool:
    minute = minute_of_day(moment)
    quiet = start <= minute < end if start <= end else minute >= start or minute < end
    return quiet or is_public_holiday(moment.date(), country, region)


def hold_out_rank(playbook: str, member_id: str) -> float:
    """Where a member stands, from 0 up to but not 100, among those a playbook holds out first."""
    # 48 bits: a float holds them exactly, so that nobody's rank is rounded up to 100.
    digest = blake2b(f"{playbook}\0{member_id}".encode(), digest_size=6).digest()
    return int.from_bytes(digest, "big") / 2**48 * 100


def spread_offset_ms(member_id: str, spread_ms: int) -> int:
    """The member's own offset in [0, spread_ms), the same for every nudge of every playbook."""
    if spread_ms == 0:
        return 0
    digest = blake2b(member_id.encode(), digest_size=8, person=b"spread").digest()
    return int.from_bytes(digest, "big") % spread_ms


def counted(at_ms: int, span_ms: int, sent: Sequence[Sent]) -> list[Sent]:
    """The nudges that a cap of that span counts at an instant."""
    return [nudge for nudge in sent if at_ms - span_ms < nudge.at_ms <= at_ms]


def has_address(profile: Profile, channel: str) -> bool:
    """Whether the member can be reached on the channel; IN_APP, PUSH and WEBHOOK need none (contract 8, "Policy")."""
    if channel == "EMAIL":
        return bool(profile.email)
    return channel != "SMS" or bool(profile.phone)
