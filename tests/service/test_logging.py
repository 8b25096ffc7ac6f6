"""What of other people's logs reaches ours: each entry once in a while, with how often it came."""

import logging

import pytest

from app.service import logging as module
from app.service.logging import REPEAT_AFTER_S, Sparing


def entry(name: str, at_s: float, text: str = "away", *arguments: object) -> logging.LogRecord:
    record = logging.LogRecord(name, logging.ERROR, "", 0, text, arguments, None)
    record.created = at_s
    return record


def heard(sparing: Sparing, *entries: logging.LogRecord) -> list[str]:
    return [each.getMessage() for each in entries if sparing.filter(each)]


def test_the_same_words_of_kafkas_client_are_heard_again_when_some_time_has_passed():
    entries = [entry("aiokafka.client", 100 + second) for second in range(int(REPEAT_AFTER_S) + 1)]
    assert heard(Sparing(), *entries) == [
        "away",
        f"away ({int(REPEAT_AFTER_S) - 1} more since the last time)",
    ]


def test_other_words_are_heard_at_once():
    entries = [entry("aiokafka", 100, "node %d is away", node) for node in (1, 2, 1)]
    assert heard(Sparing(), *entries) == ["node 1 is away", "node 2 is away"]


def test_so_are_those_of_our_fetching():
    words = ["%s-%d cannot be fetched: %s", "activity", 1, "NotLeaderForPartitionError"]
    entries = [entry("app.runtime.hosting.fetching", 100 + second / 10, *words) for second in range(20)]
    assert heard(Sparing(), *entries) == ["activity-1 cannot be fetched: NotLeaderForPartitionError"]


def test_our_other_entries_are_all_heard():
    assert heard(Sparing(), *[entry("app.runtime.intake", 100)] * 3) == ["away"] * 3


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "_MOST_WORDS", 3)
    sparing = Sparing()
    heard(sparing, *(entry("aiokafka", 100, str(number)) for number in range(100)))
    assert len(sparing._heard) <= 3
