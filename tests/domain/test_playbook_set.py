from app.domain.events import Activity, TransferEvent
from app.domain.playbook_set import PlaybookSet
from tests.domain.conftest import days, re_engager


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


def test_the_hash_is_the_same_in_every_process():
    assert PlaybookSet([re_engager("a")]).hash == "b3a125b72c54"
