"""What is kept of a member, flat: a value by path, so that two instants can be compared whatever the playbooks are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from app.domain.responses import responses_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.domain.member import Member

_HOT = (
    "last_in_app_ms",
    "tags",
    "workflows",
    "states",
    "owner_id",
    "coach_id",
    "company_id",
    "location_id",
    "scores",
    "merged",
)
_LEFT_OUT = frozenset({"calendar", "pending", "responses", "sent", "told_ms"})

Picture = dict[str, Any]


def picture_of(member: Member) -> Picture:
    """What the member's rules may look at, by path; timers, counters and known event ids left out."""
    hot = member.hot
    picture: Picture = {}
    for name in _HOT:
        picture.update(_flat(name, getattr(hot, name)))
    if hot.has_engagements:
        picture.update(_flat("engagements", member.engagements()))
    if hot.has_cold:
        cold = member.cold()
        for name in cold.__struct_fields__:
            if name not in _LEFT_OUT:
                picture.update(_flat(name, getattr(cold, name)))
        for response_id, response in responses_of(member).items():
            mark = " (reactivated)" if response.reactivated else ""
            picture[f"responses.{response_id}"] = f"{response.campaign_id} {response.status}{mark}"
        for ref, nudge in cold.pending.items():
            picture[f"pending.{ref}"] = f"{nudge.playbook} {nudge.message.template}"
        for sent in cold.sent:
            picture[f"sent.{sent.nudge_id}"] = sent.at_ms
    return picture


def difference(before: Picture, after: Picture) -> dict[str, tuple[Any, Any]]:
    """By path: what was there and what is now, where these differ; None: nothing."""
    paths = [*before, *(path for path in after if path not in before)]
    return {
        path: (before.get(path), after.get(path)) for path in paths if before.get(path) != after.get(path)
    }


def _flat(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            if name not in _LEFT_OUT:
                yield from _flat(f"{path}.{name}", getattr(value, name))
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield from _flat(f"{path}.{name}", inner)
    elif value is not None:
        yield path, list(value) if isinstance(value, list | tuple) else value
