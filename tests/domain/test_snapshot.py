"""When a member-snapshot is written, and what stands on it (contract 4)."""

from typing import Any

import pytest

from app.domain.instants import DAY_MS
from app.domain.members import MemberCore
from app.domain.outputs import MemberSnapshot, TransferView, WorkflowView
from app.domain.playbook_set import PlaybookSet
from app.domain.setup import SetUpRules
from app.domain.sink import SamePage
from app.domain.snapshot import keep_rest, page
from tests.domain.conftest import Story, days, re_engager, told
from tests.domain.scoring import on_score

SECOND = 1000 / DAY_MS


def snapshots(outputs):
    return [output for output in outputs if isinstance(output, MemberSnapshot)]


def test_a_changed_tag_or_workflow_is_written_at_once_after_all_else_of_the_record(story: Story):
    story.activity(0)
    assert told(story.transfer(SECOND), snapshots=True)[-1].endswith("member-snapshot")
    assert len(snapshots(story.outputs)) == 2


def test_anything_else_is_written_at_once_when_the_last_one_is_5_s_old(story: Story):
    story.activity(0)
    outputs = story.activity(5 * SECOND)
    assert [output.occurred_at for output in snapshots(outputs)] == [days(0) + 5000]


def test_and_else_5_s_after_the_last_one_by_a_timer_that_makes_no_other_output(story: Story):
    story.activity(0)
    assert story.activity(2 * SECOND) == []
    assert story.activity(4 * SECOND) == []
    outputs = story.until(1)
    assert [(type(output), output.occurred_at) for output in outputs] == [(MemberSnapshot, days(0) + 5000)]
    assert outputs[0].last_in_app_activity == days(0) + 4000


def test_a_timer_waiting_is_overtaken_by_what_is_written_at_once(story: Story):
    story.activity(0)
    story.activity(2 * SECOND)
    assert len(snapshots(story.transfer(3 * SECOND))) == 1
    assert story.until(1) == []


def test_what_does_not_stand_on_the_page_writes_nothing(story: Story):
    story.activity(0)
    assert story.activity(1, channel="WEB") == []
    assert story.profile(2, email="a@example.com") == []


def test_a_member_has_a_page_from_the_first_record_on_whatever_the_playbooks(make_story):
    story = make_story(re_engager(activities=frozenset({"x.y"})))
    assert len(snapshots(story.profile(0))) == 1


def test_the_page_shows_tags_and_since_when_the_member_is_inactive(story: Story):
    page = snapshots(story.profile(0))[0]
    assert (page.member_id, page.tags, page.inactive_since) == ("m1", ["inactive"], days(0))
    page = snapshots(story.activity(1))[0]
    assert (page.tags, page.inactive_since, page.last_in_app_activity) == ([], None, days(1))


def test_the_page_shows_the_open_workflows_in_the_order_of_opening(make_story):
    story = make_story(re_engager("a"), re_engager("b", tag="quiet", after=3))
    story.activity(0)
    story.command(1, workflow_id="a:m1:1")
    page = snapshots(story.activity(20))[-1]
    assert page.workflows == [
        WorkflowView(workflow_id="b:m1:1", kind="reengager", reason="first_activity", opened_at=days(0)),
        WorkflowView(workflow_id="a:m1:2", kind="reengager", reason="returned", opened_at=days(20)),
    ]


def test_with_several_re_engagers_the_longest_inactivity_is_shown(make_story):
    story = make_story(re_engager("a"), re_engager("b", tag="quiet", after=3))
    story.activity(0)
    assert [page.inactive_since for page in snapshots(story.until(9))] == [days(3), days(3)]


@pytest.mark.parametrize("field", ["owner_id", "coach_id", "company_id", "location_id"])
def test_the_page_shows_who_the_profile_says_is_responsible(story: Story, field: str):
    story.profile(0)
    outputs = story.profile(1, **{field: "x"})
    assert getattr(snapshots(outputs)[0], field) == "x"
    assert story.profile(2, **{field: "x"}) == []


def test_in_app_activity_of_any_type_is_shown(story: Story):
    story.profile(0)
    page = snapshots(story.activity(1, type="profile.viewed"))[0]
    assert page.last_in_app_activity == days(1)


