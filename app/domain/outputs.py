"""The output records (contract 4): what Reengage tells others.

Instants are epoch milliseconds, UTC; enums are their symbols as text. The fields stand in the order of the schemas,
which is also the order in which they are printed.
"""

from typing import ClassVar

import msgspec


class Output(msgspec.Struct, kw_only=True, gc=False):
    """What every sequenced output carries.

    Attributes:
        event_id: `{member_id}/{sequence}`.
        sequence: 1, 2, 3... per member, without gaps over all topics of sequenced outputs.
        member_id: the member, or `owner:{owner_id}` for an owner's digest; the record's key.
        occurred_at: the instant of the event or the timer's due time; never the wall clock.
        playbook: name of the playbook that caused it, None where none did.
        playbook_version: hash of that playbook, None together with `playbook`.
        cause: the input's event_id, or `timer:<name>`.
    """

    topic: ClassVar[str]
    key_field: ClassVar[str] = "member_id"

    event_id: str
    sequence: int
    member_id: str
    occurred_at: int
    playbook: str | None = None
    playbook_version: str | None = None
    cause: str


class WorkflowOpened(Output, kw_only=True, gc=False):
    """A piece of work was opened; `workflow_id` = `{playbook}:{member_id}:{n}`, for progress with the engagement."""

    topic: ClassVar[str] = "workflow-opened"

    workflow_id: str
    kind: str
    reason: str
    context: dict[str, str] = msgspec.field(default_factory=dict)


class WorkflowResolved(Output, kw_only=True, gc=False):
    """A piece of work ended; `attributed_nudge` is a nudge_id, None unless `resolution` is `converted`."""

    topic: ClassVar[str] = "workflow-resolved"

    workflow_id: str
    kind: str
    resolution: str
    opened_at: int
    attributed_nudge: str | None = None
    context: dict[str, str] = msgspec.field(default_factory=dict)


class Nudge(Output, kw_only=True, gc=False):
    """One message to one recipient on one channel, to be delivered now."""

    topic: ClassVar[str] = "nudge"

    nudge_id: str
    workflow_id: str | None = None
    recipient_role: str
    recipient_id: str
    channel: str
    template: str
    call_to_action: str | None = None
    incentive: str | None = None
    context: dict[str, str] = msgspec.field(default_factory=dict)


class NudgeSuppressed(Output, kw_only=True, gc=False):
    """A planned nudge that was not sent; `recipient_id` is None where the recipient is not known."""

    topic: ClassVar[str] = "nudge-suppressed"

    nudge_id: str
    workflow_id: str | None = None
    recipient_role: str
    recipient_id: str | None = None
    template: str
    reason: str


class ScoreChanged(Output, kw_only=True, gc=False):
    """One line of a score's ledger; `points` as asked (CLEAR: None), `before` and `after` None when empty."""

    topic: ClassVar[str] = "score-changed"

    score: str
    operation: str
    points: int | None = None
    before: int | None = None
    after: int | None = None
    reason: str | None = None


class TagChanged(Output, kw_only=True, gc=False):
    """A tag was ADDED to a member or REMOVED."""

    topic: ClassVar[str] = "tag-changed"

    tag: str
    action: str
    reason: str


class Reactivation(Output, kw_only=True, gc=False):
    """What came of one reactivation; the response's fields are None for NONE_FOUND."""

    topic: ClassVar[str] = "reactivation"

    scenario: str
    action: str
    response_id: str | None = None
    campaign_id: str | None = None
    status: str | None = None
    sync_fields: dict[str, str] = msgspec.field(default_factory=dict)
    assign_to: str | None = None


class TrackChanged(Output, kw_only=True, gc=False):
    """An engagement is ON_TRACK, OFF_TRACK or NOT_TRACKING from now on."""

    topic: ClassVar[str] = "track-changed"

    engagement_id: str
    status: str
    off_track_since: int | None = None
    reason: str


class TransferRequested(Output, kw_only=True, gc=False):
    """A member is ready to be transferred to a coach of `pool`; `attempt` counts from 1."""

    topic: ClassVar[str] = "transfer-requested"

    pool: str
    program: str | None = None
    attempt: int


