"""The playbooks that hold for all members of a run, and who of them listens to what."""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from app.domain.events import Activity
from app.domain.playbook import KIND_ORDER, FirstSeen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from app.domain.playbook import Interest, Playbook
    from app.domain.turn import Turn

_NOBODY: tuple[Callable[[Turn, Any], None], ...] = ()


class PlaybookSet:
    """Compiled playbooks in the order in which they act: by kind, then by name. Never changed once made.

    `hash` tells one set of playbooks from another: 12 hex digits, the same in every process whatever the order they
    were given in. `first_seen` is what to do about a member's first record, before anything else. Names must be
    unique; the loader has refused others.
    """

    def __init__(self, playbooks: Iterable[Playbook]) -> None:
        self.playbooks: tuple[Playbook, ...] = tuple(
            sorted(playbooks, key=lambda playbook: (KIND_ORDER.index(playbook.kind), playbook.name))
        )
        self.by_name: dict[str, Playbook] = {playbook.name: playbook for playbook in self.playbooks}
        self.hash = _hash_of(self.playbooks)
        self._by_activity: dict[str, tuple[Callable[[Turn, Any], None], ...]] = {}
        self._by_record: dict[type, tuple[Callable[[Turn, Any], None], ...]] = {}
        for playbook in self.playbooks:
            for interest, reaction in playbook.reactions():
                self._index(interest, reaction)
        self.first_seen = self._by_record.pop(FirstSeen, _NOBODY)

    def reactions(self, record: Any) -> tuple[Callable[[Turn, Any], None], ...]:
        """What is to be done about a record, in order."""
        record_type = type(record)
        if record_type is Activity:
            return self._by_activity.get(record.type, _NOBODY)
        return self._by_record.get(record_type, _NOBODY)

    def _index(self, interest: Interest, reaction: Callable[[Turn, Any], None]) -> None:
        record_type, activity_type = interest
        if activity_type is None:
            self._by_record[record_type] = (*self._by_record.get(record_type, ()), reaction)
        else:
            self._by_activity[activity_type] = (*self._by_activity.get(activity_type, ()), reaction)


def _hash_of(playbooks: tuple[Playbook, ...]) -> str:
    digest = blake2b(digest_size=6)
    for playbook in playbooks:
        digest.update(f"{playbook.kind}\0{playbook.name}\0{playbook.version}\0".encode())
    return digest.hexdigest()
