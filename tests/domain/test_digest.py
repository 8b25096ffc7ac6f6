"""An owner's digest by itself: what it is told, and what it sends. Minutes count from Monday, 10:00."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain import digest as rules
from app.domain.crossings import DigestItem
from app.domain.digest import DigestCore
from app.domain.digest_state import Digest
from app.domain.engine import Engine
from app.domain.errors import UserError
from app.domain.instants import DAY_MS, MINUTE_MS
from app.domain.memory import MemoryDeadlines, MemoryEntities
from app.domain.playbook_set import PlaybookSet
from app.domain.sink import Sink
from tests.domain.coaching import progress
from tests.domain.conftest import MONDAY_MS, RestartingEntities

WINDOW = 15


class Owner:
    """One owner's digest in an engine of its own. `restarting`: it is loaded anew each time it is met."""

    def __init__(self, *playbooks: Any, restarting: bool = False) -> None:
        self.core = DigestCore(PlaybookSet(playbooks or (progress(),)))
        self.sink = Sink()
        entities: Any = RestartingEntities(self.core) if restarting else MemoryEntities()  # type: ignore[arg-type]
        self.engine: Engine[Any] = Engine(self.core, entities, MemoryDeadlines(), self.sink)

    def hear(self, item: DigestItem) -> list[str]:
        self.engine.move_time(item.occurred_at)
        self.engine.apply(item.owner_id, item)
        return self.take()

    def off(self, minute: float, engagement: str, member: str = "m1", **fields: Any) -> list[str]:
        return self.hear(item(minute, engagement, member, **fields))

    def back(self, minute: float, engagement: str, member: str = "m1", **fields: Any) -> list[str]:
        return self.hear(item(minute, engagement, member, off_track=False, **fields))

    def until(self, minute: float) -> list[str]:
        self.engine.move_time(instant(minute))
        return self.take()

    def take(self) -> list[str]:
        return [words(output) for output in self.sink.take()]


def instant(minute: float) -> int:
    return MONDAY_MS + round(minute * MINUTE_MS)


def item(minute: float, engagement: str, member: str = "m1", **fields: Any) -> DigestItem:
    off_track = fields.get("off_track", True)
    return DigestItem(
        event_id=fields.get("event_id") or f"{member}/{engagement}/{minute}/{off_track}",
        occurred_at=instant(minute),
        cause="timer:off_track",
        owner_id="o1",
        member_id=member,
        engagement_id=engagement,
        playbook=fields.get("playbook", "progress"),
        off_track=off_track,
    )


def words(nudge: Any) -> str:
    """`15 progress:owner:o1#1: 2 e1,e2`."""
    at = (nudge.occurred_at - MONDAY_MS) / MINUTE_MS
    return f"{at:g} {nudge.nudge_id}: {nudge.context['count']} {nudge.context['engagements']}"


@pytest.fixture(params=[False, True], ids=["kept", "restarting"])
def owner(request) -> Owner:
    return Owner(restarting=request.param)


def test_at_the_digest_after_the_first_all_are_in_one_nudge_sorted_by_id(owner):
    for minute, engagement in ((0, "e2"), (5, "e3"), (14, "e1")):
        assert owner.off(minute, engagement) == []
    assert owner.until(14.999) == []
    assert owner.until(15) == ["15 progress:owner:o1#1: 3 e1,e2,e3"]
    assert owner.until(1_000) == []


def test_the_nudge_is_an_output_of_the_owner_with_a_sequence_of_its_own(owner):
    owner.off(0, "e1")
    owner.engine.move_time(instant(15))
    (nudge,) = owner.sink.take()
    assert (nudge.member_id, nudge.event_id, nudge.sequence) == ("owner:o1", "owner:o1/1", 1)
    assert (nudge.recipient_role, nudge.recipient_id, nudge.channel) == ("OWNER", "o1", "EMAIL")
    assert (nudge.template, nudge.workflow_id, nudge.cause) == ("off_track_digest", None, "timer:digest")
    assert (nudge.playbook, nudge.playbook_version) == ("progress", "v1")


def test_after_one_digest_the_next_begins_with_its_own_first(owner):
    owner.off(0, "e1")
    owner.off(20, "e2")
    assert owner.until(34.999) == []
    assert owner.until(35) == ["35 progress:owner:o1#2: 1 e2"]


def test_one_that_is_back_on_track_is_left_out(owner):
    owner.off(0, "e1")
    owner.off(1, "e2")
    owner.back(2, "e1")
    assert owner.until(15) == ["15 progress:owner:o1#1: 1 e2"]


def test_with_none_left_there_is_no_nudge(owner):
    owner.off(0, "e1")
    owner.back(1, "e1")
    assert owner.until(1_000) == []


def test_one_back_and_off_again_within_one_digest_is_listed_once(owner):
    owner.off(0, "e1")
    owner.back(1, "e1")
    owner.off(2, "e1")
    assert owner.until(1_000) == ["15 progress:owner:o1#1: 1 e1"]


def test_one_that_goes_off_again_later_is_listed_again(owner):
    owner.off(0, "e1")
    owner.back(20, "e1")
    owner.off(30, "e1")
    assert owner.until(1_000) == ["45 progress:owner:o1#2: 1 e1"]


