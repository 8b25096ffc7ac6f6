"""What an input record must satisfy beyond its schema (contract 3, and 8 under Records).

One function per record, called by the codec for every record before the core sees it, so each does no more than it
must. The first thing wrong is the one reported.
"""

from collections.abc import Callable

from app.domain.events import (
    Activity,
    CampaignResponse,
    CompanyStatus,
    EngagementEvent,
    Input,
    MemberProfile,
    OperatorCommand,
    PoolCapacity,
    ScoreCommand,
    TransferEvent,
)
from app.domain.instants import CLOCKS_APART_MS
from app.wire.bad_record import BadRecord, key_text, nearest_hint, shown
from app.wire.instants import LAST_INSTANT_MS, check_calendar, format_instant

OLDEST_MS = 946_684_800_000
"""2000-01-01: what is older is a mistake of the sender's clock or unit."""

LAST_OCCURRED_MS = 250_246_627_199_999
"""The end of the year 9899: the longest span of a playbook, 36500 days, leads from it to a day that can still be written."""

FUTURE_MS = CLOCKS_APART_MS
"""How far an instant may lie ahead of the append time, for clocks that differ."""

LONGEST_ID = 256
"""Characters in an id; longer ones are mistakes, and would be carried in every key and output."""

_NUDGE_CHANNELS = ("EMAIL", "SMS", "IN_APP", "PUSH", "WEBHOOK")
_NEED_SESSION = frozenset(
    {
        "SESSION_SCHEDULED",
        "SESSION_COMPLETED",
        "SESSION_CANCELLED",
        "DISCOVERY_CALL_SCHEDULED",
        "DISCOVERY_CALL_CANCELLED",
    }
)
_NEED_DATE = frozenset({"SESSION_SCHEDULED", "DISCOVERY_CALL_SCHEDULED"})


def check_key(record: Input, key: bytes | None) -> None:
    """Refuse a record whose Kafka key is missing or is not its id.

    Raises:
        BadRecord: `bad_key`.
    """
    wanted = getattr(record, record.key_field)
    if key is None:
        raise BadRecord(
            "bad_key",
            f"the record has no key; its key must be its {record.key_field}, {shown(wanted)}",
            record.occurred_at,
        )
    if key != wanted.encode():
        raise BadRecord(
            "bad_key",
            f"the key {shown(key_text(key))} differs from the record's {record.key_field}, {shown(wanted)}",
            record.occurred_at,
        )


def check_time(occurred_at: int, append_ms: int) -> None:
    """Refuse an absurd instant.

    Raises:
        BadRecord: `too_old` before 2000, `in_the_future` over 5 minutes ahead of the append time or after 9899.
    """
    if occurred_at < OLDEST_MS:
        hint = "; is it in seconds? Milliseconds are expected" if 0 < occurred_at < OLDEST_MS // 100 else ""
        raise BadRecord(
            "too_old", f"occurred_at: {format_instant(occurred_at)} is before 2000{hint}", occurred_at
        )
    if occurred_at > append_ms + FUTURE_MS:
        problem = f"is more than 5 minutes ahead of the append time {format_instant(append_ms)}"
    elif occurred_at > LAST_OCCURRED_MS:
        problem = "lies after the year 9899"
    else:
        return
    hint = "; is it in microseconds? Milliseconds are expected" if occurred_at > LAST_INSTANT_MS else ""
    raise BadRecord(
        "in_the_future", f"occurred_at: {format_instant(occurred_at)} {problem}{hint}", occurred_at
    )


def _bad(record: Input, message: str, error: str = "bad_value") -> BadRecord:
    return BadRecord(error, message, record.occurred_at)


def _check_ids(record: Input, *names: str) -> None:
    """Every id among the fields `names` that is given is neither empty nor absurdly long."""
    for name in names:
        value = getattr(record, name)
        if value is not None and not 0 < len(value) <= LONGEST_ID:
            problem = "is empty" if not value else f"has {len(value)} characters, more than {LONGEST_ID}"
            raise _bad(record, f"{name}: the id {problem}")