class TransferFailed(Output, kw_only=True, gc=False):
    """An attempt found no slot; `next_attempt_at` is None when `final`, and where another system decides."""

    topic: ClassVar[str] = "transfer-failed"

    pool: str
    program: str | None = None
    attempts: int
    final: bool
    next_attempt_at: int | None = None


class TransferView(msgspec.Struct, kw_only=True, gc=False):
    """Where a member's transfer stands: `state` NONE, PENDING, WAITING, FAILED (finally) or DONE."""

    state: str = "NONE"
    pool: str | None = None
    program: str | None = None
    attempts: int = 0


class WorkflowView(msgspec.Struct, kw_only=True, gc=False):
    """One open workflow."""

    workflow_id: str
    kind: str
    reason: str
    opened_at: int


class EngagementView(msgspec.Struct, kw_only=True, gc=False):
    """One engagement; `last_session` and `next_session` are the dates around the snapshot's instant."""

    engagement_id: str
    status: str
    off_track_since: int | None = None
    last_session: int | None = None
    next_session: int | None = None
    owner_id: str | None = None
    coach_id: str | None = None
    company_id: str | None = None
    location_id: str | None = None


class PendingNudge(msgspec.Struct, kw_only=True, gc=False):
    """One planned nudge whose outcome is open; it has no nudge_id yet, for those count outcomes."""

    playbook: str
    workflow_id: str | None = None
    recipient_role: str
    template: str
    due_at: int


class MemberSnapshot(msgspec.Struct, kw_only=True, gc=False):
    """All that a care team's page shows of a member; the newest one counts (contract 4)."""

    topic: ClassVar[str] = "member-snapshot"
    key_field: ClassVar[str] = "member_id"

    member_id: str
    occurred_at: int
    tags: list[str] = msgspec.field(default_factory=list)
    inactive_since: int | None = None
    last_in_app_activity: int | None = None
    setup_steps: list[str] = msgspec.field(default_factory=list)
    setup_completed_at: int | None = None
    transfer: TransferView = msgspec.field(default_factory=TransferView)
    workflows: list[WorkflowView] = msgspec.field(default_factory=list)
    scores: dict[str, int] = msgspec.field(default_factory=dict)
    engagements: list[EngagementView] = msgspec.field(default_factory=list)
    owner_id: str | None = None
    coach_id: str | None = None
    company_id: str | None = None
    location_id: str | None = None
    pending_nudges: list[PendingNudge] = msgspec.field(default_factory=list)


class DeadLetter(msgspec.Struct, kw_only=True, gc=False):
    """A record that could not be applied, with why and its bytes.

    Attributes:
        source_topic: without the prefix; for a line of `simulate` that names no topic, `?`.
        source_partition: with `source_offset` the place in Kafka; both None for a line that carries neither.
        source_line: number of the line, from 1, in `simulate`; else None.
        key: the record's key as text, bytes that are no UTF-8 escaped; None for no key.
        occurred_at: the record's instant, where it could be read, however absurd.
        error: one of the codes of contract 4.
        message: the place inside the record, what is wrong there, and the nearest right name where there is one.
        raw: the record's value as it came (a line: its text), None for a null value.
    """

    topic: ClassVar[str] = "dead-letter"
    key_field: ClassVar[str | None] = None

    source_topic: str
    source_partition: int | None = None
    source_offset: int | None = None
    source_line: int | None = None
    key: str | None = None
    occurred_at: int | None = None
    error: str
    message: str
    raw: bytes | None = None


AnyOutput = (
    WorkflowOpened
    | WorkflowResolved
    | Nudge
    | NudgeSuppressed
    | ScoreChanged
    | TagChanged
    | Reactivation
    | TrackChanged
    | TransferRequested
    | TransferFailed
    | MemberSnapshot
    | DeadLetter
)

OUTPUTS: dict[str, type[AnyOutput]] = {
    record.topic: record
    for record in (
        WorkflowOpened,
        WorkflowResolved,
        Nudge,
        NudgeSuppressed,
        ScoreChanged,
        TagChanged,
        Reactivation,
        TrackChanged,
        TransferRequested,
        TransferFailed,
        MemberSnapshot,
        DeadLetter,
    )
}
