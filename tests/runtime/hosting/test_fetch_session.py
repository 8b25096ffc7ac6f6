"""A fetch session: what is asked and told again, and what an answer that says nothing of a log means."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import IncompatibleBrokerVersion

from app.runtime.hosting.fetch_session import LAST_EPOCH, SESSION_NOT_FOUND, Answer, FetchSession, Told

A, B = TopicPartition("a", 0), TopicPartition("b", 1)
MAX_BYTES = 1_000
EPOCH_INVALID = 71


class Broker:
    """What a broker would answer, told by hand; keeps what it was asked."""

    def __init__(self, session: FetchSession, version: int = 11) -> None:
        self.session = session
        self.version = version
        self.asked: Any = None

    def fetch(self, *told: tuple[Any, ...], **answer: Any) -> Answer:
        """One fetch. `told`: (where, error, highwater, lso, aborted, records) of each log that the answer names."""
        self.send()
        return self.answer(*told, **answer)

    def send(self) -> None:
        self.request = self.session.ask(50, 100, MAX_BYTES)
        self.asked = self.request.prepare({1: (4, self.version)})

    def answer(
        self, *told: Told, session_id: int = 7, error_code: int = 0, throttle_time_ms: int = 0
    ) -> Answer:
        topics = [
            (
                each.where.topic,
                [
                    (
                        each.where.partition,
                        each.error,
                        each.highwater,
                        each.lso,
                        0,
                        each.aborted,
                        each.records,
                    )
                ],
            )
            for each in told
        ]
        response = SimpleNamespace(
            topics=topics, session_id=session_id, error_code=error_code, throttle_time_ms=throttle_time_ms
        )
        return self.session.answered(self.request, response)

    @property
    def number(self) -> tuple[int, int]:
        return self.asked.session_id, self.asked.session_epoch

    @property
    def named(self) -> dict[TopicPartition, int]:
        """Offset by log, of those that the last request named."""
        offset_at = 2 if self.version >= 9 else 1
        return {
            TopicPartition(topic, log[0]): log[offset_at] for topic, logs in self.asked.topics for log in logs
        }

    @property
    def forgotten(self) -> list[TopicPartition]:
        return [
            TopicPartition(topic, each) for topic, logs in self.asked.forgotten_topics_data for each in logs
        ]


def told(where: TopicPartition, end: int, *, error: int = 0, records: bytes = b"") -> Told:
    return Told(where, error, end, end, None, records)


@pytest.fixture
def broker() -> Broker:
    """With both logs at their ends, 5 and 9, in a session."""
    broker = Broker(FetchSession())
    broker.session.want(A, 5)
    broker.session.want(B, 9)
    broker.fetch(told(A, 5), told(B, 9))
    return broker


class TestAsking:
    def test_the_first_request_names_everything_and_begins_a_session(self, broker: Broker):
        assert broker.named == {A: 5, B: 9}
        assert broker.number == (0, 0)

    @pytest.mark.parametrize("version", [7, 8, 9, 10, 11])
    def test_every_version_with_sessions_is_spoken(self, version: int):
        broker = Broker(FetchSession(), version)
        broker.session.want(A, 5)
        assert broker.fetch(told(A, 5)) == Answer([told(A, 5)], complete=True)
        assert (broker.named, broker.number) == ({A: 5}, (0, 0))
        broker.session.move(A, 6)
        broker.send()
        assert (broker.named, broker.number) == ({A: 6}, (7, 1))
        assert (broker.asked.isolation_level, broker.asked.max_wait_time, broker.asked.max_bytes) == (
            1,
            50,
            MAX_BYTES,
        )
        assert broker.asked.encode()

    def test_only_a_leader_is_asked(self):
        """From version 11 on a follower would answer too, which may be behind."""
        broker = Broker(FetchSession(), 17)
        broker.session.want(A, 5)
        broker.send()
        assert broker.asked.API_VERSION == 10

    def test_a_broker_before_them_is_refused(self):
        broker = Broker(FetchSession(), 6)
        with pytest.raises(IncompatibleBrokerVersion):
            broker.send()

    def test_the_next_names_what_is_wanted_from_another_offset(self, broker: Broker):
        broker.fetch()
        assert (broker.named, broker.number) == ({}, (7, 1))
        broker.session.move(A, 6)
        broker.fetch()
        assert (broker.named, broker.number) == ({A: 6}, (7, 2))
        broker.fetch()
        assert (broker.named, broker.number) == ({}, (7, 3))

    def test_what_is_not_wanted_any_more_is_named_once_as_forgotten_and_anew_when_it_is(self, broker: Broker):
        broker.session.drop(A)
        broker.fetch()
        assert (broker.named, broker.forgotten) == ({}, [A])
        broker.fetch()
        assert (broker.named, broker.forgotten) == ({}, [])
        broker.session.want(A, 5)
        broker.fetch()
        assert broker.named == {A: 5}

    def test_what_is_wanted_anew_at_once_is_forgotten_first(self, broker: Broker):
        """Else the broker would not tell where it ends unless that has changed."""
        broker.session.drop(A)
        broker.session.want(A, 3)
        broker.fetch()
        assert (broker.named, broker.forgotten) == ({}, [A])
        broker.fetch()
        assert (broker.named, broker.forgotten) == ({A: 3}, [])

    def test_what_was_wanted_and_dropped_before_it_was_asked_for_is_not_named(self):
        broker = Broker(FetchSession())
        broker.session.want(A, 5)
        broker.session.drop(A)
        assert broker.session.is_idle
        broker.session.want(B, 9)
        broker.fetch()
        assert (broker.named, broker.forgotten) == ({B: 9}, [])

    def test_it_is_idle_when_nothing_is_wanted(self, broker: Broker):
        assert not broker.session.is_idle
        broker.session.drop(A)
        broker.session.drop(B)
        assert broker.session.is_idle
        broker.session.want(A, 5)
        assert not broker.session.is_idle

    def test_the_epochs_begin_again_behind_the_last(self, broker: Broker):
        broker.session._epoch = LAST_EPOCH
        broker.fetch()
        broker.fetch()
        assert broker.number == (7, 1)

    @pytest.mark.parametrize(("error", "number"), [(SESSION_NOT_FOUND, (0, 0)), (EPOCH_INVALID, (7, 0))])
    def test_a_session_that_is_refused_is_begun_anew_with_everything(self, broker, error, number):
        assert broker.fetch(error_code=error) == Answer([], complete=False)
        broker.send()
        assert (broker.named, broker.number) == ({A: 5, B: 9}, number)

    def test_so_it_is_after_an_answer_that_never_came(self, broker: Broker):
        broker.session.move(A, 6)
        broker.session.drop(B)
        broker.send()
        broker.session.lost()
        broker.session.want(B, 8)
        broker.send()
        assert (broker.named, broker.number, broker.forgotten) == ({A: 6, B: 8}, (7, 0), [])

    def test_a_broker_without_room_for_a_session_is_asked_for_everything_each_time(self):
        broker = Broker(FetchSession())
        broker.session.want(A, 5)
        broker.session.want(B, 9)
        for _ in range(2):
            broker.fetch(told(A, 5), told(B, 9), session_id=0)
            assert (broker.named, broker.number) == ({A: 5, B: 9}, (0, 0))


class TestAnswers:
    def test_one_tells_of_what_it_names_and_of_all_others_that_they_end_where_they_did(self, broker: Broker):
        news = Told(A, 0, 8, 6, [(3, 5)], b"r")
        assert broker.fetch(news) == Answer([news], complete=True)
        assert broker.fetch() == Answer([], complete=True)

    def test_one_that_may_be_full_says_nothing_of_what_it_does_not_name(self, broker: Broker):
        assert not broker.fetch(told(A, 8, records=b"r" * (MAX_BYTES // 2 + 1))).complete
        assert broker.fetch(told(A, 8, records=b"r" * (MAX_BYTES // 2))).complete

    def test_one_held_back_by_a_quota_says_nothing_of_any_log(self, broker: Broker):
        """The broker has not looked at them: it says that it will not for so long, with an answer that names none."""
        assert not broker.fetch(throttle_time_ms=1).complete
        assert broker.fetch(told(A, 8), throttle_time_ms=1).complete
        assert broker.fetch().complete

    def test_what_was_dropped_since_the_request_is_void(self, broker: Broker):
        broker.send()
        broker.session.drop(A)
        broker.session.want(A, 3)
        broker.answer(told(A, 5))
        assert broker.session.is_void(A)
        assert not broker.session.is_void(B)
        broker.send()
        assert not broker.session.is_void(A)
