"""Records in a few words: what a person wants to read of an input or an output on one line."""

from __future__ import annotations

from typing import Any

import msgspec

from app.domain.crossings import MemberMoved
from app.domain.engagement_state import decode_engagements
from app.wire.codec import shipped_codec

_FIRST = {
    "activity": ("type", "channel"),
    "score": ("score", "operation", "points"),
    "transfer": ("type", "mode"),
    "campaign": ("campaign_id", "response_id", "status"),
    "engagement": ("type", "engagement_id"),
    "command": ("type", "workflow_id"),
    "workflow-opened": ("workflow_id", "reason"),
    "workflow-resolved": ("workflow_id", "resolution"),
    "nudge": ("nudge_id", "template", "channel", "recipient_id"),
    "nudge-suppressed": ("nudge_id", "template", "reason"),
    "score-changed": ("score", "operation", "points", "reason"),
    "tag-changed": ("tag", "action", "reason"),
    "reactivation": ("scenario", "action", "response_id"),
    "track-changed": ("engagement_id", "status", "reason"),
    "transfer-requested": ("pool", "program", "attempt"),
    "transfer-failed": ("pool", "program", "attempts"),
    "internal-transfer-answer": ("type", "pool", "attempts"),
}
"""By topic, the fields whose values stand first, without their names."""

_APART = {
    "score-changed": ("before", "after"),
    "nudge": ("workflow_id",),
    "nudge-suppressed": ("workflow_id", "recipient_id"),
}
"""By topic, the fields that are told apart, or by others."""

_ELSEWHERE = frozenset(
    {
        "event_id",
        "sequence",
        "member_id",
        "occurred_at",
        "playbook",
        "playbook_version",
        "cause",
        "kind",
        "recipient_role",
        "value",
        "path",
        "appended_at",
    }
)


def record_words(record: Any) -> str:
    """`activity article.read APP attributes={"step":"x"}`; fields that say nothing are left out."""
    fields = shipped_codec().to_json(record)
    if isinstance(record, MemberMoved) and record.engagements is not None:
        fields["engagements"] = sorted(decode_engagements(record.engagements))
    first, apart = _FIRST.get(record.topic, ()), _APART.get(record.topic, ())
    words = [record.topic, *(text for name in first if (text := _plain(fields[name])))]
    words += [
        f"{name}={_plain(value)}"
        for name, value in fields.items()
        if name not in _ELSEWHERE
        and name not in first
        and name not in apart
        and value not in (None, "", {}, [], False)
    ]
    return " ".join(words)


def _plain(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
