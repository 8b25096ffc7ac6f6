"""One step of one member: a record or a timer being applied, and what it puts out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from app.domain.member import Member
    from app.domain.outputs import Output
    from app.domain.playbook import Playbook
    from app.domain.playbook_set import PlaybookSet
    from app.domain.scores import Asked
    from app.domain.sink import Sink


class Turn:
    """The application of one record or timer; made by `members.py`, handed to every rule, and then thrown away.

    Attributes:
        member: whose turn it is.
        hot: its hot part.
        sink: where outputs go; rules use `emit`.
        at_ms: the instant of the record or timer itself. The member's now is `hot.now_ms`, never earlier.
        late: whether at_ms lay before the member's now (contract 5, "Late").
        cause: the record's event_id, or `timer:<name>`.
        playbooks: those that hold, with the nudge policy.
        asked: changes of scores asked for and not made yet, in the order in which they will be (`scores.py`).
        page_changed: whether something on the member's page (contract 4, member-snapshot) is different now,
            apart from the last activity.
        page_moved: whether the last activity on it is.
        page_urgent: whether a workflow, tag, transfer or track status changed, which is to be seen at once.
    """

    __slots__ = (
        "asked",
        "at_ms",
        "cause",
        "hot",
        "late",
        "member",
        "page_changed",
        "page_moved",
        "page_urgent",
        "playbooks",
        "sink",
    )

    def __init__(self, member: Member, sink: Sink, at_ms: int, cause: str, playbooks: PlaybookSet) -> None:
        """Begin the turn: the member's now moves to `at_ms`, unless that is late."""
        hot = member.hot
        self.member = member
        self.hot = hot
        self.sink = sink
        self.at_ms = at_ms
        self.cause = cause
        self.playbooks = playbooks
        self.asked: list[Asked] = []
        self.page_changed = False
        self.page_moved = False
        self.page_urgent = False
        self.late = at_ms < hot.now_ms
        if not self.late:
            hot.now_ms = at_ms

    def emit(self, record: type[Output], playbook: Playbook | None, **fields: Any) -> None:
        """Put out one sequenced record at the member's now; `fields` are those of its own (contract 4)."""
        hot, member_id = self.hot, self.member.key
        hot.sequence = sequence = hot.sequence + 1
        self.sink.emit(
            record(
                event_id=f"{member_id}/{sequence}",
                sequence=sequence,
                member_id=member_id,
                occurred_at=hot.now_ms,
                playbook=None if playbook is None else playbook.name,
                playbook_version=None if playbook is None else playbook.version,
                cause=self.cause,
                **fields,
            )
        )
