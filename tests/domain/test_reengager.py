"""Contract 6.1, the inactivity half, sentence by sentence."""

import pytest

from app.domain.outputs import WorkflowOpened
from tests.domain.conftest import Story, days, re_engager, told


def opened(outputs):
    return [output for output in outputs if isinstance(output, WorkflowOpened)]


@pytest.mark.parametrize("first", ["activity", "profile", "transfer"])
def test_a_member_first_seen_has_the_tag_at_once_whatever_the_first_record(story: Story, first: str):
    outputs = getattr(story, first)(0)
    assert told(outputs)[0] == "0 +inactive never_active"
    assert outputs[0].cause == "e1"


def test_the_first_activity_takes_the_tag_off_and_opens_a_workflow(story: Story):
    assert told(story.activity(0)) == [
        "0 +inactive never_active",
        "0 -inactive activity",
        "0 opened re-engager:m1:1 first_activity",
    ]


def test_the_first_activity_may_come_days_after_the_first_record(story: Story):
    story.profile(0)
    outputs = story.activity(10)
    assert told(outputs) == ["10 -inactive activity", "10 opened re-engager:m1:1 first_activity"]
    assert opened(outputs)[0].context == {
        "activity": "article.read",
        "inactive_since": "2026-01-05T10:00:00.000Z",
    }


def test_the_tag_is_added_at_the_last_activity_plus_after(story: Story):
    story.activity(0)
    story.activity(3.5)
    outputs = story.until(100)
    assert told(outputs) == ["10.5 +inactive inactive"]
    assert outputs[0].cause == "timer:inactive"


def test_a_gap_of_exactly_after_is_inactive(story: Story):
    story.activity(0)
    story.transfer(1)
    outputs = story.activity(7, type="reminder.created")
    assert told(outputs) == [
        "7 +inactive inactive",
        "7 -inactive activity",
        "7 opened re-engager:m1:2 returned",
    ]
    assert opened(outputs)[0].context == {
        "activity": "reminder.created",
        "inactive_since": "2026-01-12T10:00:00.000Z",
        "inactive_days": "7",
    }


def test_a_gap_one_millisecond_shorter_is_not(story: Story):
    story.activity(0)
    story.transfer(1)
    story.engine.move_time(days(7) - 1)
    assert told(story.activity(7 - 1 / 86_400_000)) == []


def test_inactive_days_are_whole_days(story: Story):
    story.activity(0)
    story.transfer(1)
    assert opened(story.activity(9.99))[0].context["inactive_days"] == "9"


@pytest.mark.parametrize("channel", ["WEB", "EMAIL", "SMS", "PHONE", "SYSTEM"])
def test_activity_on_another_channel_never_counts(story: Story, channel: str):
    assert told(story.activity(0, channel=channel)) == ["0 +inactive never_active"]
    story.activity(1)
    assert told(story.activity(5, channel=channel)) == []
    assert told(story.until(8)) == ["8 +inactive inactive"]


def test_activity_of_another_type_does_not_qualify(story: Story):
    story.activity(0)
    assert told(story.activity(5, type="profile.viewed")) == []
    assert told(story.until(7)) == ["7 +inactive inactive"]


def test_every_listed_channel_qualifies(make_story):
    story = make_story(re_engager(channels=frozenset({"APP", "PHONE"})))
    assert opened(story.activity(0, channel="PHONE"))


def test_without_the_tag_nothing_opens(story: Story):
    story.activity(0)
    story.transfer(0.5)
    assert told(story.activity(6.9)) == []


def test_nothing_opens_while_a_workflow_is_open_but_tag_and_timer_go_on(story: Story):
    story.activity(0)
    assert told(story.activity(8)) == ["7 +inactive inactive", "8 -inactive activity"]
    assert told(story.until(20)) == ["15 +inactive inactive"]


def test_openings_are_numbered_per_playbook(make_story):
    story = make_story(re_engager("a"), re_engager("b", tag="quiet", after=3))
    story.activity(0)
    story.transfer(1)
    assert told(story.activity(4)) == ["3 +quiet inactive", "4 -quiet activity", "4 opened b:m1:2 returned"]
    assert "20 opened a:m1:2 returned" in told(story.activity(20))


def test_outputs_name_the_playbook_its_version_and_the_cause(story: Story):
    output = story.activity(0, event_id="x")[0]
    assert (output.playbook, output.playbook_version, output.cause) == ("re-engager", "v1", "x")


