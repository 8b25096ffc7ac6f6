"""What is stored of a member, apart from its rules: three parts, each read and written by itself.

Part 0, *hot*, is read and written with every event. Part 1, the older event ids, and part 2, *cold*, are read when
something asks for them and written when they changed. Maps that would be empty are None: 100,000 decoded members are
held in memory. How the parts become bytes is `stored.py`'s business; fields are only ever added at the end, with a
default, or the version there goes up.
"""

from __future__ import annotations

import msgspec

from app.domain.intent_state import HighIntentState, IntentHistory
from app.domain.nudge_state import Pending, Sent  # noqa: TC001  as Timer
from app.domain.timers import Timer  # noqa: TC001  msgspec resolves the annotation when it builds its codec
from app.domain.transfer_state import SetUp, Transfer  # noqa: TC001  as Timer

HOT_PART = 0
IDS_PART = 1
COLD_PART = 2


class Workflow(msgspec.Struct, array_like=True, gc=False):
    """One open piece of work; whose it is says its stem (`workflow.py`), under which it is kept.

    Attributes:
        kind: kind of the playbook that opened it.
        number: the n of its id: which opening of its stem it is, from 1.
        reason: why it was opened, as in workflow-opened.
        opened_ms: its workflow-opened's occurred_at.
        nudges: number of its nudges decided so far.
        snoozed_until_ms: until when its nudges to the member are suppressed.
        happened_ms: the instant of what opened it, where that came late; None: opened_ms.
    """

    kind: str
    number: int
    reason: str
    opened_ms: int
    nudges: int = 0
    snoozed_until_ms: int = 0
    happened_ms: int | None = None


class ReengagerState(msgspec.Struct, array_like=True, tag="reengager", gc=False):
    """What one re-engager playbook knows of a member.

    Attributes:
        tag: the tag it keeps; the playbook may have been given another since.
        last_ms: the latest qualifying activity, None when there was none.
        setup: what is known of the set-up, None when nothing is.
        transfer: where the transfer stands, None while nothing was said of it: one is pending.
    """

    tag: str
    last_ms: int | None = None
    setup: SetUp | None = None
    transfer: Transfer | None = None


class PointsState(msgspec.Struct, array_like=True, tag="points", gc=False):
    """What one points playbook knows of a member.

    Attributes:
        decays_from_ms: the last earning activity, else the first change of the score; None before either.
        has_earned: which of the two it is.
        paid: the latest payments of each rule that has a limit, by the rule's id, oldest first.
    """

    decays_from_ms: int | None = None
    has_earned: bool = False
    paid: dict[str, list[int]] | None = None


class ReactivationState(msgspec.Struct, array_like=True, tag="reactivation", gc=False):
    """What one reactivation playbook knows of a member.

    Attributes:
        triggered_ms: what it waits after, None while it does not wait.
        prompt: the response that set it off, where one did.
        response: the response it made active last; the open workflow is about it.
        lead_inactive: whether the lead's status was an inactive one when last told.
    """

    triggered_ms: int | None = None
    prompt: str | None = None
    response: str | None = None
    lead_inactive: bool = False


PlaybookState = ReengagerState | PointsState | ReactivationState | HighIntentState
"""State of one playbook for one member, told apart by its kind; later kinds join this union."""


class Merged(msgspec.Struct, array_like=True, gc=False):
    """What merges have to do with a member.

    Attributes:
        into: the member it was merged into, which has everything that comes for it; None: it was not.
        at_ms: when that was.
        away: the ids merged into it, directly or through others, the earliest first; see `merging.MOST_MERGED`.
    """

    into: str | None = None
    at_ms: int = 0
    away: list[str] = msgspec.field(default_factory=list)


class Hot(msgspec.Struct, array_like=True, gc=False):
    """Part 0.

    Attributes:
        armed_for: hash of the playbooks the timers were armed for.
        now_ms: the member's now (contract 5).
        sequence: the sequence of its last output, 0 before the first.
        born: whether the member has been seen; counters may outlive a forgotten one.
        timers: see `timers.py`.
        recent: hashes of the newest event ids.
        older_ids: whether part 1 was ever written.
        has_cold: whether part 2 was ever written.
        page_stale: whether the page shows something the last snapshot does not; the timer `snapshot` is then armed.
        snapshot_ms: occurred_at of the last member-snapshot.
        last_in_app_ms: the latest activity on channel APP, whatever its type.
        openings: number of workflows opened so far, by `workflow.stem`.
        nudges: number of decided nudges so far that belong to no workflow, by playbook.
        tags: the tags carried, each with when it was added.
        workflows: the open workflows, by `workflow.stem`.
        states: state of each playbook that keeps one, by its name.
        owner_id: with coach_id, company_id and location_id from the profile, for they stand on the page.
        scores: the scores that are not empty, by name.
        pending: number of planned nudges whose outcome is open; they lie in part 2.
        merged: None for a member that was neither merged into another nor had another merged into it.
        inserted: number of default responses inserted so far, by playbook.
        has_engagements: whether there is a part of engagements (`engagement_state.py`).
    """

    armed_for: str
    now_ms: int = 0
    sequence: int = 0
    born: bool = False
    timers: list[Timer] = msgspec.field(default_factory=list)
    recent: bytes = b""
    older_ids: bool = False
    has_cold: bool = False
    page_stale: bool = False
    snapshot_ms: int | None = None
    last_in_app_ms: int | None = None
    openings: dict[str, int] | None = None
    nudges: dict[str, int] | None = None
    tags: dict[str, int] | None = None
    workflows: dict[str, Workflow] | None = None
    states: dict[str, PlaybookState] = msgspec.field(default_factory=dict)
    owner_id: str | None = None
    coach_id: str | None = None
    company_id: str | None = None
    location_id: str | None = None
    scores: dict[str, int] | None = None
    pending: int = 0
    merged: Merged | None = None
    inserted: dict[str, int] | None = None
    has_engagements: bool = False


class Profile(msgspec.Struct, array_like=True):
    """The newest known value of each field of the profile records; None: never said.

    `told_ms` holds, for each field that was said, the occurred_at of the record that said it (a consent as
    `consents.EMAIL`), so that a late record does not undo a newer one. The four fields of the page lie in `Hot`.
    """

    time_zone: str | None = None
    country: str | None = None
    region: str | None = None
    email: str | None = None
    phone: str | None = None
    channels: list[str] | None = None
    consents: dict[str, bool] | None = None
    lead_status: str | None = None
    record_type: str | None = None
    program: str | None = None
    pool: str | None = None
    told_ms: dict[str, int] = msgspec.field(default_factory=dict)


class Cold(msgspec.Struct, array_like=True):
    """Part 2: what few events need.

    Attributes:
        profile: see `Profile`.
        pending: the planned nudges whose outcome is open, in the order of planning, each under its timer's ref.
        sent: the nudges sent to the member lately, oldest first.
        snoozed_until_ms: until when nudges to the member are suppressed.
        responses: the campaign responses, encoded (`responses.py`); empty: there are none.
        intents: what each high-intent playbook knows of past sessions, by its name.
    """

    profile: Profile = msgspec.field(default_factory=Profile)
    pending: dict[str, Pending] = msgspec.field(default_factory=dict)
    sent: list[Sent] = msgspec.field(default_factory=list)
    snoozed_until_ms: int = 0
    responses: bytes = b""
    intents: dict[str, IntentHistory] = msgspec.field(default_factory=dict)
