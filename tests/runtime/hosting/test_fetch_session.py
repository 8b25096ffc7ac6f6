"""A fetch session: what is asked and told again, and what an answer that says nothing of a log means."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.protocol.fetch import FetchRequest

from app.runtime.hosting.fetch_session import LAST_EPOCH, SESSION_NOT_FOUND, End, FetchSession

A, B = TopicPartition("a", 0), TopicPartition("b", 1)
MAX_BYTES = 1_000
EPOCH_INVALID = 71


class Broker:
    """What a broker would answer, told by hand; keeps what it was asked."""

    def __init__(self, session: FetchSession, version: int = 11) -> None:
        self.session = session
        self.version = version
        self.asked: Any = None

    def fetch(self, wanted: dict[TopicPartition, int], *told: tuple[Any, ...], **answer: Any) -> None:
        """One fetch. `told`: (where, highwater, lso, error, records) of each log that the answer names."""
        self.send(wanted)
        self.answer(*told, **answer)

    def send(self, wanted: dict[TopicPartition, int]) -> None:
        plain = FetchRequest(50, 1, MAX_BYTES, 1, _by_topic(wanted))
        self.request = self.session.ask(plain)
        self.asked = self.request.prepare({1: (4, self.version)})

    def answer(self, *told: tuple[Any, ...], session_id: int = 7, error_code: int = 0) -> None:
        topics = [
            (where.topic, [(where.partition, error, highwater, lso, 0, [], -1, records)])
            for where, highwater, lso, error, records in told
        ]
        response = SimpleNamespace(topics=topics, session_id=session_id, error_code=error_code)
        self.asked.RESPONSE_TYPE._response_type = SimpleNamespace(decode=lambda _data: response)
        assert self.asked.RESPONSE_TYPE.decode(b"") is response

    @property
    def number(self) -> tuple[int, int]:
        return self.asked.session_id, self.asked.session_epoch

    @property
    def named(self) -> dict[TopicPartition, int]:
        """Offset by log, of those that the last request named."""
        return {
            TopicPartition(topic, partition): offset
            for topic, partitions in self.asked.topics
            for partition, _epoch, offset, _start, _most in partitions
        }


def _by_topic(wanted: dict[TopicPartition, int]) -> list[tuple[str, list[tuple[int, int, int]]]]:
    return [(where.topic, [(where.partition, offset, 100)]) for where, offset in wanted.items()]


def told(
    where: TopicPartition, end: int, *, lso: int | None = None, error: int = 0, records: bytes = b""
) -> Any:
    return where, end, end if lso is None else lso, error, records


@pytest.fixture
def broker() -> Broker:
    """With both logs at their ends, 5 and 9, in a session."""
    broker = Broker(FetchSession())
    broker.fetch({A: 5, B: 9}, told(A, 5), told(B, 9))
    return broker


class TestAsking:
    def test_the_first_request_names_everything_and_begins_a_session(self, broker: Broker):
        assert broker.named == {A: 5, B: 9}
        assert broker.number == (0, 0)

    def test_the_next_names_what_is_wanted_from_another_offset(self, broker: Broker):
        broker.fetch({A: 5, B: 9})
        assert (broker.named, broker.number) == ({}, (7, 1))
        broker.fetch({A: 6, B: 9})
        assert (broker.named, broker.number) == ({A: 6}, (7, 2))

    def test_all_that_is_wanted_can_be_looked_up_in_it(self, broker: Broker):
        broker.send({A: 6, B: 9})
        assert broker.request.topics == _by_topic({A: 6, B: 9})

    def test_what_is_not_wanted_any_more_is_named_once_as_forgotten_and_anew_when_it_is(self, broker: Broker):
        broker.fetch({B: 9})
        assert broker.asked.forgotten_topics_data == [("a", [0])]
        broker.fetch({B: 9})
        assert broker.asked.forgotten_topics_data == []
        broker.fetch({A: 5, B: 9})
        assert broker.named == {A: 5}

    def test_the_epochs_begin_again_behind_the_last(self, broker: Broker):
        broker.session._epoch = LAST_EPOCH
        broker.fetch({A: 5, B: 9})
        broker.fetch({A: 5, B: 9})
        assert broker.number == (7, 1)

    @pytest.mark.parametrize(("error", "number"), [(SESSION_NOT_FOUND, (0, 0)), (EPOCH_INVALID, (7, 0))])
    def test_a_session_that_is_refused_is_begun_anew_with_everything(self, broker, error, number):
        broker.fetch({A: 5, B: 9}, error_code=error)
        assert broker.session.ends() == {}
        broker.send({A: 5, B: 9})
        assert (broker.named, broker.number) == ({A: 5, B: 9}, number)

    def test_so_it_is_after_an_answer_that_never_came(self, broker: Broker):
        broker.send({A: 5, B: 9})
        broker.session.lost()
        assert broker.session.ends() == {}
        broker.send({A: 5, B: 9})
        assert (broker.named, broker.number) == ({A: 5, B: 9}, (7, 0))

    def test_an_answer_that_came_is_not_lost(self, broker: Broker):
        broker.fetch({A: 5, B: 9})
        broker.session.lost()
        broker.fetch({A: 5, B: 9})
        assert broker.number == (7, 2)

    @pytest.mark.parametrize(("version", "session_id"), [(11, 0), (6, 0)])
    def test_a_broker_without_sessions_is_asked_for_everything_each_time(self, version, session_id):
        broker = Broker(FetchSession(), version)
        for _ in range(2):
            broker.fetch({A: 5, B: 9}, told(A, 5), told(B, 9), session_id=session_id)
            assert [topic for topic, _ in broker.asked.topics] == ["a", "b"]
            assert broker.session.ends() == {A: End(5, 5), B: End(9, 9)}


class TestEnds:
    def test_a_log_that_an_answer_does_not_name_ends_where_it_did(self, broker: Broker):
        broker.fetch({A: 5, B: 9}, told(A, 8, lso=6, records=b"r"))
        assert broker.session.ends() == {A: End(8, 6), B: End(9, 9)}

    def test_one_with_an_error_has_no_end_until_it_is_told_again(self, broker: Broker):
        broker.fetch({A: 5, B: 9}, told(A, -1, error=6))
        assert broker.session.ends() == {B: End(9, 9)}
        broker.fetch({A: 5, B: 9}, told(A, 5))
        assert broker.session.ends() == {A: End(5, 5), B: End(9, 9)}

    def test_one_that_is_forgotten_has_none(self, broker: Broker):
        broker.fetch({B: 9})
        assert broker.session.ends() == {B: End(9, 9)}

    def test_an_answer_that_may_be_full_says_nothing_of_what_it_does_not_name(self, broker: Broker):
        broker.fetch({A: 5, B: 9}, told(A, 8, records=b"r" * (MAX_BYTES // 2 + 1)))
        assert broker.session.ends() == {A: End(8, 8)}
        broker.fetch({A: 8, B: 9})
        assert broker.session.ends() == {A: End(8, 8), B: End(9, 9)}
