"""What is stored of a member's coaching engagements: a part of its own, read when something asks for it.

The session calendars in it stay packed: a page needs only the dates beside them, and a member may have thousands of
sessions. The first byte of a part is its version, as in `stored.py`.
"""

from __future__ import annotations

import msgspec

from app.domain.parts import body_of, write_part

ENGAGEMENTS_PART = 3

_VERSION = 1


class Session(msgspec.Struct, array_like=True, gc=False):
    """One session or discovery call.

    Attributes:
        date_ms: the date it was last scheduled for; None: it was never scheduled here.
        told_ms: occurred_at of the record that said so.
        completed_ms: when it was completed, as often as that was said since it was scheduled, the earliest first.
        cancelled_ms: likewise cancelled.
    """

    date_ms: int | None = None
    told_ms: int = 0
    completed_ms: tuple[int, ...] = ()
    cancelled_ms: tuple[int, ...] = ()


class Calendar(msgspec.Struct, array_like=True, gc=False):
    """The sessions and the discovery calls of one engagement, each by its session_id."""

    sessions: dict[str, Session] = msgspec.field(default_factory=dict)
    calls: dict[str, Session] = msgspec.field(default_factory=dict)


class Track(msgspec.Struct, array_like=True, gc=False):
    """What one progress playbook makes of one engagement.

    Attributes:
        template: name of the template its settings were copied from, as the engagement named it; None: it named none.
        threshold_ms: without a session for this long it is off track; None: it is not tracked.
        notifies: whether anybody is told, unless the engagement says otherwise.
        status: NOT_TRACKING, ON_TRACK or OFF_TRACK.
        since_ms: since when it is off track, else None. Given together with NOT_TRACKING while a merge is under way:
            it was off track with the member it comes from.
        due_ms: when it goes off track if nothing happens; None: it does not.
        owner_id: in whose digest it was listed when it went off track; None: in nobody's.
        listed_as: the coachee's id there; after a merge it is the old one.
    """

    template: str | None = None
    threshold_ms: int | None = None
    notifies: bool = True
    status: str = "NOT_TRACKING"
    since_ms: int | None = None
    due_ms: int | None = None
    owner_id: str | None = None
    listed_as: str = ""


class Engagement(msgspec.Struct, array_like=True, gc=False):
    """One engagement.

    Attributes:
        phase: its place in its life, see `engagements.MOVES`.
        start_ms: when the clock of its phase started; counts while it is MATCHING or ACTIVE.
        settled_ms: occurred_at of the last word on the phase that is settled: an older one counts no more.
        launched: whether LAUNCHED has come.
        template: name of the settings to copy, None: none was named.
        notifies: the newest of NOTIFICATIONS_ON and OFF; None: neither came, the template's word holds.
        owner_id, coach_id, company_id: as the records last said; None: see the profile.
        told_ms: for each of these four, the occurred_at of the record that said it.
        calendar: a packed `Calendar`.
        sessions_to_ms, calls_to_ms: the latest date of any session, and of any discovery call; None: there is none.
        last_ms, next_ms: what the page shows, as of the last look at the calendar: the latest past and the nearest
            future date that is not cancelled.
        tracks: by playbook.
        settled_phase, settled_start_ms: what `phase` and `start_ms` were after it.
        words: the words on the phase since then, each as (occurred_at, type), the earliest first.
    """

    phase: str = "LAUNCHED"
    start_ms: int = 0
    settled_ms: int = 0
    launched: bool = False
    template: str | None = None
    notifies: bool | None = None
    owner_id: str | None = None
    coach_id: str | None = None
    company_id: str | None = None
    told_ms: dict[str, int] = msgspec.field(default_factory=dict)
    calendar: bytes = b""
    sessions_to_ms: int | None = None
    calls_to_ms: int | None = None
    last_ms: int | None = None
    next_ms: int | None = None
    tracks: dict[str, Track] = msgspec.field(default_factory=dict)
    settled_phase: str = "LAUNCHED"
    settled_start_ms: int = 0
    words: list[tuple[int, str]] = msgspec.field(default_factory=list)


Engagements = dict[str, Engagement]
"""By engagement_id, in the order in which they became known."""

_encode = msgspec.msgpack.Encoder().encode
_decode_engagements = msgspec.msgpack.Decoder(Engagements).decode
_decode_calendar = msgspec.msgpack.Decoder(Calendar).decode


def encode_engagements(engagements: Engagements) -> bytes:
    """The part, in today's version."""
    return write_part(_VERSION, engagements)


def decode_engagements(part: bytes) -> Engagements:
    """The part of whichever version.

    Raises:
        UserError: `state-too-new`, when a newer Reengage has written it.
    """
    return _decode_engagements(body_of(part, _VERSION, "a member's engagements"))


def pack_calendar(calendar: Calendar) -> bytes:
    """For `Engagement.calendar`."""
    return _encode(calendar)


def unpack_calendar(engagement: Engagement) -> Calendar:
    """The engagement's sessions and calls; what is changed counts after `pack_calendar`."""
    return _decode_calendar(engagement.calendar) if engagement.calendar else Calendar()
