"""The job every contender does: contract 6.1's inactivity and the member's page, written down once more in plain Python.

It shares no code with `app.domain`: it is what Reengage's outputs are checked against, and what the other contenders
run. Events of one member come in order of time; late ones, transfers and duplicates are not part of the job.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from bench.generate import QUALIFYING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.domain.events import Activity

AFTER_MS = 7 * 86_400_000
STEP = "setup.step_completed"
PAGE_REST_MS = 5_000
NEVER_MS = 1 << 62

_QUALIFYING = frozenset(QUALIFYING)


class Effect(NamedTuple):
    """One output, without what the contender adds (ids, sequence, version).

    `kind` is `tag-changed`, `workflow-opened` or `member-snapshot`; `what` the tag's action, else empty; `reason` as in
    the output, empty for a snapshot; `at_ms` its occurred_at; `since_ms` since when the tag was carried, for a workflow.
    """

    kind: str
    what: str
    reason: str
    at_ms: int
    since_ms: int = 0


class Member(msgspec.Struct, array_like=True):
    """One member's state. None: it never happened, or the tag is not carried. -1 for `page_ms`: no page yet.

    Attributes:
        last_ms: the latest qualifying activity.
        tag_ms: since when the inactivity tag is carried.
        opened_ms: when its workflow was opened, which nothing in this job resolves.
        in_app_ms: the latest activity in the app, as it stands on the page.
        page_ms: when the page was last written.
        stale: whether the page has changed since.
        stepped: whether a step of the set-up was done.
        sequence: of its last output; left to whoever numbers them.
    """

    last_ms: int | None = None
    tag_ms: int | None = None
    opened_ms: int | None = None
    in_app_ms: int | None = None
    page_ms: int = -1
    stale: bool = False
    stepped: bool = False
    sequence: int = 0


def advance(member: Member, until_ms: int) -> Iterator[Effect]:
    """What time alone brings about, up to and including an instant: the tag after seven days, the page after its rest."""
    while True:
        idle = member.last_ms is not None and member.tag_ms is None
        tag_due_ms = member.last_ms + AFTER_MS if idle and member.last_ms is not None else NEVER_MS
        page_due_ms = member.page_ms + PAGE_REST_MS if member.stale else NEVER_MS
        if min(tag_due_ms, page_due_ms) > until_ms:
            return
        if tag_due_ms <= page_due_ms:
            member.tag_ms = tag_due_ms
            yield Effect("tag-changed", "ADDED", "inactive", tag_due_ms)
            yield _write_page(member, tag_due_ms)
        else:
            yield _write_page(member, page_due_ms)


def act(member: Member, activity: Activity) -> Iterator[Effect]:
    """What one activity brings about, after what time has brought about before it."""
    at_ms = activity.occurred_at
    yield from advance(member, at_ms)
    urgent = member.page_ms < 0
    in_app = activity.channel == "APP" and (member.in_app_ms is None or at_ms > member.in_app_ms)
    step = activity.type == STEP and not member.stepped
    changed = in_app or step
    if urgent:
        member.tag_ms = at_ms
        yield Effect("tag-changed", "ADDED", "never_active", at_ms)
    if in_app:
        member.in_app_ms = at_ms
    member.stepped = member.stepped or step
    if activity.channel == "APP" and activity.type in _QUALIFYING:
        if member.tag_ms is not None:
            urgent, since_ms = True, member.tag_ms
            member.tag_ms = None
            yield Effect("tag-changed", "REMOVED", "activity", at_ms)
            if member.opened_ms is None:
                member.opened_ms = at_ms
                reason = "first_activity" if member.last_ms is None else "returned"
                yield Effect("workflow-opened", "", reason, at_ms, since_ms)
        member.last_ms = at_ms
    if urgent or (changed and not member.stale and member.page_ms + PAGE_REST_MS <= at_ms):
        yield _write_page(member, at_ms)
    elif changed:
        member.stale = True


def _write_page(member: Member, at_ms: int) -> Effect:
    member.page_ms = at_ms
    member.stale = False
    return Effect("member-snapshot", "", "", at_ms)
