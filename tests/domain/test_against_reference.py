"""The inactivity rules told a second time, from the log alone, and compared on random histories, late ones included.

The reference keeps no state of its own: whether the tag is there, whether a workflow is open and how many there were
is read off what it has said so far, and the last activity off the list of all of them.
"""

from __future__ import annotations

from datetime import datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.events import Activity, TransferEvent
from app.domain.instants import HOUR_MS
from tests.domain.conftest import MONDAY_MS, Story, re_engager

AFTER = 24
END = 2000

Arrival = tuple[int, int, str]
"""(arrived, occurred, kind), in hours; kind `app`, `web` or `transfer`."""

Said = tuple[int, str, str]
"""(hour, what, detail), of one member."""


class Reference:
    """What should come of one member's arrivals. All times in hours."""

    def __init__(self) -> None:
        self.said: list[Said] = []
        self.active: list[int] = []
        self.opened_by = 0
        self.now = -(10**9)

    def hear(self, arrivals: list[Arrival]) -> list[Said]:
        """Everything that is to be said, up to the end."""
        for arrived, at, kind in arrivals:
            self.fire(arrived)
            self.fire(at)
            late, self.now = at < self.now, max(self.now, at)
            if not self.said:
                self.say("+", "never_active")
            if kind == "transfer":
                self.transferred(at)
            elif kind == "app":
                self.was_active(at, late=late)
            self.fire(arrived)
        self.fire(END)
        return self.said

    def say(self, what: str, detail: str) -> None:
        self.said.append((self.now, what, detail))

    def tag_since(self) -> int | None:
        tags = [(at, what) for at, what, _ in self.said if what in ("+", "-")]
        return tags[-1][0] if tags[-1:] and tags[-1][1] == "+" else None

    def open_since(self) -> int | None:
        workflows = [(at, what) for at, what, _ in self.said if what in ("opened", "resolved")]
        return workflows[-1][0] if workflows and workflows[-1][1] == "opened" else None

    def fire(self, until: int) -> None:
        if self.active and self.tag_since() is None and max(self.active) + AFTER <= until:
            self.now = max(self.now, max(self.active) + AFTER)
            self.say("+", "inactive")

    def transferred(self, at: int) -> None:
        if self.open_since() is not None and self.opened_by <= at:
            self.say("resolved", "manually_transferred")

    def was_active(self, at: int, *, late: bool) -> None:
        before, since = max(self.active, default=None), self.tag_since()
        self.active.append(at)
        if since is None:
            return
        if late and before is not None and at < before + AFTER:
            if at + AFTER > self.now and at >= before:
                self.say("-", "late_activity")
            return
        self.say("-", "activity")
        if self.open_since() is None:
            gap = "first" if before is None else f"{(at - before) // 24} days"
            self.say("opened", f"{gap} since {since}")
            self.opened_by = at


def actual(arrivals: list[Arrival]) -> list[Said]:
    """The same from the core, told alike."""
    story = Story(re_engager(after=AFTER / 24))
    for number, (arrived, at, kind) in enumerate(arrivals):
        fields = {"event_id": f"e{number}", "member_id": "m1", "occurred_at": MONDAY_MS + at * HOUR_MS}
        story.engine.move_time(MONDAY_MS + arrived * HOUR_MS)
        if kind == "transfer":
            story.engine.apply("m1", TransferEvent(**fields, type="TRANSFERRED", mode="MANUAL"))
        else:
            channel = "APP" if kind == "app" else "WEB"
            story.engine.apply("m1", Activity(**fields, type="article.read", channel=channel))
    story.engine.move_time(MONDAY_MS + END * HOUR_MS)
    return [told for output in story.sink.take() if (told := tell(output)) is not None]


def tell(output) -> Said | None:
    hour = (output.occurred_at - MONDAY_MS) // HOUR_MS
    match output.topic:
        case "tag-changed":
            return hour, "+" if output.action == "ADDED" else "-", output.reason
        case "workflow-opened":
            days = output.context.get("inactive_days")
            since = hour_of(output.context["inactive_since"])
            reason = "first" if output.reason == "first_activity" else f"{days} days"
            return hour, "opened", f"{reason} since {since}"
        case "workflow-resolved":
            return hour, "resolved", output.resolution
        case _:
            return None


def hour_of(iso: str) -> int:
    return (round(datetime.fromisoformat(iso).timestamp() * 1000) - MONDAY_MS) // HOUR_MS


@st.composite
def one_members_history(draw: st.DrawFn) -> list[Arrival]:
    arrivals, clock = [], 0
    for _ in range(draw(st.integers(1, 25))):
        clock += draw(st.sampled_from([0, 1, 6, 11, 12, 23, 24, 25, 60]))
        at = clock - draw(st.sampled_from([0, 0, 0, 1, 5, 12, 23, 24, 25, 48, 100]))
        arrivals.append((clock, at, draw(st.sampled_from(["app", "app", "app", "web", "transfer"]))))
    return arrivals


@settings(max_examples=500)
@given(one_members_history())
def test_the_core_says_what_the_reference_says(arrivals):
    assert actual(arrivals) == Reference().hear(arrivals)