@pytest.mark.parametrize(
    ("mode", "resolution"),
    [("MANUAL", "manually_transferred"), ("AUTOMATIC", "transferred"), (None, "transferred")],
)
def test_a_transfer_resolves_the_open_workflow(story: Story, mode: str | None, resolution: str):
    story.activity(0)
    outputs = story.transfer(1, mode=mode)
    assert told(outputs) == [f"1 resolved re-engager:m1:1 {resolution}"]
    assert outputs[0].opened_at == days(0)


@pytest.mark.parametrize("step", ["PROGRAM_ASSIGNED", "CANCELLED"])
def test_no_other_step_of_a_transfer_resolves_it(story: Story, step: str):
    story.activity(0)
    assert told(story.transfer(1, type=step)) == []


def test_a_transfer_without_open_workflow_resolves_nothing(story: Story):
    story.activity(0)
    story.transfer(1)
    assert told(story.transfer(2)) == []


def test_a_late_transfer_from_before_the_opening_does_not_resolve_it(story: Story):
    story.profile(0)
    story.activity(5)
    assert told(story.transfer(4, arrived=6)) == []


class TestLate:
    """Contract 5, "Late", and 8, "Late return"."""

    def test_an_activity_that_shows_the_tag_was_wrong_takes_it_off_and_opens_nothing(self, story: Story):
        story.activity(0)
        story.transfer(1)
        story.until(7)
        story.activity(8, channel="WEB")
        assert told(story.activity(3, arrived=9)) == ["8 -inactive late_activity"]
        assert told(story.until(20)) == ["10 +inactive inactive"]

    def test_after_a_gap_that_reached_the_limit_it_is_an_ordinary_return(self, story: Story):
        story.activity(0)
        story.transfer(1)
        story.activity(10, channel="WEB")
        outputs = story.activity(9, arrived=11)
        assert told(outputs) == ["10 -inactive activity", "10 opened re-engager:m1:2 returned"]
        assert opened(outputs)[0].context == {
            "activity": "article.read",
            "inactive_since": "2026-01-12T10:00:00.000Z",
            "inactive_days": "9",
        }
        assert told(story.until(20)) == ["16 +inactive inactive"]

    def test_with_no_activity_before_it_it_is_the_first(self, story: Story):
        story.profile(5)
        assert told(story.activity(2, arrived=6)) == [
            "5 -inactive activity",
            "5 opened re-engager:m1:1 first_activity",
        ]
        assert told(story.until(20)) == ["9 +inactive inactive"]

    def test_an_ordinary_return_whose_own_span_is_over_leaves_the_member_inactive_again(self, story: Story):
        story.activity(0)
        story.transfer(1)
        story.activity(30, channel="WEB")
        assert told(story.activity(8, arrived=31)) == [
            "30 -inactive activity",
            "30 opened re-engager:m1:2 returned",
            "30 +inactive inactive",
        ]

    def test_an_activity_that_explains_nothing_is_only_a_fact(self, story: Story):
        story.activity(0)
        story.transfer(1)
        story.activity(30, channel="WEB")
        assert told(story.activity(5, arrived=31)) == []
        assert story.member().hot.states["re-engager"].last_ms == days(5)
        assert opened(story.activity(35))[0].context["inactive_days"] == "30"

    def test_exactly_at_the_limit_the_tag_was_right(self, story: Story):
        story.activity(0)
        story.transfer(1)
        story.activity(10, channel="WEB")
        assert told(story.activity(3, arrived=11)) == []

    def test_an_activity_older_than_the_last_known_one_is_only_a_fact(self, story: Story):
        story.activity(0)
        story.activity(10)
        story.transfer(11)
        story.activity(20, channel="WEB")
        assert told(story.activity(9, arrived=21)) == []
        assert story.member().hot.states["re-engager"].last_ms == days(10)

    def test_without_the_tag_it_moves_the_timer_later_but_never_earlier(self, story: Story):
        story.activity(0)
        story.activity(4, channel="WEB")
        assert told(story.activity(3, arrived=4)) == []
        assert told(story.activity(2, arrived=4)) == []
        assert told(story.until(20)) == ["10 +inactive inactive"]

    def test_a_workflow_opened_on_a_wrong_tag_stays(self, story: Story):
        story.activity(0)
        story.transfer(1)
        story.activity(8)
        assert told(story.activity(5, arrived=9)) == []
        assert story.member().hot.workflows is not None

    def test_with_a_workflow_open_a_late_return_only_takes_the_tag_off(self, story: Story):
        story.activity(0)
        story.activity(10, channel="WEB")
        assert told(story.activity(9, arrived=11)) == ["10 -inactive activity"]
