"""`merged_into`: what the old member hands over, what the new one gains, chains and circles (contract 5)."""

from __future__ import annotations

import random
from collections import defaultdict, deque
from itertools import count
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.crossings import MemberMoved, TransferWithdrawn
from app.domain.engine import Engine
from app.domain.events import Activity, MemberProfile, ScoreCommand
from app.domain.hop import Hop
from app.domain.members import MemberCore
from app.domain.memory import MemoryDeadlines, MemoryEntities
from app.domain.outputs import ScoreChanged
from app.domain.playbook_set import PlaybookSet
from app.domain.sink import Refused, Sink
from tests.domain.conftest import Story, days, re_engager, told
from tests.domain.scoring import on_score


class Town(Story):
    """A story in which what crosses from member to member is there at once."""

    def record(self, record: Any, arrived: float | None = None) -> list[Any]:
        outputs = super().record(record, arrived)
        seen = 0
        while seen < len(outputs):
            output = outputs[seen]
            if isinstance(output, (MemberMoved, Hop)):
                self.engine.apply(output.member_id, output)
                outputs += self._take()
            seen += 1
        return [output for output in outputs if not isinstance(output, (MemberMoved, Hop))]

    def merge(self, at: float, old: str, new: str, **fields: Any) -> list[Any]:
        return self.profile(at, old, merged_into=new, **fields)

    def told(self, outputs: list[Any], member: str) -> list[str]:
        return told([output for output in outputs if getattr(output, "member_id", None) == member])


@pytest.fixture
def town() -> Town:
    return Town()


class TestTheOldMember:
    def test_its_workflows_resolve_and_its_page_goes(self, town: Town):
        town.activity(0, "old")
        town.profile(0, "new")
        assert town.told(town.merge(1, "old", "new"), "old") == [
            "1 resolved re-engager:old:1 merged",
            "page of old gone",
        ]

    def test_its_planned_nudges_are_suppressed(self):
        actions = ({"do": "open_workflow"}, {"do": "nudge", "template": "hello", "after": "1d"})
        town = Town(on_score("p", ">= 1", *actions))
        town.score(0, "old", operation="ADD", points=5)
        town.profile(0, "new")
        assert "0.5 no nudge p:old:1#1 hello workflow_resolved" in town.told(
            town.merge(0.5, "old", "new"), "old"
        )

    def test_it_leaves_the_queue(self, town: Town):
        town.activity(0, "old")
        town.activity(1, "old", type="setup.completed")
        (left,) = [output for output in town.merge(2, "old", "new") if isinstance(output, TransferWithdrawn)]
        assert left.reason == "merged"

    def test_its_timers_are_gone(self, town: Town):
        town.activity(0, "old")
        town.merge(1, "old", "new")
        assert town.told(town.until(20), "old") == []

    def test_timers_due_by_then_fire_first(self, town: Town):
        town.activity(0, "old")
        town.profile(0, "new")
        town.engine.apply(
            "old", MemberProfile(event_id="p", member_id="old", occurred_at=days(8), merged_into="new")
        )
        assert told(town.sink.take())[0] == "7 +inactive inactive"


