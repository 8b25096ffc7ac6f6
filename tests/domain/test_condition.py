"""The eight conditions of contract 6.2, and several together."""

import pytest

from app.domain.condition import together
from app.playbooks.words import parse_condition

EMPTY, BELOW, EQUAL, ABOVE = None, 19, 20, 21

TABLE = {
    "= 20": {EQUAL},
    "!= 20": {BELOW, ABOVE},
    "> 20": {ABOVE},
    ">= 20": {EQUAL, ABOVE},
    "< 20": {BELOW},
    "<= 20": {BELOW, EQUAL},
    "is empty": {EMPTY},
    "is not empty": {BELOW, EQUAL, ABOVE},
}


@pytest.mark.parametrize("value", [EMPTY, BELOW, EQUAL, ABOVE])
@pytest.mark.parametrize("when", TABLE)
def test_an_empty_score_satisfies_only_is_empty_and_a_number_what_its_operator_says(when, value):
    assert parse_condition(when).holds(value) is (value in TABLE[when])


@pytest.mark.parametrize("one", TABLE)
@pytest.mark.parametrize("two", TABLE)
def test_of_several_all_must_hold(one, two):
    both = together([parse_condition(one), parse_condition(two)])
    for value in (EMPTY, BELOW, EQUAL, ABOVE):
        assert both.holds(value) is (value in TABLE[one] and value in TABLE[two])
    assert both.shown == f"{one} and {two}"


@pytest.mark.parametrize(
    ("conditions", "possible"),
    [
        (["> 5", "< 6"], False),
        (["> 5", "< 7"], True),
        ([">= 5", "<= 6", "!= 5", "!= 6"], False),
        ([">= 5", "<= 6", "!= 5"], True),
        (["is empty", "is not empty"], False),
        (["is empty", "< 20"], False),
        (["is empty", "is empty"], True),
        (["!= 1", "!= 2"], True),
    ],
)
def test_conditions_that_exclude_each_other_are_known(conditions, possible):
    single = [parse_condition(condition) for condition in conditions]
    assert together(single).is_possible is possible
