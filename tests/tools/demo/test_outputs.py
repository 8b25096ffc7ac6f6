"""A demo's outputs are held against those of `simulate`."""

import msgspec
import pytest

from app.playbooks.loader import load_playbooks
from app.tools.demo.outputs import answers, difference
from app.tools.demo.script import Character, Event, Pool, deliveries, in_app, sets_up
from app.tools.simulate import simulate

ANA = Character(
    "ana",
    "Ana",
    "is here",
    (
        in_app("article.read", "Jan 05 10:00"),
        Event("Jan 06 10:00", "activity", {"type": "article.read", "channel": "WATCH"}, readable=False),
    ),
)


@pytest.fixture
def expected():
    return simulate([delivery.line for delivery in deliveries([ANA])], load_playbooks(None))


def test_the_same_outputs_in_another_order_are_no_difference(expected):
    assert difference(expected, [*expected.dead_letters, *reversed(expected.outputs)]) is None


def test_pages_of_members_are_not_compared(expected):
    came = [*expected.outputs, *expected.dead_letters, *expected.snapshots, *expected.snapshots]
    assert difference(expected, came) is None


def test_a_missing_output_is_named(expected):
    said = difference(expected, [*expected.outputs[:-1], *expected.dead_letters])
    assert said == f"differing or not expected: none; missing: {expected.outputs[-1].event_id}"


def test_an_output_that_differs_in_one_field_is_named(expected):
    first = msgspec.structs.replace(expected.outputs[0], cause="somebody else")
    said = difference(expected, [first, *expected.outputs[1:], *expected.dead_letters])
    assert said == f"differing or not expected: {first.event_id}; missing: none"


def test_a_dead_letter_too_few_is_told(expected):
    assert difference(expected, expected.outputs) == "0 dead letters, 1 expected"


def test_the_answers_to_a_request_and_those_of_a_reset_are_awaited_where_the_desk_hears_of_them():
    bo = Character("bo", "Bo", "was first", (sets_up("Jan 05 10:00"), in_app(at="Jan 05 11:00")))
    cy = Character("cy", "Cy", "waits", (in_app(at="Jan 05 09:00"), sets_up("Jan 05 10:01")))
    sent = deliveries([bo, cy], [Pool("default", (("Jan 05 08:00", 1), ("Jan 06 08:00", 1)))])
    simulated = simulate([delivery.line for delivery in sent], load_playbooks(None))
    by_cause = {}
    for output in simulated.outputs:
        by_cause.setdefault(output.cause, set()).add(output.event_id)
    assert by_cause.keys() == {"bo-1", "bo-2", "cy-1", "cy-2", "timer:reset"}
    assert answers(simulated, sent) == {
        "bo-1": by_cause["bo-1"],
        "cy-2": by_cause["cy-2"],
        "default-2": by_cause["timer:reset"],
    }
