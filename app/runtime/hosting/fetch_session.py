"""A fetch session with one broker (KIP-227): it remembers what is fetched, so that only what changes is asked and told.

A worker reads dozens of inputs, nearly all of them quiet, hundreds of times a second. In a session a request names those
that it wants from another offset, and the answer those that have something new; both sides spare the rest. So what a
fetch costs us grows with what is busy, and not with what is read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from aiokafka import TopicPartition
from aiokafka.errors import IncompatibleBrokerVersion
from aiokafka.protocol.fetch import FetchRequest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

SESSIONS_SINCE = 7
"""Version of the fetch request from which on there are sessions (Kafka 1.1)."""

EPOCHS_SINCE = 9
"""Version from which on a request says which leader's epoch it knows, for each log."""

LEADERS_ONLY = 10
"""Latest version that only a log's leader answers. From the next one on a follower does too (KIP-392), which may be behind, and whose
answer is no evidence of where a log ends."""

SESSION_NOT_FOUND = 70
"""The broker has dropped the session, to make room for others or because it was restarted."""

LAST_EPOCH = 2**31 - 1

READ_COMMITTED = 1


class Told(NamedTuple):
    """What an answer says of one log: an error code, or its ends and records with the transactions aborted among them."""

    where: TopicPartition
    error: int
    highwater: int
    lso: int
    aborted: list[tuple[int, int]] | None
    records: bytes


class Answer(NamedTuple):
    """`told` of the logs that are named. Every other one that was asked for ends where it did, if `complete`."""

    told: list[Told]
    complete: bool


class FetchSession:
    """What one broker remembers of one consumer's fetches. One request at a time; nothing here waits.

    Each request from `ask` is followed by `answered`, or by `lost` when no answer will come. A broker without room for a
    session is asked for everything each time.
    """

    def __init__(self) -> None:
        self._id = 0
        self._epoch = 0
        self._held: dict[TopicPartition, int] = {}
        self._changed: dict[TopicPartition, int] = {}
        self._forgotten: set[TopicPartition] = set()
        self._later: dict[TopicPartition, int] = {}
        self._void: set[TopicPartition] = set()

    @property
    def is_idle(self) -> bool:
        """Nothing is wanted."""
        return not (self._held or self._changed or self._later)

    def want(self, where: TopicPartition, offset: int) -> None:
        """Read a log from this offset on, beginning with the next request."""
        # One the broker is still to forget is named in the request after that: as new to the session, of which it then
        # tells the ends, whether they have changed or not.
        (self._later if where in self._forgotten else self._changed)[where] = offset

    def move(self, where: TopicPartition, offset: int) -> None:
        """What came of a log that is read has been taken up to this offset."""
        self._changed[where] = offset

    def drop(self, where: TopicPartition) -> None:
        """Read a log no more. What a request under way brings of it is void."""
        self._changed.pop(where, None)
        self._later.pop(where, None)
        if self._held.pop(where, None) is not None:
            self._forgotten.add(where)
        self._void.add(where)

    def is_void(self, where: TopicPartition) -> bool:
        """Whether a log was dropped since the last request was made."""
        return where in self._void

    def ask(self, wait_ms: int, log_bytes: int, answer_bytes: int) -> SessionFetch:
        """The next request: wait for so long, and bring at most so much of each log and in all."""
        if self._epoch == 0:
            self._held |= self._changed | self._later
            changed: Mapping[TopicPartition, int] = self._held
            forgotten: set[TopicPartition] = set()
            self._later = {}
        else:
            self._held |= self._changed
            changed, forgotten = self._changed, self._forgotten
        self._changed, self._later, self._forgotten = self._later, {}, set()
        self._void = set()
        return SessionFetch((self._id, self._epoch), wait_ms, log_bytes, answer_bytes, changed, forgotten)

    def answered(self, request: SessionFetch, response: Any) -> Answer:
        """Take in an answer; one that refuses the session says nothing."""
        if error := response.error_code:
            if error == SESSION_NOT_FOUND:
                self._id = 0
            self.lost()
            return Answer([], complete=False)
        if self._epoch == 0:
            self._id = response.session_id
        self._epoch = self._epoch % LAST_EPOCH + 1 if self._id else 0
        told = [
            Told(TopicPartition(topic, partition), error, highwater, lso, aborted, records)
            for topic, partitions in response.topics
            for partition, error, highwater, lso, _start, aborted, *_, records in partitions
        ]
        # An answer may be full; what would not go into it was not read. And one that is held back by a quota says nothing.
        size_bytes = sum([len(each.records) for each in told])
        is_held_back = bool(response.throttle_time_ms) and not told
        return Answer(told, complete=size_bytes <= request.answer_bytes // 2 and not is_held_back)

    def lost(self) -> None:
        """What the broker remembers now is not known: tell everything with the next request.

        The broker closes the session of the id that goes with it.
        """
        self._epoch = 0


class SessionFetch(FetchRequest):
    """A fetch of committed records within a session: it names what is wanted from another offset, and what no more.

    number: the session's id, and the epoch of this request.
    """

    def __init__(
        self,
        number: tuple[int, int],
        wait_ms: int,
        log_bytes: int,
        answer_bytes: int,
        changed: Mapping[TopicPartition, int],
        forgotten: Iterable[TopicPartition],
    ) -> None:
        topics: dict[str, list[tuple[int, int, int]]] = {}
        for (topic, partition), offset in changed.items():
            topics.setdefault(topic, []).append((partition, offset, log_bytes))
        super().__init__(wait_ms, 1, answer_bytes, READ_COMMITTED, list(topics.items()))
        self.number = number
        self.wait_ms = wait_ms
        self.answer_bytes = answer_bytes
        self.forgotten: dict[str, list[int]] = {}
        for topic, partition in forgotten:
            self.forgotten.setdefault(topic, []).append(partition)

    def prepare(self, versions: dict[int, tuple[int, int]]) -> Any:
        """Called by aiokafka with the range of versions of each request that the broker knows."""
        earliest, latest = versions[self.API_KEY]
        return super().prepare({**versions, self.API_KEY: (earliest, min(latest, LEADERS_ONLY))})

    def build(self, request_struct_class: Any) -> Any:
        """Called by aiokafka when the broker's versions are known."""
        version = request_struct_class.API_VERSION
        if version < SESSIONS_SINCE:
            raise IncompatibleBrokerVersion("fetch sessions (KIP-227) need Kafka 1.1 or later")
        unknown = -1
        known = (unknown,) if version >= EPOCHS_SINCE else ()
        topics = [
            (topic, [(partition, *known, offset, unknown, most) for partition, offset, most in partitions])
            for topic, partitions in self.topics
        ]
        return request_struct_class(
            unknown,
            self.wait_ms,
            1,
            self.answer_bytes,
            READ_COMMITTED,
            *self.number,
            topics,
            list(self.forgotten.items()),
        )
