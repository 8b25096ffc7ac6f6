"""What is stored of a member's sessions and of the plan to bring it back. Parts of `state.Hot` and `state.Cold`."""

from __future__ import annotations

import msgspec


class Session(msgspec.Struct, array_like=True, gc=False):
    """The running session; `page`, `company_id` and `step` are those of the last page seen.

    Attributes:
        start_ms: its first event.
        last_ms: its last event, from which it times out.
        page: the page's name; None: none was seen, or it named itself not.
        page_ms: when that page was seen.
        company_id: the company the page named, if any.
        step: the step the page named, if any.
        is_late: whether a late page (contract 6.4, `late_pages`) was seen in it.
        has_start: whether its first event said that it starts; then nothing earlier is of it.
    """

    start_ms: int
    last_ms: int
    page: str | None = None
    page_ms: int = 0
    company_id: str | None = None
    step: str | None = None
    is_late: bool = False
    has_start: bool = False


class HighIntentState(msgspec.Struct, array_like=True, tag="high_intent", gc=False):
    """What one high-intent playbook has to know with every event of a member; part of `state.Hot`.

    Attributes:
        session: the running session, None when none runs.
        over_ms: up to when sessions are over: what is older belongs to none that still runs.
        has_history: whether the cold part has an `IntentHistory` of the playbook.
    """

    session: Session | None = None
    over_ms: int = 0
    has_history: bool = False


class IntentHistory(msgspec.Struct, array_like=True):
    """What one high-intent playbook has to know when a session ends; part of `state.Cold`.

    Attributes:
        ends: the unsuccessful ends that still count as attempts, the earliest first.
        workflow: number of the workflow that was open after the last of them; 0: none was.
        segment: that workflow's current segment.
        page, company_id, step: of the session that gave it,
        page_ms: when its last page was seen.
        attempts: how many unsuccessful ends counted at the last one.
        from_ms: from when the planned nudges are timed; None while nothing times them.
        waits: how often the workflow has waited for a company,
        is_waiting: whether it does now.
    """

    ends: list[int] = msgspec.field(default_factory=list)
    workflow: int = 0
    segment: str = ""
    page: str | None = None
    company_id: str | None = None
    step: str | None = None
    page_ms: int = 0
    attempts: int = 0
    from_ms: int | None = None
    waits: int = 0
    is_waiting: bool = False