class TestTheNewMember:
    def test_it_gains_the_later_activity_and_its_tag_is_judged_anew_opening_nothing(self, town: Town):
        town.activity(5, "old")
        town.profile(5, "new")
        outputs = town.merge(6, "old", "new")
        assert town.told(outputs, "new") == ["6 -inactive merged"]
        assert town.told(town.until(20), "new") == ["12 +inactive inactive"]

    def test_an_earlier_activity_changes_nothing(self, town: Town):
        town.activity(1, "old")
        town.activity(5, "new")
        assert town.told(town.merge(6, "old", "new"), "new") == []
        assert town.told(town.until(20), "new") == ["12 +inactive inactive"]

    def test_it_gains_the_tags_but_not_that_of_inactivity(self):
        town = Town(re_engager(), on_score("p", ">= 1", {"do": "tag", "add": "vip"}))
        town.score(0, "old", operation="ADD", points=5)
        town.activity(0, "new")
        outputs = town.merge(1, "old", "new")
        assert "1 +vip merged" in town.told(outputs, "new")
        assert "1 +inactive merged" not in town.told(outputs, "new")

    def test_it_gains_every_score_that_is_not_empty_by_one_add_evaluated_as_any_change(self):
        town = Town(on_score("p", ">= 10", {"do": "open_workflow"}))
        town.score(0, "old", operation="ADD", points=6)
        town.score(0, "old", score="other", operation="SET", points=-2)
        town.score(0, "old", score="zero", operation="SET", points=0)
        town.score(0, "new", operation="ADD", points=5)
        outputs = town.merge(1, "old", "new")
        assert town.told(outputs, "new") == [
            "1 engagement 5 ADD 6 = 11",
            "1 opened p:new:1 score_condition",
            "1 other None ADD -2 = -2",
            "1 zero None ADD 0 = 0",
        ]
        changes = [output for output in outputs if isinstance(output, ScoreChanged)]
        assert {change.reason for change in changes} == {"merged"}

    def test_transfer_and_set_up_stay_its_own(self, town: Town):
        town.activity(0, "old", type="setup.completed")
        town.profile(0, "new")
        town.merge(1, "old", "new")
        assert "transfer-requested" in [
            output.topic for output in town.activity(2, "new", type="setup.completed")
        ]

    def test_one_nobody_has_seen_is_made_by_the_history_and_has_the_tag_that_follows_from_it(
        self, town: Town
    ):
        town.activity(0, "old")
        assert town.told(town.merge(1, "old", "new"), "new") == []
        assert town.told(town.until(20), "new") == ["7 +inactive inactive"]
        town.profile(20, "other")
        assert town.told(town.merge(21, "other", "newer"), "newer") == ["21 +inactive never_active"]

    def test_the_merge_of_somebody_never_seen_makes_nobody(self, town: Town):
        assert town.merge(0, "old", "new") == []
        assert not town.member("new").hot.born
        assert not town.member("old").hot.born

    def test_a_history_that_comes_twice_counts_once(self, story: Story):
        story.score(0, "old", operation="ADD", points=5)
        story.profile(0, "new")
        (moved,) = [out for out in story.profile(1, "old", merged_into="new") if isinstance(out, MemberMoved)]
        for _ in range(2):
            story.engine.apply("new", moved)
        assert story.member("new").hot.scores == {"engagement": 5}


class TestLaterEventsOfTheOldId:
    def test_they_apply_to_the_new_member(self, town: Town):
        town.profile(0, "old")
        town.profile(0, "new")
        town.merge(1, "old", "new")
        outputs = town.activity(2, "old")
        assert town.told(outputs, "old") == []
        assert town.told(outputs, "new") == [
            "2 -inactive activity",
            "2 opened re-engager:new:1 first_activity",
        ]

    def test_a_command_does_too(self, town: Town):
        town.activity(0, "new")
        town.merge(1, "old", "new")
        outputs = town.command(2, "old", workflow_id="re-engager:new:1")
        assert town.told(outputs, "new") == ["2 resolved re-engager:new:1 operator"]
        assert town.told(town.command(3, "old", type="FORGET_MEMBER"), "new") == ["page of new gone"]

    def test_one_known_to_the_new_member_is_ignored(self, town: Town):
        town.activity(0, "new", event_id="same")
        town.merge(1, "old", "new")
        assert town.activity(2, "old", event_id="same") == []

    def test_a_profile_that_says_the_merge_again_is_a_profile(self, town: Town):
        town.profile(0, "new")
        town.merge(1, "old", "new")
        town.merge(2, "old", "new", owner_id="o9")
        assert town.member("new").hot.owner_id == "o9"


class TestChains:
    def test_they_are_followed(self, town: Town):
        town.activity(5, "a")
        town.score(5, "a", operation="ADD", points=3)
        for member in "bc":
            town.profile(5, member)
        town.merge(6, "b", "c")
        assert "6.5 -inactive merged" in town.told(town.merge(6.5, "a", "b"), "c")
        assert town.member("c").hot.scores == {"engagement": 3}
        assert town.told(town.score(7, "a", operation="ADD", points=1), "c") == ["7 engagement 3 ADD 1 = 4"]

    def test_a_merge_said_of_an_id_merged_long_ago_is_the_new_members(self, town: Town):
        for member in "abc":
            town.profile(0, member)
        town.merge(1, "a", "b")
        town.merge(2, "a", "c")
        assert town.told(town.score(3, "b", operation="ADD", points=1), "c") != []

    def test_the_first_id_may_say_its_own_merge_again_at_the_end_of_the_chain(self, town: Town):
        for member in "abc":
            town.profile(0, member)
        town.merge(1, "a", "b")
        town.merge(2, "b", "c")
        assert town.merge(3, "a", "b") == []


