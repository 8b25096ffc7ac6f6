"""Campaign responses of a member: facts, kept whatever the playbooks are (contract 3, campaign).

They lie in the cold part as one text of bytes, so that what else is kept there costs no more for them: they are decoded
when a campaign record, a reactivation or a merge asks for them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec
from msgspec.structs import replace

from app.domain.crossings import MovedResponse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.domain.events import CampaignResponse
    from app.domain.member import Member
    from app.domain.turn import Turn

MOST_RESPONSES = 100
"""Kept of a member (contract 5, "Bounds")."""


class Response(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A member's standing in a campaign; also one who was only addressed has one.

    Attributes:
        campaign_id, is_response, status: as the newest word on it says.
        occurred_ms: when it was first seen, the earliest occurred_at told of it.
        told_ms: occurred_at of the newest word; a late record does not undo a newer one.
        reactivated: whether a playbook has reactivated or activated it.
    """

    campaign_id: str
    is_response: bool
    status: str
    occurred_ms: int
    told_ms: int
    reactivated: bool = False


class ResponseChange(NamedTuple):
    """A response is known, or known differently, as playbooks see it who listen to `(ResponseChange, None)`.

    `before` is None at first sight. `is_record`: a campaign record said so; else a playbook or a merge did.
    """

    response_id: str
    before: Response | None
    after: Response
    is_record: bool


class Crowd(NamedTuple):
    """There are more responses than are kept; playbooks which listen to `(Crowd, None)` say what they need.

    `needed`: what could still matter to one. `vital`: what one would decide by now; it goes last.
    """

    responses: dict[str, Response]
    needed: set[str]
    vital: set[str]


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(dict[str, Response]).decode


def responses_of(member: Member) -> dict[str, Response]:
    """Everything known, by response_id. A copy; may read the store once."""
    kept = member.cold().responses
    return _decode(kept) if kept else {}


def note_response(turn: Turn, record: CampaignResponse) -> None:
    """A campaign record: first sight of a response, or an update that keeps its first occurred_at."""
    responses, at_ms = responses_of(turn.member), turn.at_ms
    known = responses.get(record.response_id)
    if known is None:
        after = Response(record.campaign_id, record.is_response, record.status, at_ms, at_ms)
    elif at_ms < known.told_ms:
        after = replace(known, occurred_ms=min(known.occurred_ms, at_ms))
    else:
        after = replace(
            known,
            campaign_id=record.campaign_id,
            is_response=record.is_response,
            status=record.status,
            told_ms=at_ms,
        )
    change_responses(turn, responses, {record.response_id: after}, is_record=True)


def change_responses(
    turn: Turn, responses: dict[str, Response], after: dict[str, Response], *, is_record: bool = False
) -> None:
    """Put responses in `after` in place of those in `responses`, which is all there are; playbooks see each change."""
    changes = [
        ResponseChange(response_id, responses.get(response_id), response, is_record)
        for response_id, response in after.items()
        if responses.get(response_id) != response
    ]
    if not changes:
        return
    responses.update(after)
    for change in changes:
        for react in turn.playbooks.reactions(change):
            react(turn, change)
    if len(responses) > MOST_RESPONSES:
        _thin(turn, responses)
    turn.member.cold().responses = _encode(responses)
    turn.member.cold_changed()


def moved_responses(member: Member) -> list[MovedResponse]:
    """What a merged-away member hands over."""
    return [
        MovedResponse(
            response_id=response_id,
            campaign_id=response.campaign_id,
            is_response=response.is_response,
            status=response.status,
            occurred_at=response.occurred_ms,
            told_at=response.told_ms,
            reactivated=response.reactivated,
        )
        for response_id, response in responses_of(member).items()
    ]


def take_over_responses(turn: Turn, moved: Sequence[MovedResponse]) -> None:
    """A member merged into this one brings its responses; of one both know, the newest word and the first sight count."""
    if not moved:
        return
    responses = responses_of(turn.member)
    after: dict[str, Response] = {}
    for each in moved:
        gained = Response(
            each.campaign_id, each.is_response, each.status, each.occurred_at, each.told_at, each.reactivated
        )
        own = responses.get(each.response_id, gained)
        newest = gained if gained.told_ms > own.told_ms else own
        after[each.response_id] = replace(
            newest,
            occurred_ms=min(own.occurred_ms, gained.occurred_ms),
            reactivated=own.reactivated or gained.reactivated,
        )
    change_responses(turn, responses, after)


def _thin(turn: Turn, responses: dict[str, Response]) -> None:
    """Let go of as many as are too many: those no playbook can need first, of equals the oldest (contract 5)."""
    crowd = Crowd(responses, set(), set())
    for ask in turn.playbooks.reactions(crowd):
        ask(turn, crowd)

    def worth(response_id: str) -> tuple[bool, bool, int, str]:
        needed, vital = response_id in crowd.needed, response_id in crowd.vital
        return vital, needed, responses[response_id].occurred_ms, response_id

    for response_id in sorted(responses, key=worth)[:-MOST_RESPONSES]:
        del responses[response_id]
