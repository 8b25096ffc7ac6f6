"""What is said of a bad record."""

import pytest

from app.wire.bad_record import BadRecord, key_text, nearest_hint, shown


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("chanel", "; did you mean 'channel'?"),
        ("CHANNEL", "; did you mean 'channel'?"),
        ("Occured_At", "; did you mean 'occurred_at'?"),
        ("colour", ""),
        ("x" * 1_000_000, ""),
        ("", ""),
    ],
)
def test_the_nearest_known_name_is_told_if_any_is_near(name, hint):
    assert nearest_hint(name, ["channel", "occurred_at", "type"]) == hint


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("é", '"é"'),
        (None, "null"),
        (True, "true"),
        (1.5, "1.5"),
        ({"a": 1}, "an object"),
        ([1], "a list"),
        ("x" * 100, '"' + "x" * 79 + "..."),
    ],
)
def test_values_are_shown_as_json_has_them_and_cut(value, text):
    assert shown(value) == text


@pytest.mark.parametrize(
    ("key", "text"), [(None, None), (b"m1", "m1"), (b"", ""), (b"m\xff\x00", "m\\xff\x00")]
)
def test_a_key_is_text_whatever_its_bytes(key, text):
    assert key_text(key) == text


def test_a_null_value_gives_a_dead_letter_without_bytes():
    letter = BadRecord("undecodable", "the value is null").dead_letter("activity", 0, 1, None, None)
    assert (letter.key, letter.raw, letter.occurred_at) == (None, None, None)