class TestCircles:
    @pytest.mark.parametrize("merges", [["aa"], ["ab", "ba"], ["ab", "bc", "ca"], ["bc", "ab", "ca"]])
    def test_the_merge_that_would_close_one_is_refused_and_changes_nothing(
        self, town: Town, merges: list[str]
    ):
        for member in "abc":
            town.activity(0, member)
        *before, last = merges
        for old, new in before:
            town.merge(1, old, new)
        assert told(town.merge(2, last[0], last[1])) == ["refused merge_cycle"]
        assert town.member(last[0]).hot.born

    def test_a_member_forgotten_meanwhile_is_not_merged_into_one_merged_into_it(self, town: Town):
        """The old id still leads here; wiped for nothing, the member would lose the consents given since."""
        town.activity(0, "a")
        town.merge(1, "a", "b")
        town.command(2, "b", type="FORGET_MEMBER")
        town.profile(3, "b", consents={"EMAIL": False})
        assert told(town.merge(4, "b", "a")) == ["refused merge_cycle"]
        assert town.member("b").cold().profile.consents == {"EMAIL": False}

    def test_after_one_was_refused_the_member_lives_on(self, town: Town):
        town.activity(0, "a")
        town.merge(1, "a", "a", owner_id="nobody")
        assert town.member("a").hot.owner_id is None
        assert town.told(town.until(8), "a") == ["7 +inactive inactive"]


class Partitions:
    """Every member in a partition of its own, with a queue from each to each: what crosses may be under way for long."""

    def __init__(self, members: str, seed: int) -> None:
        self.core = MemberCore(PlaybookSet([re_engager()]))
        self.engines = {
            member: Engine(self.core, MemoryEntities(), MemoryDeadlines(), Sink()) for member in members
        }
        self.under_way: dict[tuple[str, str], deque[Any]] = defaultdict(deque)
        self.random = random.Random(seed)
        self.refused = 0
        self.ids = count(1)

    def apply(self, member: str, record: Any) -> None:
        engine = self.engines[member]
        engine.move_time(record.occurred_at)
        engine.apply(member, record)
        for output in engine.sink.take():
            if isinstance(output, (MemberMoved, Hop)):
                self.under_way[member, output.member_id].append(output)
            self.refused += isinstance(output, Refused)

    def deliver(self, at_most: int = 10_000) -> None:
        """Let some of what is under way arrive, in any order that keeps each queue's."""
        for _ in range(at_most):
            queues = [way for way, queue in sorted(self.under_way.items()) if queue]
            if not queues:
                return
            way = self.random.choice(queues)
            self.apply(way[1], self.under_way[way].popleft())
        assert at_most < 10_000, "what is under way never arrives"

    def tell(self, member: str, at: float, record: type, **fields: Any) -> None:
        self.apply(
            member, record(event_id=f"e{next(self.ids)}", member_id=member, occurred_at=days(at), **fields)
        )

    def into(self, member: str) -> str | None:
        found = self.engines[member].entities.get(member)
        return None if found is None or found.hot.merged is None else found.hot.merged.into

    def end_of(self, member: str) -> str:
        seen = {member}
        while (onward := self.into(member)) is not None:
            assert onward not in seen, "a circle is left"
            seen.add(onward)
            member = onward
        return member


@settings(max_examples=300)
@given(
    st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from("abcd"), st.integers(0, 6)), max_size=8),
    st.integers(0, 10_000),
)
def test_merges_that_miss_each_other_leave_no_circle_and_lose_nothing(merges, seed):
    town = Partitions("abcd", seed)
    for member in "abcd":
        town.tell(member, 0, ScoreCommand, operation="ADD", points=1)
    for number, (old, new, delivered) in enumerate(merges):
        town.tell(old, 1 + number / 10, MemberProfile, merged_into=new)
        if delivered:
            town.deliver(delivered - 1)
    town.deliver()
    for member in "abcd":
        town.tell(member, 5, Activity, type="article.read", channel="APP")
    town.deliver()
    ends = {town.end_of(member) for member in "abcd"}
    total = 0
    for end in ends:
        found = town.engines[end].entities.get(end)
        assert found is not None
        assert found.hot.born
        assert found.hot.states["re-engager"].last_ms == days(5)
        total += (found.hot.scores or {}).get("engagement", 0)
    assert total == 4


def test_of_two_merges_that_cross_the_later_one_is_undone():
    town = Partitions("ab", 0)
    for member in "ab":
        town.tell(member, 0, ScoreCommand, operation="ADD", points=1)
    town.tell("a", 1, MemberProfile, merged_into="b")
    town.tell("b", 2, MemberProfile, merged_into="a")
    town.deliver()
    assert (town.into("a"), town.into("b"), town.refused) == ("b", None, 1)
    found = town.engines["b"].entities.get("b")
    assert found is not None
    assert found.hot.scores == {"engagement": 2}
