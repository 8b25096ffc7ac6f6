"""The rules of members, put together: in which order a record and the timers before it take effect (contract 5)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.domain.commands import carry_out, why_refused
from app.domain.entity import NEVER_MS
from app.domain.events import OperatorCommand
from app.domain.facts import FACTS
from app.domain.member import Member
from app.domain.rearm import rearm_member
from app.domain.recent_ids import hash_id
from app.domain.snapshot import SNAPSHOT_TIMER, settle_page, write_page
from app.domain.state import Hot
from app.domain.turn import Turn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from app.domain.playbook_set import PlaybookSet
    from app.domain.sink import Sink


class MemberCore:
    """Satisfies `entity.Core` for members. Holds the playbooks and nothing else; one serves any number of engines."""

    def __init__(self, playbooks: PlaybookSet) -> None:
        self.playbooks = playbooks
        self.playbooks_hash = playbooks.hash

    def new(self, key: str) -> Member:
        """A member nobody has heard of."""
        return Member(key, Hot(self.playbooks_hash))

    def apply(self, entity: Member, record: Any, sink: Sink) -> bool:
        """Apply one record of a member's input topics (`events.py`), unless it is a duplicate or refused.

        The order is contract 5's: timers due by then, facts, then the playbooks by kind and name.
        """
        id_hash = hash_id(record.event_id)
        if entity.has_applied(id_hash):
            return False
        if type(record) is OperatorCommand:
            return self._obey(entity, record, id_hash, sink)
        at_ms = record.occurred_at
        hot = entity.hot
        if hot.timers and hot.timers[0][0] <= at_ms:
            self.fire(entity, at_ms, sink)
        turn = Turn(entity, sink, at_ms, record.event_id)
        entity.remember(id_hash)
        if not hot.born:
            self._greet(turn, record)
        note = FACTS.get(type(record))
        if note is not None:
            note(turn, record)
        for react in self.playbooks.reactions(record):
            react(turn, record)
        settle_page(turn)
        return True

    def fire(self, entity: Member, until_ms: int, sink: Sink) -> None:
        """Fire the member's timers, each in a turn of its own."""
        hot = entity.hot
        while hot.timers and hot.timers[0][0] <= until_ms:
            timer = hot.timers.pop(0)
            due_ms, name, playbook, _ref = timer
            turn = Turn(entity, sink, due_ms, f"timer:{name}")
            if playbook:
                self.playbooks.by_name[playbook].fire(turn, timer)
            elif name == SNAPSHOT_TIMER:
                write_page(turn)
            settle_page(turn)

    def rearm(self, entity: Member, sink: Sink) -> None:
        """See `rearm.py`."""
        rearm_member(entity, self.playbooks, sink)

    def next_due_ms(self, entity: Member) -> int:
        """Due time of the earliest timer."""
        timers = entity.hot.timers
        return timers[0][0] if timers else NEVER_MS

    def load(self, key: str, read: Callable[[int], bytes | None]) -> Member | None:
        """See `member.Member.load`."""
        return Member.load(key, read)

    def dump(self, entity: Member) -> Iterable[tuple[int, bytes | None]]:
        """See `member.Member.dump`."""
        return entity.dump()

    def _greet(self, turn: Turn, record: object) -> None:
        """The member is seen for the first time: it has a page from now on."""
        turn.hot.born = True
        turn.page_changed = True
        for react in self.playbooks.first_seen:
            react(turn, record)

    def _obey(self, member: Member, command: OperatorCommand, id_hash: bytes, sink: Sink) -> bool:
        """Carry out a command, or refuse it. Commands do not make a member (contract 8, "First seen").

        A refused one moves nothing. It is judged again after the timers that fire before it, which may have resolved
        what it names; these have then fired, as they would have without it.
        """
        refusal = why_refused(member, command)
        if refusal is None and not member.hot.born:
            return False
        fired = False
        if refusal is None and self.next_due_ms(member) <= command.occurred_at:
            self.fire(member, command.occurred_at, sink)
            fired = True
            refusal = why_refused(member, command)
        if refusal is not None:
            sink.refuse(*refusal)
            return fired
        turn = Turn(member, sink, command.occurred_at, command.event_id)
        member.remember(id_hash)
        carry_out(turn, command, self.playbooks)
        settle_page(turn)
        return True
