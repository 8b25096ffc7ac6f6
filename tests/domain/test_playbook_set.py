from app.domain.events import Activity, TransferEvent
from app.domain.playbook_set import PlaybookSet
from app.domain.scores import UNCLAMPED, Clamp, ScoreChange
from tests.domain.conftest import days, re_engager
from tests.domain.scoring import on_score, points, policy, rule


def activity(activity_type: str) -> Activity:
    return Activity(event_id="e", member_id="m", occurred_at=days(0), type=activity_type, channel="APP")


def test_only_playbooks_that_listen_to_a_record_are_asked():
    one = re_engager("a", activities=frozenset({"x.y"}))
    two = re_engager("b", tag="t", activities=frozenset({"x.y", "x.z"}))
    playbooks = PlaybookSet([two, one])

    def asked(record):
        return [reaction.__self__.name for reaction in playbooks.reactions(record)]

    assert asked(activity("x.y")) == ["a", "b"]
    assert asked(activity("x.z")) == ["b"]
    assert asked(activity("other")) == []
    transfer = TransferEvent(event_id="e", member_id="m", occurred_at=days(0), type="TRANSFERRED")
    assert asked(transfer) == ["a", "b"]


def test_the_hash_does_not_depend_on_the_order_given():
    one, two = re_engager("a"), re_engager("b", tag="t")
    assert PlaybookSet([one, two]).hash == PlaybookSet([two, one]).hash


def test_the_hash_changes_with_any_version_or_name():
    hashes = {
        PlaybookSet(playbooks).hash
        for playbooks in (
            [],
            [re_engager("a")],
            [re_engager("b")],
            [re_engager("a", version="v2")],
            [re_engager("a"), re_engager("b")],
        )
    }
    assert len(hashes) == 5


def test_the_policy_is_part_of_the_hash():
    assert PlaybookSet([], policy(caps={"1d": 1})).hash != PlaybookSet([], policy()).hash


def test_of_a_score_only_those_are_asked_that_listen_to_it():
    one, two = on_score("a"), on_score("b", score="other")
    earning = points("c", decay={"points": 1, "every": "1d"})
    playbooks = PlaybookSet([two, one, earning])

    def asked(score):
        change = ScoreChange(score, None, 5, 0)
        return [reaction.__self__.name for reaction in playbooks.score_reactions(change)]

    assert (asked("engagement"), asked("other"), asked("third")) == (["c", "a"], ["b"], [])


def test_clamps_are_known_by_score():
    playbooks = PlaybookSet([points(floor=0, ceiling=9), points("other", rules=[rule()])])
    assert playbooks.clamp("engagement") == Clamp(0, 9)
    assert playbooks.clamp("other") == UNCLAMPED


def test_the_hash_is_the_same_in_every_process():
    assert PlaybookSet([re_engager("a")]).hash == "54ff74e3b725"
