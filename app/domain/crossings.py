"""The records of the internal topics (contract 2): facts that cross from one entity to another, and the journal.

A crossing takes effect at its receiver in the order in which the internal topic recorded it (contract 8). It carries
the `cause` it had at the sender, and what it sets off carries that cause on.
"""

from typing import ClassVar

import msgspec


class Crossing(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What every crossing carries.

    Attributes:
        event_id: unique per receiver, and the same again when the sender decides the same again, so that a receiver
            can ignore repetitions.
        occurred_at: the sender's instant.
        cause: the event_id or `timer:<name>` that set it off at the sender.
    """

    topic: ClassVar[str]
    key_field: ClassVar[str]

    event_id: str
    occurred_at: int
    cause: str


class TransferQueued(Crossing, frozen=True, kw_only=True, gc=False):
    """The desk's copy of one transfer-requested; `request_id` is that output's event_id, `playbook` the one that asks."""

    topic: ClassVar[str] = "internal-transfer-queued"
    key_field: ClassVar[str] = "pool"

    pool: str
    member_id: str
    request_id: str
    program: str | None = None
    attempt: int
    playbook: str


class TransferWithdrawn(Crossing, frozen=True, kw_only=True, gc=False):
    """A member leaves the desk's queue: transferred elsewhere, cancelled, forgotten, merged or re-assigned."""

    topic: ClassVar[str] = "internal-transfer-withdrawn"
    key_field: ClassVar[str] = "pool"

    pool: str
    member_id: str
    request_id: str
    playbook: str
    reason: str


class TransferAnswer(Crossing, frozen=True, kw_only=True, gc=False):
    """The desk's answer to one request: `type` TRANSFERRED (automatic) or ATTEMPT_FAILED.

    `attempts` counts the request's attempts, this one included; `next_attempt_at` is None when `final` or transferred.
    """

    topic: ClassVar[str] = "internal-transfer-answer"
    key_field: ClassVar[str] = "member_id"

    member_id: str
    pool: str
    request_id: str
    playbook: str
    type: str
    attempts: int
    final: bool = False
    next_attempt_at: int | None = None
    reason: str | None = None


class MergeStep(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One merge on the way of a `MemberMoved`: `member_id` was merged into the next one, or into the receiver."""

    member_id: str
    merged_at: int


class MovedResponse(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One campaign response in a `MemberMoved`; `told_at` is when its newest word was said (`responses.Response`)."""

    response_id: str
    campaign_id: str
    is_response: bool
    status: str
    occurred_at: int
    told_at: int
    reactivated: bool = False


class MemberMoved(Crossing, frozen=True, kw_only=True, gc=False):
    """What a merged-away member hands to the one it was merged into.

    Either its history at the merge (`source_topic` None), or one later event of the old id (`value` is that input's
    bytes, `source_topic` its topic and `appended_at` its append time), to be applied as the new member's own.

    Attributes:
        member_id: whom it goes to now; a receiver that was itself merged away sends it on.
        from_member_id: the old id whose history or event it is.
        path: the merges it has followed so far, in order.
        seen: history: whether the old id ever was a member; one that was not has no history.
        last_activity: history: the latest qualifying activity, by re-engager.
        last_in_app_activity: history: the latest activity on channel APP.
        scores: history: the scores that are not empty.
        responses: history: the campaign responses.
        tags: history: the tags but those of inactivity.
        merged_from: history: the ids merged into the old one before.
        engagements: history: the engagements as they are stored (`engagement_state.py`), None for none.
    """

    topic: ClassVar[str] = "internal-member-moved"
    key_field: ClassVar[str] = "member_id"

    member_id: str
    from_member_id: str
    path: list[MergeStep]
    seen: bool = True
    last_activity: dict[str, int] = msgspec.field(default_factory=dict)
    last_in_app_activity: int | None = None
    scores: dict[str, int] = msgspec.field(default_factory=dict)
    responses: list[MovedResponse] = msgspec.field(default_factory=list)
    tags: list[str] = msgspec.field(default_factory=list)
    merged_from: list[str] = msgspec.field(default_factory=list)
    engagements: bytes | None = None
    source_topic: str | None = None
    appended_at: int | None = None
    value: bytes | None = None


class CompanyWait(Crossing, frozen=True, kw_only=True, gc=False):
    """A member waits until a company works again; `since` is when the member saw the maintenance page.

    `event_id` is `{workflow_id}/{n}`, n counting the workflow's waits from 1; `occurred_at` is the session's end.
    """

    topic: ClassVar[str] = "internal-company-wait"
    key_field: ClassVar[str] = "company_id"

    company_id: str
    member_id: str
    playbook: str
    workflow_id: str
    since: int


class CompanyUp(Crossing, frozen=True, kw_only=True, gc=False):
    """The company a member waits for is OPERATIONAL again, and the member's turn has come, at `occurred_at`.

    `event_id` is that of the wait it answers.
    """

    topic: ClassVar[str] = "internal-company-up"
    key_field: ClassVar[str] = "member_id"

    member_id: str
    company_id: str
    playbook: str
    workflow_id: str


class DigestItem(Crossing, frozen=True, kw_only=True, gc=False):
    """An engagement of an owner went off track, or (`off_track` false) no longer is."""

    topic: ClassVar[str] = "internal-digest-item"
    key_field: ClassVar[str] = "owner_id"

    owner_id: str
    member_id: str
    engagement_id: str
    playbook: str
    off_track: bool


class Rerouted(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An input record found in another partition than its key belongs to, on the way to its own.

    `topic` is that of members; see `INTERNALS`.
    """

    topic: ClassVar[str] = "internal-rerouted"
    key_field: ClassVar[str | None] = None

    source_topic: str
    source_partition: int
    source_offset: int
    appended_at: int
    key: bytes | None = None
    value: bytes | None = None


class JournalEntry(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One commit of one processor's partition; the record lies in the journal's partition of the same number.

    Attributes:
        processor: name of the processor, also the record's key.
        offsets: next offset to read, by input topic without prefix.
        time: the partition's time, epoch ms.
        mark_due, mark_entity: how far silent entities' timers have fired after this commit, exclusive: all those before
            (mark_due, mark_entity), in that order, and no others (`engine.Mark`). `mark_entity` is empty where every
            timer due before `mark_due` has fired.
        fired: how many silent entities were woken in this commit.
        playbooks_hash: hash of all playbooks and the policy.
        version: Reengage's version, whose rules decided.
    """

    topic: ClassVar[str] = "internal-journal"
    key_field: ClassVar[str] = "processor"

    processor: str
    offsets: dict[str, int]
    time: int
    mark_due: int = 0
    mark_entity: str = ""
    fired: int = 0
    playbooks_hash: str
    version: str


AnyInternal = (
    TransferQueued
    | TransferWithdrawn
    | TransferAnswer
    | MemberMoved
    | CompanyWait
    | CompanyUp
    | DigestItem
    | Rerouted
    | JournalEntry
)

INTERNALS: dict[str, type[AnyInternal]] = {
    record.topic: record
    for record in (
        TransferQueued,
        TransferWithdrawn,
        TransferAnswer,
        MemberMoved,
        CompanyWait,
        CompanyUp,
        DigestItem,
        Rerouted,
        JournalEntry,
    )
} | {"internal-desk-rerouted": Rerouted, "internal-companies-rerouted": Rerouted}
"""By topic. Each processor has its own topic of rerouted records, for their numbers of partitions may differ."""
