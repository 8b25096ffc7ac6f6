"""`reengage explain`: what it is asked, where it reads, how it prints."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

from app.domain.errors import UserError
from app.domain.explain.standing import standing_of
from app.playbooks.loader import load_playbooks
from app.playbooks.problems import nearest
from app.playbooks.sources import Sources
from app.service.client import broker_errors
from app.tools.event_file import check_output, open_events
from app.tools.explain.form import Form
from app.tools.explain.from_file import play_file
from app.tools.explain.from_topics import member_topics
from app.tools.explain.jsonlines import JsonTeller
from app.tools.explain.telling import OnceFound, Subject
from app.tools.explain.text import TextTeller
from app.wire.bad_record import BadRecord
from app.wire.codec import encode_key
from app.wire.instants import parse_calendar_instant

if TYPE_CHECKING:
    from pathlib import Path

    from app.domain.playbook_set import PlaybookSet
    from app.service.settings import Settings


def run(
    settings: Settings,
    member_id: str,
    *,
    events: Path | str | None = None,
    in_order: bool = False,
    at: str | None = None,
    why_not: str | None = None,
    form: Form = Form.TEXT,
) -> int:
    """Print the timeline of a member to standard output as it is found; 0.

    Args:
        settings: name the playbooks; without `events` also a broker.
        member_id: who.
        events: a file of lines as `simulate` takes them (`-`: standard input); None: the topics.
        in_order: apply the lines as they stand.
        at: ISO instant at which to end; None: at the end of what is there.
        why_not: name of the playbook to focus on.
        form: of what is printed.

    Raises:
        UserError: `explain-what`, `bad-member`, `unknown-member`, `unknown-playbook`, `bad-instant`, `unreadable-file`, `closed-output`,
            and what `broker_errors` raises. UserErrors: what is wrong with the playbooks, or `missing-topic`.
    """
    if in_order and events is None:
        raise UserError(
            "explain-what", "--in-order", "is for a file of lines", "add --events FILE, or leave it out"
        )
    try:
        encode_key(member_id)
    except UnicodeEncodeError:
        raise UserError(
            "bad-member", ascii(member_id), "is no UTF-8 text", "ids are; is the terminal set to UTF-8?"
        ) from None
    check_output()
    at_ms = None if at is None else _parse_at(at)
    playbooks = load_playbooks(settings.playbooks)
    _check_focus(playbooks, why_not)
    sources = Sources(settings.playbooks)
    if events is not None:
        subject = Subject(member_id, _file(events), why_not, playbooks, sources)
        _explain_file(subject, _teller(subject, form), events, at_ms, settings.grace_ms, in_order=in_order)
        return 0
    with broker_errors(settings):
        asyncio.run(_explain_topics(settings, member_id, why_not, playbooks, sources, at_ms, form))
    return 0


def _explain_file(
    subject: Subject,
    teller: OnceFound,
    events: Path | str,
    at_ms: int | None,
    grace_ms: int,
    *,
    in_order: bool,
) -> None:
    with open_events(events) as lines:
        played = play_file(
            lines,
            subject.playbooks,
            subject.member_id,
            teller.step,
            until_ms=at_ms,
            in_order=in_order,
            grace_ms=grace_ms,
        )
    for letter in played.bad_lines:
        # A timer of somebody else may have made it, which the line only brought to fire.
        what = "made a dead letter" if letter.error == "cascade_limit" else "is no valid record"
        place = f"{_file(events)}, line {letter.source_line}"
        print(f"{place} {what}: {letter.error}: {letter.message}", file=sys.stderr)
    teller.end(standing_of(subject.playbooks, played.watched.member, played.time_ms))


async def _explain_topics(
    settings: Settings,
    member_id: str,
    why_not: str | None,
    playbooks: PlaybookSet,
    sources: Sources,
    at_ms: int | None,
    form: Form,
) -> None:
    async with member_topics(settings, playbooks, member_id, at_ms) as topics:
        subject = Subject(member_id, topics.source, why_not, playbooks, sources)
        teller = _teller(subject, form)
        await topics.play(teller.step)
    for warning in topics.warnings:
        print(warning, file=sys.stderr)
    teller.end(standing_of(playbooks, topics.member, topics.time_ms))


def _teller(subject: Subject, form: Form) -> OnceFound:
    return OnceFound(TextTeller(subject) if form is Form.TEXT else JsonTeller(subject))


def _parse_at(text: str) -> int:
    try:
        return parse_calendar_instant(text, "--at")
    except BadRecord as bad:
        hint = "write it as 2026-01-05T10:00:00Z"
        raise UserError(
            "bad-instant", "--at", f"{text!r} is no instant of the years 1970 to 9999", hint
        ) from bad


def _file(events: Path | str) -> str:
    return "standard input" if str(events) == "-" else str(events)


def _check_focus(playbooks: PlaybookSet, why_not: str | None) -> None:
    if why_not is not None and why_not not in playbooks.by_name:
        hint = nearest(why_not, list(playbooks.by_name))
        raise UserError("unknown-playbook", "--why-not", f"{why_not!r} is no playbook here", hint)
