"""Engagements of one member as told by records, and what comes of them, in few words. Days as in `conftest`."""

from __future__ import annotations

from typing import Any

from app.domain.crossings import DigestItem
from app.domain.events import EngagementEvent
from app.domain.instants import DAY_MS, WEEK_MS
from app.domain.playbook_set import PlaybookSet
from app.domain.policy import Policy
from app.domain.progress import Progress, Template
from tests.domain.conftest import MONDAY_MS, RestartingEntities, Story, days, told

ANY_TIME = Policy(quiet_from=0, quiet_to=0, holidays=False, caps={}, spread_ms=0)
"""A policy under which every nudge is sent at once."""

TEMPLATES = {
    "default": Template(None),
    "executive": Template(3 * WEEK_MS),
    "silent": Template(3 * WEEK_MS, notifies=False),
    "weekly": Template(WEEK_MS),
}


def progress(name: str = "progress", **changes: Any) -> Progress:
    """A playbook with a few templates; its version tells what is not as usual."""
    version = ",".join(["v1", *(f"{key}={changes[key]}" for key in sorted(changes))])
    return Progress(name=name, version=version, **{"templates": TEMPLATES, **changes})


class Coaching(Story):
    """A story of engagements; `restarting`: the member is loaded anew each time it is met."""

    def __init__(self, *playbooks: Any, restarting: bool = False, policy: Policy = ANY_TIME) -> None:
        super().__init__(*(playbooks or (progress(),)), policy=policy)
        if restarting:
            self.engine.entities = RestartingEntities(self.core)

    def say(
        self,
        at: float,
        type: str,  # noqa: A002  the record's own name for it
        engagement: str = "e1",
        member: str = "m1",
        **fields: Any,
    ) -> list[str]:
        """One engagement record; `date`: the session's, in days. Returns what came out, without snapshots."""
        arrived = fields.pop("arrived", None)
        if (date := fields.pop("date", None)) is not None:
            fields["session_at"] = days(date)
        event = EngagementEvent(
            event_id=fields.pop("event_id", None) or f"e{next(self.ids)}",
            member_id=member,
            occurred_at=days(at),
            engagement_id=engagement,
            type=type,
            **fields,
        )
        return words(self.record(event, arrived))

    def launch(self, at: float, engagement: str = "e1", member: str = "m1", **fields: Any) -> list[str]:
        """LAUNCHED under a template of three weeks, with a coach and an owner, unless told otherwise."""
        fields = {"template": "executive", "coach_id": "k1", "owner_id": "o1", **fields}
        return self.say(at, "LAUNCHED", engagement, member, **fields)

    def start(self, at: float, engagement: str = "e1", member: str = "m1", **fields: Any) -> list[str]:
        """LAUNCHED and ACTIVATED at once."""
        return [
            *self.launch(at, engagement, member, **fields),
            *self.say(at, "ACTIVATED", engagement, member),
        ]

    def schedule(
        self, at: float, session: str, date: float, engagement: str = "e1", **fields: Any
    ) -> list[str]:
        return self.say(at, "SESSION_SCHEDULED", engagement, session_id=session, date=date, **fields)

    def call(self, at: float, session: str, date: float, engagement: str = "e1") -> list[str]:
        return self.say(at, "DISCOVERY_CALL_SCHEDULED", engagement, session_id=session, date=date)

    def pass_until(self, at: float) -> list[str]:
        """Let time pass."""
        return words(self.until(at))

    def use(self, *playbooks: Any, policy: Policy = ANY_TIME) -> list[str]:
        """Go on under other playbooks; returns what the members' re-arming put out."""
        self.core.__init__(PlaybookSet(playbooks, policy))  # type: ignore[misc]
        for key in ("m1", "m2"):
            if (member := self.engine.entities.get(key)) is not None:
                self.engine.rearm(member)
        return words(self._take())


def words(outputs: list[Any]) -> list[str]:
    """Outputs in a few words each, such as `21 e1 OFF_TRACK off_track` or `21 digest of o1: + m1 e1`."""
    return [
        _item(output) if isinstance(output, DigestItem) else _line(output)
        for output in outputs
        if isinstance(output, DigestItem) or told([output])
    ]


def _line(output: Any) -> str:
    if getattr(output, "topic", "") == "track-changed":
        return f"{_day(output.occurred_at)} {output.engagement_id} {output.status} {output.reason}"
    return told([output])[0]


def _item(item: DigestItem) -> str:
    sign = "+" if item.off_track else "-"
    return f"{_day(item.occurred_at)} digest of {item.owner_id}: {sign} {item.member_id} {item.engagement_id}"


def _day(instant_ms: int) -> str:
    return f"{(instant_ms - MONDAY_MS) / DAY_MS:g}"