class TestRest:
    """What is left with a member of a page that was written, for those that differ in nothing else."""

    @pytest.fixture
    def kept(self, story: Story) -> Story:
        story.activity(0)
        self.keep(story)
        return story

    @staticmethod
    def keep(story: Story) -> None:
        member = story.member()
        keep_rest(member, page(member), b"rest")

    def test_a_page_with_nothing_new_but_the_last_activity_is_the_same(self, kept: Story):
        assert kept.activity(1) == [SamePage("m1", days(1), days(1), b"rest")]
        assert kept.activity(2) == [SamePage("m1", days(2), days(2), b"rest")]

    def test_one_with_anything_else_is_whole_and_so_is_the_next_until_its_rest_is_kept(self, kept: Story):
        (changed,) = snapshots(kept.profile(1, owner_id="o1"))
        assert (changed.owner_id, changed.last_in_app_activity) == ("o1", days(0))
        assert snapshots(kept.activity(2))[0].owner_id == "o1"
        self.keep(kept)
        assert kept.activity(3) == [SamePage("m1", days(3), days(3), b"rest")]

    def test_one_that_has_waited_is_whole(self, kept: Story):
        """What changed while it waited may have been put off with it."""
        kept.activity(1)
        assert kept.profile(1 + SECOND, owner_id="o1") == []
        assert [each.owner_id for each in snapshots(kept.until(1.5))] == ["o1"]

    def test_a_rest_kept_after_a_change_that_is_not_written_yet_is_not_used(self, kept: Story):
        kept.activity(1)
        kept.profile(1 + SECOND, owner_id="o1")
        self.keep(kept)
        assert [each.owner_id for each in snapshots(kept.activity(2))] == ["o1", "o1"]

    def test_a_member_who_was_forgotten_has_none(self, kept: Story):
        kept.command(1, type="FORGET_MEMBER")
        assert kept.member().page_rest is None

    @pytest.mark.parametrize("shown", ["engagements", "pending_nudges"])
    def test_of_what_time_alone_changes_none_is_kept(self, kept: Story, shown: str):
        member = kept.member()
        keep_rest(member, MemberSnapshot(member_id="m1", occurred_at=0, **{shown: [object()]}), b"rest")
        assert member.page_rest is None


class TestTransfer:
    def test_one_is_pending_for_every_member_of_a_re_engager(self, story: Story):
        assert shown(story.profile(0)) == TransferView(state="PENDING")

    def test_where_there_is_no_re_engager_none_is(self, make_story):
        assert shown(make_story(on_score()).profile(0)) == TransferView(state="NONE")

    def test_pool_and_program_are_shown_once_they_are_known(self, story: Story):
        outputs = story.transfer(0, type="PROGRAM_ASSIGNED", pool="west", program="yoga")
        assert shown(outputs) == TransferView(state="PENDING", pool="west", program="yoga")

    def test_with_several_re_engagers_the_first_by_name_is_shown(self, make_story):
        without = re_engager("a", tag="a", setup=SetUpRules(completed_by=frozenset()))
        story = make_story(re_engager("b", tag="b"), without)
        assert shown(story.activity(0, type="setup.completed")).state == "PENDING"


def shown(outputs) -> TransferView:
    return snapshots(outputs)[-1].transfer


@pytest.mark.parametrize("others", [[], [re_engager("other", tag="quiet")]], ids=["none", "another"])
def test_set_up_and_transfer_of_a_re_engager_that_is_gone_leave_the_page(others: list[Any]):
    story = Story(re_engager())
    story.activity(0)
    story.activity(1, type="setup.completed")
    story.transfer(2)
    outputs = change(story, on_score("p"), *others)
    (written,) = snapshots(outputs)
    assert told(outputs) == []
    assert (written.setup_completed_at, written.transfer.state) == (None, "PENDING" if others else "NONE")


def test_a_re_engager_added_later_has_a_transfer_pending():
    story = Story(on_score("p"))
    story.activity(0)
    assert snapshots(story.outputs)[-1].transfer.state == "NONE"
    (written,) = snapshots(change(story, on_score("p"), re_engager()))
    assert written.transfer.state == "PENDING"


def change(story: Story, *playbooks: Any) -> list[Any]:
    story.engine.core = story.core = MemberCore(PlaybookSet(playbooks))
    story.engine.rearm(story.member())
    return story._take()
