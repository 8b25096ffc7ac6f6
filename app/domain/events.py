"""The input records (contract 3): what others tell Reengage, decoded and checked.

`app.wire` makes them from bytes; the core only reads them. Instants are epoch milliseconds, UTC. Enums are their
symbols as text; the wire has refused any other. None stands for a nullable field left out.
"""

from typing import ClassVar

import msgspec

AttributeValue = str | int | float | bool | None


class Activity(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Something a member did. `type` is `noun.verb`; `channel` APP, WEB, EMAIL, SMS, PHONE or SYSTEM."""

    topic: ClassVar[str] = "activity"
    key_field: ClassVar[str] = "member_id"

    event_id: str
    member_id: str
    occurred_at: int
    type: str
    channel: str
    attributes: dict[str, AttributeValue] = msgspec.field(default_factory=dict)


class ScoreCommand(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A change of one score. `operation` ADD, SUBTRACT (points >= 0), SET (any points) or CLEAR (points unused)."""

    topic: ClassVar[str] = "score"
    key_field: ClassVar[str] = "member_id"

    event_id: str
    member_id: str
    occurred_at: int
    score: str = "engagement"
    operation: str
    points: int | None = None
    reason: str | None = None


class TransferEvent(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A step of the transfer to a coach.

    `type` PROGRAM_ASSIGNED, ATTEMPT_FAILED, TRANSFERRED or CANCELLED; `mode` AUTOMATIC or MANUAL.
    """

    topic: ClassVar[str] = "transfer"
    key_field: ClassVar[str] = "member_id"

    event_id: str
    member_id: str
    occurred_at: int
    type: str
    mode: str | None = None
    pool: str | None = None
    program: str | None = None
    coach_id: str | None = None
    attempt: int | None = None
    reason: str | None = None


class MemberProfile(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What is known of a member; None means unchanged.

    `channels` are nudge channels (EMAIL, SMS, IN_APP, PUSH, WEBHOOK) in order of preference; `consents` maps such a
    channel to yes, no, or None for back to the policy's default, and says nothing of channels not in it.
    `record_type` INTERNAL or INVITED.
    """

    topic: ClassVar[str] = "profile"
    key_field: ClassVar[str] = "member_id"

    event_id: str
    member_id: str
    occurred_at: int
    time_zone: str | None = None
    country: str | None = None
    region: str | None = None
    email: str | None = None
    phone: str | None = None
    channels: list[str] | None = None
    consents: dict[str, bool | None] = msgspec.field(default_factory=dict)
    lead_status: str | None = None
    company_id: str | None = None
    coach_id: str | None = None
    owner_id: str | None = None
    location_id: str | None = None
    record_type: str | None = None
    program: str | None = None
    pool: str | None = None
    merged_into: str | None = None


class CampaignResponse(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A member's standing in a campaign; the same `response_id` again updates it."""

    topic: ClassVar[str] = "campaign"
    key_field: ClassVar[str] = "member_id"

    event_id: str
    member_id: str
    occurred_at: int
    response_id: str
    campaign_id: str
    is_response: bool
    status: str


class EngagementEvent(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A step of a coaching engagement.

    The types about a session or discovery call carry its `session_id`, the SCHEDULED ones also `session_at`.
    """

    topic: ClassVar[str] = "engagement"
    key_field: ClassVar[str] = "member_id"

    event_id: str
    member_id: str
    occurred_at: int
    engagement_id: str
    type: str
    template: str | None = None
    session_id: str | None = None
    session_at: int | None = None
    coach_id: str | None = None
    owner_id: str | None = None
    company_id: str | None = None


class OperatorCommand(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An order of a person: `type` RESOLVE_WORKFLOW, SNOOZE_NUDGES (carries `until`) or FORGET_MEMBER."""

    topic: ClassVar[str] = "command"
    key_field: ClassVar[str] = "member_id"

    event_id: str
    member_id: str
    occurred_at: int
    type: str
    workflow_id: str | None = None
    until: int | None = None
    issued_by: str
    reason: str | None = None


class CompanyStatus(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Whether a company's systems work: `status` OPERATIONAL or UNDER_MAINTENANCE."""

    topic: ClassVar[str] = "company"
    key_field: ClassVar[str] = "company_id"

    event_id: str
    company_id: str
    occurred_at: int
    status: str


class PoolCapacity(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """How many automatic transfers a pool takes from one reset to the next; 0 closes it."""

    topic: ClassVar[str] = "capacity"
    key_field: ClassVar[str] = "pool"

    event_id: str
    pool: str
    occurred_at: int
    slots_per_day: int


Input = (
    Activity
    | ScoreCommand
    | TransferEvent
    | MemberProfile
    | CampaignResponse
    | EngagementEvent
    | OperatorCommand
    | CompanyStatus
    | PoolCapacity
)

INPUTS: dict[str, type[Input]] = {
    record.topic: record
    for record in (
        Activity,
        ScoreCommand,
        TransferEvent,
        MemberProfile,
        CampaignResponse,
        EngagementEvent,
        OperatorCommand,
        CompanyStatus,
        PoolCapacity,
    )
}
