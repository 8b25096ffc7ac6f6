"""A company's systems: who waits until they work again, and who is told when (contract 6.4, and 8, "Timers").

It hears of waits through an internal topic, and answers through another. A wait is ended by the first OPERATIONAL from
when the member saw the maintenance page on. Came that before the session's end, the answer goes out at once; else the
members are released one by one, each at its own offset. A release touches nobody but the member it is for, so company
records that come meanwhile need not wait for those due before them.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

from app.domain.company_state import (
    BUCKETS,
    Company,
    CompanyHead,
    Release,
    Up,
    Wait,
    bucket_of,
    first_rank,
    offset_ms,
    rank_of,
)
from app.domain.crossings import CompanyUp, CompanyWait
from app.domain.entity import NEVER_MS
from app.domain.events import CompanyStatus
from app.domain.high_intent import HighIntent
from app.domain.recent_ids import HASH_BYTES, REMEMBERED, hash_id
from app.domain.workflow import stem, workflow_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from app.domain.playbook_set import PlaybookSet
    from app.domain.sink import Sink

RELEASE_TIMER = "release"
OPERATIONAL = "OPERATIONAL"

MOST_UPS = 64
"""Times the company came back that are remembered, for waits that are heard of late."""

SLICE = 20
"""Members released, or buckets looked into, in one go; the rest has its turn a millisecond later, after others."""


class CompanyCore:
    """Satisfies `entity.Core` for companies. Holds settings and nothing else; one serves any number of engines.

    `at_once`: how many are released in one go.
    """

    def __init__(self, playbooks: PlaybookSet, at_once: int = SLICE) -> None:
        self._at_once = at_once
        self.playbooks_hash = playbooks.hash
        self._playbooks = {each.name: each for each in playbooks.playbooks if isinstance(each, HighIntent)}

    def new(self, key: str) -> Company:
        """A company nobody has heard of."""
        return Company(key, CompanyHead(self.playbooks_hash))

    def apply(self, entity: Company, record: object, sink: Sink) -> bool:
        """Apply one record of the company, or one wait; False for a repeated one."""
        match record:
            case CompanyStatus():
                return self._hear_status(entity, record)
            case CompanyWait():
                return self._hear_wait(entity, record, sink)
            case _:
                raise TypeError(f"no record of a company: {record!r}")

    def fire(self, entity: Company, until_ms: int, sink: Sink) -> None:
        """Release those due by an instant, so many at once; the others are due the instant after it."""
        head = entity.head
        for _ in range(self._at_once):
            release = min(head.releases, key=lambda each: self._due_ms(entity, each), default=None)
            if release is None or self._due_ms(entity, release) > until_ms:
                break
            self._go_on(entity, release, sink)
        else:
            head.not_before_ms = until_ms + 1

    def rearm(self, entity: Company, sink: Sink) -> None:  # noqa: ARG002  nobody hears of it
        """Take over today's `release`: those not released yet are due by it, in the order in which they were."""
        entity.armed_for = self.playbooks_hash

    def next_due_ms(self, entity: Company) -> int:
        """When the next member is to be released, or the next bucket to be looked into."""
        head = entity.head
        if not head.releases:
            return NEVER_MS
        return max(head.not_before_ms, min(self._due_ms(entity, release) for release in head.releases))

    def load(self, key: str, read: Callable[[int], bytes | None]) -> Company | None:
        """See `company_state.Company.load`."""
        return Company.load(key, read)

    def dump(self, entity: Company) -> Iterable[tuple[int, bytes | None]]:
        """See `company_state.Company.dump`."""
        return entity.dump()

    def _hear_status(self, company: Company, record: CompanyStatus) -> bool:
        """OPERATIONAL ends every wait that began since the last one. A late one has been overtaken by a newer."""
        head, id_hash, at_ms = company.head, hash_id(record.event_id), record.occurred_at
        if id_hash in _hashes(head.recent):
            return False
        head.now_ms = max(head.now_ms, at_ms)
        head.recent = (head.recent + id_hash)[-REMEMBERED * HASH_BYTES :]
        if record.status != OPERATIONAL:
            return True
        after_ms = head.ups[-1].at_ms if head.ups else -1
        if at_ms > after_ms:
            for playbook, newest_ms in sorted(head.newest.items()):
                if newest_ms > after_ms:
                    head.releases.append(Release(playbook, at_ms, after_ms, record.event_id))
            head.newest = {name: newest_ms for name, newest_ms in head.newest.items() if newest_ms > at_ms}
        place = _first_up(head, at_ms)
        if place == len(head.ups) or head.ups[place].at_ms != at_ms:
            head.ups.insert(place, Up(at_ms, record.event_id))
            del head.ups[:-MOST_UPS]
        return True

    def _hear_wait(self, company: Company, record: CompanyWait, sink: Sink) -> bool:
        """A member waits, unless what it waits for has come already. Of its waits by one playbook the last counts."""
        head, wait = company.head, _wait_of(record)
        rank = rank_of(wait.member_id)
        number = bucket_of(rank)
        bucket, holder = company.bucket(number), (wait.member_id, wait.playbook)
        known = bucket.get(holder)
        if known is not None and (known.workflow, known.number) >= (wait.workflow, wait.number):
            return False
        head.now_ms = max(head.now_ms, wait.ended_ms)
        if known is not None:
            del bucket[holder]
            self._changed(company, number)
        place = _first_up(head, wait.since_ms)
        up = head.ups[place] if place < len(head.ups) else None
        if up is not None and up.at_ms <= wait.ended_ms:
            sink.emit(_answer(company, wait, wait.ended_ms, record.cause))
        elif up is None or self._joins(company, up, place, wait, rank):
            bucket[holder] = wait
            self._drop_expired(bucket, head.now_ms)
            self._changed(company, number)
            if up is None:
                head.newest[wait.playbook] = max(wait.since_ms, head.newest.get(wait.playbook, 0))
        else:
            self._tell(company, wait, up.at_ms, up.event_id, sink)
        return True

    def _joins(self, company: Company, up: Up, place: int, wait: Wait, rank: int) -> bool:
        """The company came back after the session's end, before it heard of the wait: whether its turn is still to come."""
        head = company.head
        for release in head.releases:
            if (release.playbook, release.up_ms) == (wait.playbook, up.at_ms):
                reached = release.bucket, release.rank, release.member_id
                return (bucket_of(rank), rank, wait.member_id) > reached
        if up.at_ms + offset_ms(rank, self._release_ms(wait.playbook)) <= head.now_ms:
            return False
        after_ms = head.ups[place - 1].at_ms if place else -1
        head.releases.append(Release(wait.playbook, up.at_ms, after_ms, up.event_id))
        return True

    def _go_on(self, company: Company, release: Release, sink: Sink) -> None:
        """Release the next member of the bucket under way, or turn to the next one that holds anybody."""
        ahead = self._ahead(company, release)
        if ahead:
            release.rank, wait = ahead.pop()
            release.member_id = wait.member_id
            self._tell(company, wait, release.up_ms, release.event_id, sink)
        else:
            following = _next_bucket(company, release)
            if following is None:
                company.head.releases.remove(release)
                return
            release.bucket, release.rank, release.member_id = following, -1, ""
            company.ahead.pop((release.playbook, release.up_ms), None)
            ahead = self._ahead(company, release)
        if not ahead:
            self._leave(company, release)

    def _leave(self, company: Company, release: Release) -> None:
        """Everybody of the release's bucket has been told: those are let go of."""
        bucket = company.bucket(release.bucket)
        told = [holder for holder, wait in bucket.items() if release.owns(wait)]
        if told:
            for holder in told:
                del bucket[holder]
            self._changed(company, release.bucket)
        if _next_bucket(company, release) is None:
            company.head.releases.remove(release)
            company.ahead.pop((release.playbook, release.up_ms), None)

    def _due_ms(self, company: Company, release: Release) -> int:
        """When the release goes on: with its next member, or with what may be the next bucket's first."""
        release_ms = self._release_ms(release.playbook)
        ahead = self._ahead(company, release)
        if ahead:
            return release.up_ms + offset_ms(ahead[-1][0], release_ms)
        following = _next_bucket(company, release)
        return release.up_ms + (0 if following is None else offset_ms(first_rank(following), release_ms))

    def _ahead(self, company: Company, release: Release) -> list[tuple[int, Wait]]:
        """What is left of the bucket under way, the next one last."""
        if release.bucket < 0:
            return []
        name = release.playbook, release.up_ms
        found = company.ahead.get(name)
        if found is None:
            reached = release.rank, release.member_id
            found = [
                (rank, wait)
                for wait in company.bucket(release.bucket).values()
                if release.owns(wait) and ((rank := rank_of(wait.member_id)), wait.member_id) > reached
            ]
            found.sort(key=lambda each: (each[0], each[1].member_id), reverse=True)
            company.ahead[name] = found
        return found

    def _tell(self, company: Company, wait: Wait, up_ms: int, event_id: str, sink: Sink) -> None:
        """The member's turn: at its offset. One without an offset is told by the company's record itself.

        Had the record come before the session's end, but was heard of later, the end counts as it would have.
        """
        offset = offset_ms(rank_of(wait.member_id), self._release_ms(wait.playbook))
        cause = f"timer:{RELEASE_TIMER}" if offset else event_id
        at_ms = wait.ended_ms if up_ms <= wait.ended_ms else up_ms + offset
        sink.emit(_answer(company, wait, at_ms, cause))

    def _drop_expired(self, bucket: dict[tuple[str, str], Wait], now_ms: int) -> None:
        """Let go of those whose workflow has expired: nobody there would hear the answer.

        They lie in the order in which they came, so that those who have waited longest are first.
        """
        while bucket:
            holder, wait = next(iter(bucket.items()))
            playbook = self._playbooks.get(wait.playbook)
            expires_ms = HighIntent.expires_ms if playbook is None else playbook.expires_ms
            if wait.ended_ms + expires_ms >= now_ms:
                return
            del bucket[holder]

    def _release_ms(self, playbook: str) -> int:
        """Within which span those who wait by a playbook are released; one that is gone has nobody left to spread."""
        known = self._playbooks.get(playbook)
        return 0 if known is None else known.release_ms

    def _changed(self, company: Company, bucket: int) -> None:
        """The bucket was changed, and with it what is left of it."""
        company.bucket_changed(bucket)
        for release in company.head.releases:
            if release.bucket == bucket:
                company.ahead.pop((release.playbook, release.up_ms), None)


