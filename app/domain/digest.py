"""An owner's digest: one mail for all engagements that go off track within a while (contract 6.5, and 8, "Progress").

It hears of them through an internal topic. Its nudges are outputs of the owner's own entity, `owner:{owner_id}`, which
has a sequence of its own (contract 4).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.domain.crossings import DigestItem
from app.domain.digest_state import Digest, DigestHead
from app.domain.entity import NEVER_MS
from app.domain.instants import DAY_MS
from app.domain.outputs import Nudge
from app.domain.pending import OWNER
from app.domain.progress import DIGEST_TEMPLATE, Progress
from app.domain.recent_ids import HASH_BYTES, hash_id
from app.domain.timers import arm, cancel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from app.domain.digest_state import Item
    from app.domain.playbook_set import PlaybookSet
    from app.domain.sink import Sink

DIGEST_TIMER = "digest"

MOST_HEARD = 8
"""Event ids remembered of an item; what at least once repeats are the latest."""

MOST_BYTES = 500_000
"""Of the ids in one nudge, which has to fit one record. What is left over goes into another at the same instant."""


class DigestCore:
    """Satisfies `entity.Core` for owners. Holds settings and nothing else; one serves any number of engines."""

    def __init__(self, playbooks: PlaybookSet) -> None:
        self.playbooks_hash = playbooks.hash
        self._progress = {each.name: each for each in playbooks.playbooks if isinstance(each, Progress)}

    def new(self, key: str) -> Digest:
        """The digest of an owner nobody has heard of."""
        return Digest(key, DigestHead(self.playbooks_hash))

    def apply(self, entity: Digest, record: object, sink: Sink) -> bool:
        """Apply one item, after the digests due by then.

        False for a repeated one, one that withdraws what is listed no more, and one of a playbook that is gone.
        """
        if not isinstance(record, DigestItem):
            raise TypeError(f"no record of a digest: {record!r}")
        key = (record.playbook, record.member_id, record.engagement_id)
        known, id_hash = entity.items.get(key), hash_id(record.event_id)
        progress = self._progress.get(record.playbook)
        is_news = record.off_track if known is None else id_hash not in _hashes(known.heard)
        if progress is None or not is_news:
            return False
        self.fire(entity, record.occurred_at, sink)
        head, item = entity.head, entity.item(key)
        head.now_ms = item.told_ms = max(head.now_ms, record.occurred_at)
        item.heard = (item.heard + id_hash)[-MOST_HEARD * HASH_BYTES :]
        item.waits = record.off_track
        entity.changed(item)
        if item.waits and progress.name not in head.began_ms:
            head.began_ms[progress.name] = record.occurred_at
            arm(head.timers, record.occurred_at + progress.digest_ms, DIGEST_TIMER, progress.name)
        return True

    def fire(self, entity: Digest, until_ms: int, sink: Sink) -> None:
        """Send the digests due by then, each at its own instant."""
        head = entity.head
        while head.timers and head.timers[0][0] <= until_ms:
            due_ms, _, playbook, _ = head.timers.pop(0)
            head.now_ms = max(head.now_ms, due_ms)
            head.began_ms.pop(playbook, None)
            listed = entity.waiting(playbook)
            for item in listed:
                item.waits = False
                entity.changed(item)
            for some in _portions(listed):
                self._send(entity, self._progress[playbook], some, sink)
            entity.drop(lambda item: not item.waits and item.told_ms + DAY_MS <= head.now_ms)

    def rearm(self, entity: Digest, sink: Sink) -> None:  # noqa: ARG002  nothing is put out
        """Time the digests that collect by today's settings; what playbooks that are gone have listed goes with them."""
        entity.armed_for = self.playbooks_hash
        head = entity.head
        entity.drop(lambda item: item.playbook not in self._progress)
        for playbook, began_ms in list(head.began_ms.items()):
            progress = self._progress.get(playbook)
            if progress is None:
                del head.began_ms[playbook]
                cancel(head.timers, DIGEST_TIMER, playbook)
            else:
                arm(head.timers, began_ms + progress.digest_ms, DIGEST_TIMER, playbook)

    def next_due_ms(self, entity: Digest) -> int:
        """When the next digest is to be sent."""
        timers = entity.head.timers
        return timers[0][0] if timers else NEVER_MS

    def load(self, key: str, read: Callable[[int], bytes | None]) -> Digest | None:
        """See `digest_state.Digest.load`."""
        return Digest.load(key, read)

    def dump(self, entity: Digest) -> Iterable[tuple[int, bytes | None]]:
        """See `digest_state.Digest.dump`."""
        return entity.dump()

    def _send(self, entity: Digest, progress: Progress, listed: list[Item], sink: Sink) -> None:
        head, member_id = entity.head, f"owner:{entity.key}"
        head.sequence += 1
        number = head.nudges[progress.name] = head.nudges.get(progress.name, 0) + 1
        sink.emit(
            Nudge(
                event_id=f"{member_id}/{head.sequence}",
                sequence=head.sequence,
                member_id=member_id,
                occurred_at=head.now_ms,
                playbook=progress.name,
                playbook_version=progress.version,
                cause=f"timer:{DIGEST_TIMER}",
                nudge_id=f"{progress.name}:{member_id}#{number}",
                recipient_role=OWNER,
                recipient_id=entity.key,
                channel="EMAIL",
                template=DIGEST_TEMPLATE,
                context={
                    "count": str(len(listed)),
                    "engagements": ",".join(item.engagement_id for item in listed),
                },
            )
        )


def _portions(listed: list[Item]) -> Iterator[list[Item]]:
    """The items as one list, or as several where one would not fit a record; nothing where there is none."""
    portion: list[Item] = []
    size = 0
    for item in listed:
        size += len(item.engagement_id.encode()) + 1
        if size > MOST_BYTES:
            yield portion
            portion, size = [], len(item.engagement_id.encode()) + 1
        portion.append(item)
    if portion:
        yield portion


def _hashes(heard: bytes) -> set[bytes]:
    return {heard[place : place + HASH_BYTES] for place in range(0, len(heard), HASH_BYTES)}
