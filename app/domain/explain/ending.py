"""Watching one member up to an instant: before the first thing that happens to it after that, everything ends."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

from app.domain.explain.watch import WatchedMembers
from app.domain.members import MemberCore
from app.domain.sink import Sink

if TYPE_CHECKING:
    from app.domain.hop import Hop
    from app.domain.member import Member
    from app.domain.playbook_set import PlaybookSet


class Ended(Exception):  # noqa: N818  no error: the instant is reached
    """What comes next happens to the member after the instant; the member is as it stood before."""


class WatchedUntil(WatchedMembers):
    """Watches as `WatchedMembers` does, and raises `Ended` instead of what happens to the member after an instant.

    It is told in which order things happened, not in order of time: a timer fired late in the day makes a record of
    the morning that comes after it a late one. A record that changes nothing has not happened.
    """

    def __init__(self, playbooks: PlaybookSet, member_id: str, until_ms: int) -> None:
        super().__init__(playbooks, member_id)
        self._until_ms = until_ms
        self._plain = MemberCore(playbooks)

    def apply(self, entity: Member, record: Any, sink: Sink, hop: Hop | None = None) -> bool:
        """See `WatchedMembers.apply`. Before it ends, the timers due by the instant fire."""
        if entity.key != self.member_id or hop is not None or record.occurred_at <= self._until_ms:
            return super().apply(entity, record, sink, hop)
        if self._plain.apply(deepcopy(entity), record, Sink()):
            self.fire(entity, self._until_ms, sink)
            raise Ended
        return False

    def fire_first(self, entity: Member, sink: Sink) -> None:
        """See `WatchedMembers.fire_first`."""
        if entity.key == self.member_id and entity.hot.timers[0][0] > self._until_ms:
            raise Ended
        super().fire_first(entity, sink)
