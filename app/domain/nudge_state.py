"""What is stored of a member's nudges: those planned, and those sent lately. Part of `state.Cold`."""

from __future__ import annotations

import msgspec


class Message(msgspec.Struct, array_like=True, frozen=True):
    """What is to be said to whom.

    Attributes:
        role: MEMBER, COACH, OWNER or OPERATOR.
        template: name of the text.
        recipient_id: who it is; None: whoever has that role when the nudge is decided.
        channels: in order of preference, for a MEMBER who has none of their own; empty: the policy's.
        call_to_action: link to follow.
        incentive: what is offered for following it.
        context: values for the text.
    """

    role: str
    template: str
    recipient_id: str | None = None
    channels: tuple[str, ...] = ()
    call_to_action: str | None = None
    incentive: str | None = None
    context: dict[str, str] = msgspec.field(default_factory=dict)


class Pending(msgspec.Struct, array_like=True):
    """One planned nudge whose outcome is open. When it is judged next says its timer.

    Attributes:
        message: what is to be said.
        playbook: name of the playbook that planned it.
        stem: of the workflow it belongs to (`workflow.py`); empty: to none.
        workflow_id: that workflow's id; None where it belongs to none.
        planned_ms: when it was planned.
        step: which of the playbook's steps it is, so that a changed playbook can time it anew.
        held: it has been judged, and waits for the end of quiet hours or of a holiday.
    """

    message: Message
    playbook: str
    stem: str
    workflow_id: str | None
    planned_ms: int
    step: int = 0
    held: bool = False


class Sent(msgspec.Struct, array_like=True):
    """One nudge sent to the member; kept for the longest cap and for attribution (contract 5, "Bounds").

    Attributes:
        nudge_id: its id.
        at_ms: when it was sent.
        channel: how.
        feedback: when it was first delivered, opened, clicked and bounced, by these words, as far as known.
    """

    nudge_id: str
    at_ms: int
    channel: str
    feedback: dict[str, int] | None = None
