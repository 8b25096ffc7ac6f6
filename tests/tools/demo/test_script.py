"""A story's events become lines in the order in which they reach Kafka."""

import json

from app.tools.demo.script import Character, Event, Pool, deliveries, every, in_app, instant_ms, signs_up


def story(*events):
    return [Character("ana", "Ana", "is here", events)]


def test_an_instant_is_of_the_year_2026_in_utc():
    assert instant_ms("Jan 05 10:00") == 1_767_607_200_000


def test_every_repeats_an_event_at_its_time_of_day_up_to_and_including_the_last():
    events = every(3, "Feb 26 18:00", "Mar 04 18:00", in_app())
    assert [event.at for event in events] == ["Feb 26 18:00", "Mar 01 18:00", "Mar 04 18:00"]


def test_the_nth_event_of_a_character_has_the_id_n():
    sent = deliveries(story(signs_up("Jan 05 08:00", "a@example.org"), in_app(at="Jan 06 08:00")))
    assert [delivery.fields["event_id"] for delivery in sent] == ["ana-1", "ana-2"]


def test_an_event_delivered_twice_is_two_lines_with_one_id():
    event = Event("Jan 05 08:00", "activity", delivered=("Jan 05 08:00", "Jan 05 08:02"))
    first, second = deliveries(story(event))
    assert first.fields == second.fields
    assert first.arrived_ms < second.arrived_ms


def test_a_late_event_stands_where_it_arrived_and_keeps_its_instant():
    late = Event("Jan 05 08:00", "activity", delivered=("Jan 09 08:00",))
    sent = deliveries(story(late, in_app(at="Jan 06 08:00")))
    assert [delivery.fields["event_id"] for delivery in sent] == ["ana-2", "ana-1"]
    assert json.loads(sent[1].line) == {
        "topic": "activity",
        "arrived_at": "2026-01-09T08:00:00.000Z",
        "event_id": "ana-1",
        "member_id": "ana",
        "occurred_at": "2026-01-05T08:00:00.000Z",
    }


def test_a_pools_capacity_is_told_among_the_events_under_the_pools_key():
    first, second = deliveries(story(in_app(at="Jan 06 08:00")), [Pool("berlin", (("Jan 05 08:00", 3),))])
    assert (first.topic, first.key) == ("capacity", "berlin")
    assert first.fields["event_id"] == "berlin-1"
    assert (first.fields["pool"], first.fields["slots_per_day"]) == ("berlin", 3)
    assert second.key == "ana"
