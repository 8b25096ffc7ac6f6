"""A demo's outputs are held against those of `simulate`."""

import msgspec
import pytest

from app.playbooks.loader import load_playbooks
from app.tools.demo.outputs import difference
from app.tools.demo.script import Character, Event, deliveries, in_app
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
