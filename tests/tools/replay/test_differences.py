"""Comparing outputs: what is the same, what is told differently, what is on one side only."""

from msgspec.structs import replace

from app.domain.outputs import Nudge, TagChanged, WorkflowOpened
from app.tools.replay.differences import Change, compare, describe

HOUR_MS = 3_600_000


def tag(number, at_ms=0, name="inactive", action="ADDED", reason="inactive"):
    return TagChanged(
        event_id=f"m/{number}",
        sequence=number,
        member_id="m",
        occurred_at=at_ms,
        playbook="re-engager",
        playbook_version="old",
        cause="timer:inactive",
        tag=name,
        action=action,
        reason=reason,
    )


def opened(number, at_ms=0):
    return WorkflowOpened(
        event_id=f"m/{number}",
        sequence=number,
        member_id="m",
        occurred_at=at_ms,
        playbook="re-engager",
        cause="e1",
        workflow_id=f"re-engager:m:{number}",
        kind="reengager",
        reason="returned",
        context={"inactive_days": "9", "activity": "article.read"},
    )


def test_numbers_and_versions_count_only_where_every_byte_does():
    live, replayed = [tag(1)], [replace(tag(2), playbook_version="new")]
    assert compare(live, replayed, strict=False) == (1, [])
    same, (difference,) = compare(live, replayed, strict=True)
    assert (same, difference.change) == (0, Change.DIFFERENT)
    assert difference.fields == ("event_id", "sequence", "playbook_version")


def test_of_one_instant_the_same_tag_is_told_differently_another_is_another():
    same, differences = compare(
        [tag(1), tag(2, name="vip")], [tag(1, reason="never_active"), tag(2, name="new")], strict=False
    )
    assert same == 0
    assert [(each.change, each.record.tag) for each in differences] == [
        (Change.DIFFERENT, "inactive"),
        (Change.ONLY_IN_LIVE, "vip"),
        (Change.ONLY_IN_REPLAY, "new"),
    ]
    assert differences[0].reason == "reason: live inactive, replay never_active"


def test_several_equal_ones_of_one_instant_are_counted_each():
    same, differences = compare([tag(1), tag(2)], [tag(1), tag(2), tag(3)], strict=False)
    assert (same, [each.change for each in differences]) == (2, [Change.ONLY_IN_REPLAY])


def test_what_moved_is_on_both_lists_with_how_far_the_nearest_is():
    _, differences = compare([opened(1, 0)], [opened(1, 30 * HOUR_MS)], strict=False)
    reasons = [each.reason for each in differences]
    told = "returned, activity article.read, inactive_days 9"
    assert reasons == [
        f"{told}; the replay has its nearest 1d 6h later",
        f"{told}; live has its nearest 1d 6h earlier",
    ]


def test_nothing_on_the_other_side_is_said_so():
    _, (difference,) = compare([], [opened(1)], strict=False)
    assert difference.reason.endswith("; live has none for this member")


def test_a_nudge_is_told_by_template_recipient_and_channel():
    nudge = Nudge(
        event_id="m/1",
        sequence=1,
        member_id="m",
        occurred_at=0,
        cause="e",
        nudge_id="n",
        recipient_role="MEMBER",
        recipient_id="m",
        channel="EMAIL",
        template="reward",
    )
    assert describe(nudge) == "reward to MEMBER by EMAIL"
