"""FORGET_MEMBER: what ends, what goes, and what stays so that no id is used twice (contract 5)."""

from __future__ import annotations

import pytest

from app.domain.crossings import TransferWithdrawn
from app.domain.events import OperatorCommand
from app.domain.sink import PageGone
from app.domain.state import COLD_PART
from tests.domain.conftest import RestartingEntities, Story, days, told
from tests.domain.scoring import on_score


@pytest.fixture(params=[False, True], ids=["kept", "restarted"])
def story(request: pytest.FixtureRequest) -> Story:
    story = Story()
    if request.param:
        story.engine.entities = RestartingEntities(story.core)
    return story


def forget(story: Story, at: float, **fields: str) -> list[object]:
    return story.command(at, type="FORGET_MEMBER", **fields)


def test_open_workflows_resolve_and_the_page_goes(story: Story):
    story.activity(0)
    assert told(forget(story, 1)) == ["1 resolved re-engager:m1:1 forgotten", "page of m1 gone"]


def test_nothing_happens_for_the_forgotten_by_itself_any_more(story: Story):
    story.activity(0)
    forget(story, 1)
    assert story.until(500) == []


def test_a_later_event_starts_a_new_member_whose_ids_go_on(story: Story):
    story.activity(0)
    forget(story, 1)
    outputs = story.activity(2)
    assert told(outputs) == [
        "2 +inactive never_active",
        "2 -inactive activity",
        "2 opened re-engager:m1:2 first_activity",
    ]
    assert outputs[0].sequence == 5


def test_profile_and_scores_are_forgotten(story: Story):
    story.profile(0, owner_id="o1", email="a@b.example", pool="west")
    story.score(0.5, operation="ADD", points=5)
    forget(story, 1)
    story.profile(2, country="DE")
    hot, cold = story.member().hot, story.member().cold()
    assert (hot.owner_id, hot.scores, cold.profile.email, cold.profile.pool) == (None, None, None, None)


def test_the_cold_part_goes_from_the_store():
    story = Story()
    story.engine.entities = entities = RestartingEntities(story.core)
    story.profile(0, email="a@b.example")
    story.member()
    assert COLD_PART in entities.parts["m1"]
    forget(story, 1)
    story.member()
    assert COLD_PART not in entities.parts["m1"]


def test_a_waiting_member_leaves_the_queue(story: Story):
    story.activity(0)
    story.activity(1, type="setup.completed")
    outputs = forget(story, 2)
    (left,) = [output for output in outputs if isinstance(output, TransferWithdrawn)]
    assert left.reason == "forgotten"


def test_planned_nudges_are_suppressed_with_their_workflow():
    actions = ({"do": "open_workflow"}, {"do": "nudge", "template": "hello", "after": "1d"})
    story = Story(on_score("p", ">= 1", *actions))
    story.score(0, operation="ADD", points=5)
    outputs = forget(story, 0.5)
    assert "0.5 no nudge p:m1:1#1 hello workflow_resolved" in told(outputs)
    assert told(story.until(9)) == []


def test_the_command_sent_again_does_not_forget_the_new_member(story: Story):
    story.activity(0)
    forget(story, 1, event_id="f")
    story.activity(2)
    assert forget(story, 1, event_id="f") == []
    assert story.member().hot.born


def test_an_event_from_before_sent_again_does_not_start_a_new_member(story: Story):
    story.activity(0, event_id="e")
    forget(story, 1)
    assert story.activity(0, event_id="e") == []


def test_a_late_event_of_a_forgotten_member_does_not_take_its_time_back(story: Story):
    story.activity(5)
    forget(story, 6)
    outputs = story.activity(3, arrived=7)
    assert {output.occurred_at for output in outputs} == {days(6)}


def test_nobody_is_forgotten_who_was_never_seen(story: Story):
    assert forget(story, 0) == []
    assert story.engine.entities.get("m1") is None


def test_timers_due_by_then_fire_first(story: Story):
    story.activity(0)
    # Time has not been moved: the record overtakes the member's own timer.
    command = OperatorCommand(
        event_id="f", member_id="m1", occurred_at=days(8), type="FORGET_MEMBER", issued_by="op"
    )
    story.engine.apply("m1", command)
    outputs = story.sink.take()
    assert told(outputs)[:2] == ["7 +inactive inactive", "8 resolved re-engager:m1:1 forgotten"]
    assert isinstance(outputs[-1], PageGone)