def _check_instant(record: Input, name: str) -> None:
    value = getattr(record, name)
    if value is not None:
        check_calendar(value, name, record.occurred_at)


def _check_activity(record: Activity) -> None:
    # Spelt out, for this is the hot one.
    if (
        0 < len(record.event_id) <= LONGEST_ID
        and 0 < len(record.member_id) <= LONGEST_ID
        and 0 < len(record.type) <= LONGEST_ID
    ):
        return
    _check_ids(record, "event_id", "member_id")
    raise _bad(record, f"type: it has {len(record.type)} characters, where 1 to {LONGEST_ID} are expected")


def _check_score(record: ScoreCommand) -> None:
    _check_ids(record, "event_id", "member_id", "score")
    if record.operation == "CLEAR":
        if record.points is not None:
            raise _bad(record, f"points: {record.points} is given, where CLEAR takes none")
        return
    if record.points is None:
        raise _bad(record, f"points: {record.operation} needs them")
    if record.points < 0 and record.operation != "SET":
        raise _bad(record, f"points: {record.points} is negative, which only SET may be")


def _check_transfer(record: TransferEvent) -> None:
    _check_ids(record, "event_id", "member_id", "pool", "program", "coach_id")
    if record.attempt is not None and record.attempt < 0:
        raise _bad(record, f"attempt: {record.attempt} is negative")


def _check_profile(record: MemberProfile) -> None:
    _check_ids(
        record,
        "event_id",
        "member_id",
        "company_id",
        "coach_id",
        "owner_id",
        "location_id",
        "program",
        "pool",
        "merged_into",
    )
    for channel in record.consents:
        if channel not in _NUDGE_CHANNELS:
            raise _bad(
                record,
                f"consents: {shown(channel)} is none of {', '.join(_NUDGE_CHANNELS)}"
                f"{nearest_hint(channel, _NUDGE_CHANNELS)}",
                "unknown_enum",
            )


def _check_campaign(record: CampaignResponse) -> None:
    _check_ids(record, "event_id", "member_id", "response_id", "campaign_id")


def _check_engagement(record: EngagementEvent) -> None:
    _check_ids(
        record, "event_id", "member_id", "engagement_id", "session_id", "coach_id", "owner_id", "company_id"
    )
    _check_instant(record, "session_at")
    if record.type in _NEED_SESSION and record.session_id is None:
        raise _bad(record, f"session_id: {record.type} needs it")
    if record.type in _NEED_DATE and record.session_at is None:
        raise _bad(record, f"session_at: {record.type} needs it")


def _check_command(record: OperatorCommand) -> None:
    _check_ids(record, "event_id", "member_id")
    _check_instant(record, "until")
    if record.type == "SNOOZE_NUDGES" and record.until is None:
        raise _bad(record, "until: SNOOZE_NUDGES needs it")
    if record.type == "RESOLVE_WORKFLOW" and record.workflow_id is None:
        raise _bad(record, "workflow_id: RESOLVE_WORKFLOW needs it")


def _check_company(record: CompanyStatus) -> None:
    _check_ids(record, "event_id", "company_id")


def _check_capacity(record: PoolCapacity) -> None:
    _check_ids(record, "event_id", "pool")
    if record.slots_per_day < 0:
        raise _bad(record, f"slots_per_day: {record.slots_per_day} is negative")


CHECKS: dict[str, Callable[..., None]] = {
    Activity.topic: _check_activity,
    ScoreCommand.topic: _check_score,
    TransferEvent.topic: _check_transfer,
    MemberProfile.topic: _check_profile,
    CampaignResponse.topic: _check_campaign,
    EngagementEvent.topic: _check_engagement,
    OperatorCommand.topic: _check_command,
    CompanyStatus.topic: _check_company,
    PoolCapacity.topic: _check_capacity,
}
"""By input topic: the function that refuses a record of it with BadRecord."""
