"""A fetch session with one broker (KIP-227): it remembers what is fetched, so that only what changes is asked and told.

A worker reads dozens of inputs, nearly all of them quiet, hundreds of times a second. aiokafka names each of them in
every request and is answered for each. In a session a request names those that it wants from another offset, and the
answer those that have something new; both sides spare the rest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from aiokafka import TopicPartition
from aiokafka.protocol.fetch import FetchRequest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

SESSIONS_SINCE = 7
"""Version of the fetch request from which on there are sessions (Kafka 1.1)."""

SESSION_NOT_FOUND = 70
"""The broker has dropped the session, to make room for others or because it was restarted."""

LAST_EPOCH = 2**31 - 1


class End(NamedTuple):
    """How far a log goes, as last told: offset after its last record, and the last stable one."""

    highwater: int
    lso: int


class FetchSession:
    """What one broker remembers of one consumer's fetches. One request at a time; nothing here waits.

    Each request from `ask` is followed by `answered`, which the request itself calls with the decoded answer, or by `lost`.
    A broker without sessions, or without room for one, is asked for everything each time.
    """

    def __init__(self) -> None:
        self._id = 0
        self._epoch = 0
        self._told: dict[TopicPartition, tuple[int, int]] = {}
        self._ends: dict[TopicPartition, End] = {}
        self._known: dict[TopicPartition, End] | None = None

    def ask(self, request: FetchRequest) -> SessionFetch:
        """The request that asks, in this session, for what an ordinary one asks for."""
        wanted = {
            TopicPartition(topic, partition): (offset, most)
            for topic, partitions in request.topics
            for partition, offset, most in partitions
        }
        told, self._told, self._known = self._told, wanted, None
        forgotten = [where for where in told if where not in wanted]
        for where in forgotten:
            self._ends.pop(where, None)
        return SessionFetch(
            request,
            self,
            wanted=wanted,
            number=(self._id, self._epoch),
            changed=[(*where, *each) for where, each in wanted.items() if told.get(where) != each],
            forgotten=forgotten,
        )

    def answered(self, request: SessionFetch, response: Any) -> None:
        """Take in an answer. One that says nothing of a log says that it brings nothing, and ends where it did."""
        if error := getattr(response, "error_code", 0):
            if error == SESSION_NOT_FOUND:
                self._id = 0
            self._begin_anew()
            return
        if self._epoch == 0:
            self._id = getattr(response, "session_id", 0)
        self._epoch = self._epoch % LAST_EPOCH + 1
        named, size_bytes = set(), 0
        for topic, partitions in response.topics:
            for partition, error, highwater, *more in partitions:
                where = TopicPartition(topic, partition)
                named.add(where)
                size_bytes += len(more[-1])
                if error:
                    self._ends.pop(where, None)
                else:
                    self._ends[where] = End(highwater, more[0])
        self._known = self._ends
        if size_bytes > request.max_bytes // 2:
            # An answer may be full; what would not go into it was not read.
            self._known = {where: end for where, end in self._ends.items() if where in named}
        if self._id == 0:
            self._begin_anew()

    def ends(self) -> Mapping[TopicPartition, End]:
        """Where each log asked for ended, by the last answer, until the next request; empty if it was lost or refused."""
        return self._known or {}

    def lost(self) -> None:
        """No answer will come; what the broker remembers now is not known. No effect after an answer."""
        if self._known is None:
            self._begin_anew()

    def _begin_anew(self) -> None:
        """Tell everything with the next request; the broker closes the session of the id that goes with it."""
        self._epoch = 0
        self._told = {}
        self._ends = {}


class SessionFetch(FetchRequest):
    """A fetch within a session. `topics` is all that is wanted, as aiokafka looks it up; only changes are sent.

    wanted: (offset, most bytes) by where; max_bytes: of the whole answer.
    """

    def __init__(
        self,
        request: FetchRequest,
        session: FetchSession,
        *,
        wanted: dict[TopicPartition, tuple[int, int]],
        number: tuple[int, int],
        changed: Iterable[tuple[str, int, int, int]],
        forgotten: Iterable[TopicPartition],
    ) -> None:
        self.__dict__.update(request.__dict__)
        self.wanted = wanted
        self.max_bytes: int = request._max_bytes  # noqa: SLF001  a seam of this package
        self._topics: list[tuple[str, list[tuple[int, int, int]]]] = request.topics
        self._session = session
        self._number = number
        self._changed: dict[str, list[tuple[int, int, int]]] = {}
        for topic, partition, offset, most in changed:
            self._changed.setdefault(topic, []).append((partition, offset, most))
        self._forgotten: dict[str, list[int]] = {}
        for topic, partition in forgotten:
            self._forgotten.setdefault(topic, []).append(partition)

    def build(self, request_struct_class: Any) -> Any:
        """Called by aiokafka when the broker's versions are known."""
        whole = self.topics
        sessions = request_struct_class.API_VERSION >= SESSIONS_SINCE
        if sessions:
            self._topics = list(self._changed.items())
        try:
            built: Any = super().build(request_struct_class)
        finally:
            self._topics = whole
        if sessions:
            built.session_id, built.session_epoch = self._number
            built.forgotten_topics_data = list(self._forgotten.items())
        built.RESPONSE_TYPE = _Heard(self, self._session, built.RESPONSE_TYPE)
        return built


class _Heard:
    """Stands in a request for the type of its answer: decodes it, and lets the session hear it."""

    def __init__(self, request: SessionFetch, session: FetchSession, response_type: Any) -> None:
        self._request = request
        self._session = session
        self._response_type = response_type

    def decode(self, data: Any) -> Any:
        response = self._response_type.decode(data)
        self._session.answered(self._request, response)
        return response