def test_one_at_the_very_instant_of_the_digest_is_in_the_next(owner):
    owner.off(0, "e1")
    assert owner.off(15, "e2") == ["15 progress:owner:o1#1: 1 e1"]
    assert owner.until(30) == ["30 progress:owner:o1#2: 1 e2"]


def test_the_same_item_again_changes_nothing(owner):
    owner.off(0, "e1", event_id="x")
    owner.until(15)
    assert owner.off(0, "e1", event_id="x") == []
    assert owner.until(1_000) == []


def test_a_withdrawal_of_what_is_not_known_makes_nobody(owner):
    assert owner.back(0, "e1") == []
    assert owner.engine.entities.get("o1") is None


def test_an_item_that_comes_late_is_sent_at_once(owner):
    owner.off(0, "e1")
    owner.until(100)
    owner.engine.apply("o1", item(10, "e2"))
    assert owner.take() == ["25 progress:owner:o1#2: 1 e2"]


def test_of_two_members_with_an_engagement_of_one_id_each_counts(owner):
    owner.off(0, "e1", "m1")
    owner.off(0, "e1", "m2")
    owner.back(1, "e1", "m2")
    assert owner.until(15) == ["15 progress:owner:o1#1: 1 e1"]


def test_each_playbook_has_a_digest_of_its_own():
    owner = Owner(progress("a"), progress("b", digest_ms=5 * MINUTE_MS))
    owner.off(0, "e1", playbook="a")
    owner.off(0, "e1", playbook="b")
    assert owner.until(15) == ["5 b:owner:o1#1: 1 e1", "15 a:owner:o1#1: 1 e1"]


def test_under_other_settings_the_digest_that_collects_is_timed_anew(owner):
    owner.off(0, "e1")
    owner.core.__init__(PlaybookSet([progress(digest_ms=30 * MINUTE_MS)]))  # type: ignore[misc]
    owner.engine.rearm(owner.engine.entities.get("o1"))
    assert owner.until(1_000) == ["30 progress:owner:o1#1: 1 e1"]


def test_a_playbook_that_is_gone_sends_nothing(owner):
    owner.off(0, "e1")
    owner.core.__init__(PlaybookSet([progress("other")]))  # type: ignore[misc]
    owner.engine.rearm(owner.engine.entities.get("o1"))
    assert owner.until(1_000) == []
    assert owner.off(1_001, "e2") == []
    assert owner.engine.entities.get("o1").items == {}


def test_what_is_done_is_let_go_of_after_a_day(owner):
    owner.off(0, "e1")
    owner.until(15)
    day = DAY_MS // MINUTE_MS
    owner.off(day, "e2")
    owner.until(2 * day)
    assert [each[2] for each in owner.engine.entities.get("o1").items] == ["e2"]


def test_more_than_one_record_takes_is_sent_in_several_at_the_same_instant(owner, monkeypatch):
    monkeypatch.setattr(rules, "MOST_BYTES", 9)
    for engagement in ("e1", "e2", "e3", "e4", "e5"):
        owner.off(0, engagement)
    assert owner.until(15) == [
        "15 progress:owner:o1#1: 3 e1,e2,e3",
        "15 progress:owner:o1#2: 2 e4,e5",
    ]


def test_a_part_of_a_newer_version_is_refused_with_what_to_do():
    with pytest.raises(UserError, match="newer one"):
        Digest.load("o1", {0: b"\xff"}.get)


Step = tuple[int, str, bool]


@st.composite
def histories(draw: st.DrawFn) -> list[Step]:
    """(minute, engagement, off track) in order of time; each engagement goes off and back in turn."""
    minute, found, off = 0, [], set()
    for _ in range(draw(st.integers(1, 40))):
        minute += draw(st.integers(0, 8))
        engagement = draw(st.sampled_from(["e1", "e2", "e3", "e4"]))
        off ^= {engagement}
        found.append((minute, engagement, engagement in off))
    return found


def on_paper(steps: list[Step]) -> list[str]:
    """The digests as a person would write them."""
    sent: list[str] = []
    listed: set[str] = set()
    due: int | None = None
    for minute, engagement, off_track in [*steps, (10_000, "", False)]:
        if due is not None and due <= minute:
            if listed:
                sent.append(
                    f"{due} progress:owner:o1#{len(sent) + 1}: {len(listed)} {','.join(sorted(listed))}"
                )
            listed, due = set(), None
        if off_track:
            listed.add(engagement)
            due = minute + WINDOW if due is None else due
        else:
            listed.discard(engagement)
    return sent


@settings(max_examples=200)
@given(histories(), st.booleans(), st.data())
def test_the_digests_are_those_written_on_paper_restarted_repeated_or_not(steps, restarting, data):
    owner, sent = Owner(restarting=restarting), []
    items = [
        item(minute, engagement, off_track=off, event_id=f"i{place}")
        for place, (minute, engagement, off) in enumerate(steps)
    ]
    for place, each in enumerate(items):
        # At least once repeats a stretch that lies close before.
        again = data.draw(st.sampled_from([place, place, max(0, place - 2)]))
        for repeated in (*items[again:place], each):
            sent += owner.hear(repeated)
    sent += owner.until(10_000)
    assert sent == on_paper(steps)
