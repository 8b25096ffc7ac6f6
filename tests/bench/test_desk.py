"""The events of the desk's bench: each request is that of a member who came before and has a workflow to resolve."""

from app.playbooks.loader import load_playbooks
from bench.desk import ASKS_EVERY, _events, write_playbook


def test_one_event_of_ten_completes_the_set_up_of_a_member_who_came_before():
    seen, asked = set(), []
    for make in _events(0, 500):
        event = make()
        if event.type == "setup.completed":
            assert event.member_id in seen
            asked.append(event.member_id)
        else:
            assert event.member_id not in seen
            seen.add(event.member_id)
    assert len(asked) == len(set(asked)) == 500 // ASKS_EVERY


def test_events_go_on_where_others_stopped():
    ids = [make().event_id for make in [*_events(0, 25), *_events(25, 25)]]
    assert ids == [make().event_id for make in _events(0, 50)]
    assert len(set(ids)) == 50


def test_the_playbook_has_the_slots_that_are_asked_for(tmp_path):
    (playbook,) = load_playbooks(write_playbook(tmp_path / "playbooks", 12)).playbooks
    assert playbook.transfer.settings.slots_per_day == 12