def _next_bucket(company: Company, release: Release) -> int | None:
    """The next bucket that holds anybody; None: there is none."""
    return next((number for number in range(release.bucket + 1, BUCKETS) if company.holds(number)), None)


def _first_up(head: CompanyHead, at_ms: int) -> int:
    """Place of the first time, among those remembered, that the company was OPERATIONAL at or after an instant."""
    return bisect_left(head.ups, at_ms, key=lambda up: up.at_ms)


def _wait_of(record: CompanyWait) -> Wait:
    return Wait(
        member_id=record.member_id,
        playbook=record.playbook,
        workflow=int(record.workflow_id.rpartition(":")[2]),
        number=int(record.event_id.rpartition("/")[2]),
        since_ms=record.since,
        ended_ms=record.occurred_at,
    )


def _answer(company: Company, wait: Wait, at_ms: int, cause: str) -> CompanyUp:
    """The answer to a wait; its event_id is the wait's."""
    own_id = workflow_id(stem(wait.playbook), wait.member_id, wait.workflow)
    return CompanyUp(
        event_id=f"{own_id}/{wait.number}",
        occurred_at=at_ms,
        cause=cause,
        member_id=wait.member_id,
        company_id=company.key,
        playbook=wait.playbook,
        workflow_id=own_id,
    )


def _hashes(recent: bytes) -> set[bytes]:
    return {recent[place : place + HASH_BYTES] for place in range(0, len(recent), HASH_BYTES)}
