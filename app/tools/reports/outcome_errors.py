"""Where members who nearly converted saw an error, and how many came back, counted from their activities (contract 7).

Sessions are put together again by the rules of the high-intent playbooks, from the activities alone: these may come in
any order, and repeated.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from app.domain.intent_state import HighIntentState
from app.domain.outputs import MemberSnapshot
from app.domain.sessions import PAGE, RUNNING, START, SUCCEEDED, move, note_event, text_attribute

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from app.domain.events import Activity
    from app.domain.high_intent import HighIntent

ERROR_DIMENSIONS = ("error", "company")

Key = tuple[str | None, ...]


class ErrorRow(NamedTuple):
    """What is known of one combination of the dimensions asked for.

    Attributes:
        key: the dimensions' values; None for a company that neither page nor profile names.
        views: how often the page was seen.
        members: by how many members.
        came_back: of those, how many began another session after one it was seen in.
        converted: of those, how many succeeded in such a session or a later one.
    """

    key: Key
    views: int
    members: int
    came_back: int
    converted: int


@dataclass(slots=True)
class _Found:
    """One combination, while it is counted: views by (member, event), and members."""

    views: set[tuple[str, str]] = field(default_factory=set)
    members: set[str] = field(default_factory=set)
    came_back: set[str] = field(default_factory=set)
    converted: set[str] = field(default_factory=set)


class _View(NamedTuple):
    """An activity that is an error's page, the error's key, and the number of the session it was seen in."""

    activity: Activity
    error: str
    session: int


class ErrorCounts:
    """Takes activities and members' pages, and gives rows. Repetitions of a record change nothing."""

    def __init__(self, playbooks: Iterable[HighIntent]) -> None:
        self._playbooks = list(playbooks)
        self.types = frozenset(kind for playbook in self._playbooks for kind in playbook.session.activities)
        """Types of the activities that tell anything."""
        self._activities: defaultdict[str, dict[str, Activity]] = defaultdict(dict)
        self._company: dict[str, str | None] = {}

    def take(self, record: Activity | MemberSnapshot) -> None:
        """Note an activity; or a member's page, whose company stands in where an activity names none."""
        if isinstance(record, MemberSnapshot):
            self._company[record.member_id] = record.company_id
        elif record.type in self.types:
            self._activities[record.member_id].setdefault(record.event_id, record)

    def rows(self, by: Sequence[str] = ERROR_DIMENSIONS) -> list[ErrorRow]:
        """A row for each combination of these dimensions that occurs, in their order, None last."""
        found: defaultdict[Key, _Found] = defaultdict(_Found)
        for playbook in self._playbooks:
            for member_id, activities in self._activities.items():
                views, last, succeeded = _views(playbook, list(activities.values()))
                for view in views:
                    each = found[self._key(view, by)]
                    each.views.add((member_id, view.activity.event_id))
                    each.members.add(member_id)
                    if last > view.session:
                        each.came_back.add(member_id)
                    if succeeded >= view.session:
                        each.converted.add(member_id)
        return [
            ErrorRow(key, len(each.views), len(each.members), len(each.came_back), len(each.converted))
            for key, each in sorted(found.items(), key=lambda item: [(v is None, v or "") for v in item[0]])
        ]

    def _key(self, view: _View, by: Sequence[str]) -> Key:
        named = text_attribute(view.activity, "company_id")
        company = named or self._company.get(view.activity.member_id)
        values = {"error": view.error, "company": company}
        return tuple(values[name] for name in by)


def _views(playbook: HighIntent, activities: list[Activity]) -> tuple[list[_View], int, int]:
    """The error pages a member saw, and the numbers of its last session and of the last that succeeded; 0 for none."""
    rules, errors = playbook.session, {page: key for key, page in playbook.segments.errors.items()}
    state, number, succeeded = HighIntentState(), 0, 0
    views: list[_View] = []
    for activity in sorted(activities, key=lambda each: (each.occurred_at, each.event_id)):
        if activity.type not in rules.activities:
            continue
        name, at_ms = rules.name_of(activity), activity.occurred_at
        if state.session is not None and at_ms >= state.session.last_ms + rules.timeout_ms:
            state.session = None
        after = move(state, name, at_ms, rules.timeout_ms)
        if after is None:
            continue
        if state.session is None or name == START:
            number += 1
        if after == SUCCEEDED:
            succeeded = number
        if after != RUNNING:
            state.session = None
        if after == RUNNING or name == START:
            note_event(state, at_ms)
        error = errors.get(text_attribute(activity, "name") or "") if name == PAGE else None
        if error is not None:
            views.append(_View(activity, error, number))
    return views, number, succeeded
