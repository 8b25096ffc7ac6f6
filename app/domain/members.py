"""The rules of members, put together: in which order a record and the timers before it take effect (contract 5)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from app.domain import merging
from app.domain.bounds import prune, prune_due_ms
from app.domain.commands import carry_out, why_refused
from app.domain.crossings import CompanyUp, MemberMoved, TransferAnswer
from app.domain.events import MemberProfile, OperatorCommand, TransferEvent
from app.domain.facts import FACTS
from app.domain.hop import Hop
from app.domain.member import Member
from app.domain.nudges import nudge_due
from app.domain.pending import NUDGE_TIMER
from app.domain.rearm import rearm_member
from app.domain.recent_ids import hash_id
from app.domain.reengager import Reengager
from app.domain.scores import settle_scores
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
        self._special: dict[type, Callable[[Member, Any, Sink, Hop | None], bool | None]] = {
            OperatorCommand: self._hear_command,
            MemberProfile: self._hear_profile,
            TransferAnswer: self._hear_answer,
            CompanyUp: self._hear_answer,
            MemberMoved: self._hear_merge,
            Hop: self._land,
        }
        transfers = [each.transfer for each in playbooks.playbooks if isinstance(each, Reengager)]
        if transfers and all(transfer.managed for transfer in transfers):
            self._special[TransferEvent] = self._hear_managed_transfer

    def new(self, key: str) -> Member:
        """A member nobody has heard of."""
        return Member(key, Hot(self.playbooks_hash))

    def apply(self, entity: Member, record: Any, sink: Sink, hop: Hop | None = None) -> bool:
        """Apply one record of a member's input topics (`events.py`, `crossings.py`), unless duplicate or refused.

        The order is contract 5's: timers due by then, facts, then the playbooks by kind and name. `hop`: how it came,
        when it is the record of a member merged into this one.
        """
        special = self._special.get(type(record))
        if special is not None and (kept := special(entity, record, sink, hop)) is not None:
            return kept
        id_hash = hash_id(record.event_id)
        if entity.has_applied(id_hash):
            return False
        hot = entity.hot
        if not hot.born and _sent_on(entity, record, sink, hop):
            return False
        at_ms = record.occurred_at
        if (hot.timers[0][0] if hot.timers else prune_due_ms(hot)) <= at_ms:
            self.fire(entity, at_ms, sink)
        turn = Turn(entity, sink, at_ms, record.event_id, self.playbooks)
        entity.remember(id_hash)
        note = FACTS.get(type(record))
        if note is not None:
            note(turn, record)
        if not hot.born:
            self._greet_with(turn, record)
        if turn.asked:
            settle_scores(turn)
        for react in self.playbooks.reactions(record):
            react(turn, record)
        settle_page(turn)
        return True

    def fire(self, entity: Member, until_ms: int, sink: Sink) -> None:
        """Fire the member's timers, each in a turn of its own."""
        hot = entity.hot
        while hot.timers and hot.timers[0][0] <= until_ms:
            self.fire_first(entity, sink)
        if not hot.timers and prune_due_ms(hot) <= until_ms:
            prune(entity)

    def fire_first(self, entity: Member, sink: Sink) -> None:
        """Fire the earliest of the member's timers; there is one."""
        timer = entity.hot.timers.pop(0)
        due_ms, name, playbook, _ref = timer
        turn = Turn(entity, sink, due_ms, f"timer:{name}", self.playbooks)
        if name == NUDGE_TIMER:
            nudge_due(turn, timer)
        elif playbook:
            self.playbooks.fire[playbook](turn, timer)
            settle_scores(turn)
        elif name == SNAPSHOT_TIMER:
            write_page(turn)
        settle_page(turn)

    def rearm(self, entity: Member, sink: Sink) -> None:
        """See `rearm.py`."""
        rearm_member(entity, self.playbooks, sink)

    def next_due_ms(self, entity: Member) -> int:
        """Due time of the earliest timer; without any, when the member is to be pruned."""
        timers = entity.hot.timers
        return timers[0][0] if timers else prune_due_ms(entity.hot)

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
        settle_scores(turn)

    def _greet_with(self, turn: Turn, record: object) -> None:
        """Greet by what a record says of the member, but before the scores it asks to change (contract 8, "Scores")."""
        asked, turn.asked = turn.asked, []
        self._greet(turn, record)
        turn.asked = asked

    def _hear_command(self, member: Member, command: OperatorCommand, sink: Sink, hop: Hop | None) -> bool:
        """Carry out a command, or refuse it. Commands do not make a member (contract 8, "First seen").

        A refused one moves nothing. It is judged again after the timers that fire before it, which may have resolved
        what it names; these have then fired, as they would have without it.
        """
        id_hash = hash_id(command.event_id)
        if member.has_applied(id_hash) or _sent_on(member, command, sink, hop):
            return False
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
        turn = self._begin(member, command, command.event_id, id_hash, sink)
        carry_out(turn, command, self.playbooks)
        settle_page(turn)
        return True

    def _hear_profile(
        self, member: Member, profile: MemberProfile, sink: Sink, hop: Hop | None
    ) -> bool | None:
        """A profile that merges the member away does nothing else; any other goes on as every record does."""
        into, id_hash = profile.merged_into, hash_id(profile.event_id)
        if into is None or merging.is_known(member, profile, hop) or member.has_applied(id_hash):
            return None
        if _sent_on(member, profile, sink, hop):
            return False
        refusal = merging.why_refused(member, into)
        if refusal is not None:
            sink.refuse(*refusal)
            return False
        merging.merge_away(self._begin(member, profile, profile.event_id, id_hash, sink), into)
        return True

    def _hear_managed_transfer(
        self, member: Member, event: TransferEvent, sink: Sink, _hop: Hop | None
    ) -> bool | None:
        """Where desks of ours make the attempts, nobody else can have failed one (contract 8, "Desk")."""
        if event.type != "ATTEMPT_FAILED" or member.has_applied(hash_id(event.event_id)):
            return None
        sink.refuse(
            "not_managed",
            "type: ATTEMPT_FAILED is for transfers that another system manages; every re-engager here has"
            " transfer.managed = true, so its pool's desk makes the attempts",
        )
        return False

    def _hear_answer(
        self, member: Member, answer: TransferAnswer | CompanyUp, sink: Sink, _hop: Hop | None
    ) -> bool:
        """The answer of a pool's desk, or of a company.

        One to a member who has been forgotten or merged away since is for nobody.
        """
        id_hash = hash_id(answer.event_id)
        if not member.hot.born or member.has_applied(id_hash):
            return False
        turn = self._begin(member, answer, answer.cause, id_hash, sink)
        for react in self.playbooks.reactions(answer):
            react(turn, answer)
        settle_page(turn)
        return True

    def _hear_merge(self, member: Member, moved: MemberMoved, sink: Sink, _hop: Hop | None) -> bool:
        """The history of a member merged into this one, or into one merged into this one."""
        undone = merging.break_circle(member, moved.path, sink)
        if (onward := merging.signpost(member, moved.path)) is not None:
            into, path = onward
            sink.emit(replace(moved, member_id=into, path=list(path)))
            return False
        id_hash = hash_id(moved.event_id)
        if member.has_applied(id_hash):
            return undone
        turn = self._begin(member, moved, moved.cause, id_hash, sink)
        merging.note_merge(turn, moved)
        if moved.seen:
            if not member.hot.born:
                self._greet(turn, moved)
            FACTS[MemberMoved](turn, moved)
            for react in self.playbooks.reactions(moved):
                react(turn, moved)
            settle_page(turn)
        return True

    def _land(self, member: Member, hop: Hop, sink: Sink, _hop: Hop | None) -> bool:
        """A record of a member merged into this one: it is applied as this one's own."""
        undone = merging.break_circle(member, hop.path, sink)
        return self.apply(member, hop.record, sink, hop) or undone

    def _begin(self, member: Member, record: Any, cause: str, id_hash: bytes, sink: Sink) -> Turn:
        """The turn of a record, after the timers due by then."""
        if self.next_due_ms(member) <= record.occurred_at:
            self.fire(member, record.occurred_at, sink)
        member.remember(id_hash)
        return Turn(member, sink, record.occurred_at, cause, self.playbooks)


def _sent_on(member: Member, record: Any, sink: Sink, hop: Hop | None) -> bool:
    """Whether the member is merged away, and the record now on its way to the other."""
    onward = merging.signpost(member, () if hop is None else hop.path)
    if onward is None:
        return False
    sink.emit(Hop(onward[0], member.key if hop is None else hop.from_member_id, onward[1], record))
    return True
