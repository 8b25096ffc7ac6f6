"""Asking brokers until they answer: the coordinator of a transactional id, and the leaders of partitions."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

from aiokafka.client import AIOKafkaClient, ConnectionGroup, CoordinationType
from aiokafka.errors import (
    ConcurrentTransactions,
    InvalidProducerEpoch,
    KafkaConnectionError,
    KafkaError,
    LeaderNotAvailableError,
    NoError,
    OperationNotAttempted,
    ProducerFenced,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
    UnknownError,
    for_code,
)
from aiokafka.structs import TopicPartition

from app.runtime.refusals import REFUSALS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

BACKOFF_S = 0.02
"""Before what a broker could not do is asked again."""

MARKERS_S = 0.002
"""The same where it still writes the markers of the transaction before."""

CONNECT_TIMEOUTS_S = (2.0, 4.0, 8.0, 16.0)
"""How long getting to know the brokers may take at the first try, at the second, and so on: of several addresses each time others come
first, and one of a machine that is switched off does not answer at all."""

FENCED = 90
"""PRODUCER_FENCED, for which aiokafka has no code."""

Where = tuple[str, int]
"""(full topic name, partition)."""


class Brokers:
    """The brokers, for one producer. What they may get over is asked again until `timeout_ms` have passed.

    Then, and for all else, aiokafka's error is raised: REFUSALS where a right is missing, ProducerFenced where another
    has the transactional id now.

    Args:
        client_options: how to reach them, as every client here takes them.
        transactional_id: whose coordinator is asked; None: no coordinator ever is.
        timeout_ms: of each request, and of all that is done to have it answered.
    """

    def __init__(
        self, client_options: Mapping[str, Any], transactional_id: str | None, timeout_ms: int
    ) -> None:
        self.client = AIOKafkaClient(**{**client_options, "request_timeout_ms": timeout_ms})
        self._transactional_id = transactional_id
        self._timeout_ms = timeout_ms
        self._coordinator: int | None = None
        self._known_topics: set[str] = set()

    async def connect(self) -> None:
        """Get to know the brokers by one of their addresses. Before anything else."""
        for timeout_s in CONNECT_TIMEOUTS_S:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(timeout_s):
                    await self.client.bootstrap()
                    return
        raise KafkaConnectionError(f"none of {self.client.hosts} answers")

    async def ask(self, request: Any, *, coordinator: bool = True) -> Any:
        """The answer of the transaction's coordinator, or of any broker, once it is one."""
        deadline_s = self.deadline_s()
        while True:
            try:
                node = await self._find_coordinator() if coordinator else self.client.get_random_node()
                group = ConnectionGroup.COORDINATION if coordinator else ConnectionGroup.DEFAULT
                answer = await self.client.send(node, request, group=group)
                errors = self._errors(answer)
            except KafkaError as error:
                errors = [error]
            if not errors:
                return answer
            if not isinstance(errors[0], ConcurrentTransactions):
                self._coordinator = None
            await self.bear(errors, deadline_s)

    async def learn(self, topics: set[str]) -> None:
        """Have the client know where the partitions of these topics are, from here on."""
        new = topics - self._known_topics
        if new:
            await self.client.set_topics(self._known_topics | new)
            self._known_topics |= new

    def leader(self, where: Where) -> int | None:
        """The broker that leads a partition of a topic that was learnt of; None: nobody does now."""
        leader = self.client.cluster.leader_for_partition(TopicPartition(*where))
        return None if leader is None or leader < 0 else leader

    def no_leader(self, topic: str) -> KafkaError:
        """What it means that nobody leads a partition of the topic."""
        refused = topic in self.client.cluster.unauthorized_topics
        return TopicAuthorizationFailedError(topic) if refused else LeaderNotAvailableError(topic)

    async def bear(self, errors: Sequence[KafkaError], deadline_s: float) -> None:
        """Wait until it may be tried again; raise the error that makes it useless, or the first when time is up."""
        if useless := [error for error in errors if not _may_pass(error)]:
            # Once a transaction is refused a partition, everything else in it fails too, and only says that it does.
            raise min(useless, key=lambda error: not isinstance(error, REFUSALS))
        if asyncio.get_running_loop().time() > deadline_s:
            raise errors[0]
        if any(error.invalid_metadata for error in errors):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(deadline_s):
                    await self.client.force_metadata_update()
        await asyncio.sleep(MARKERS_S if isinstance(errors[0], ConcurrentTransactions) else BACKOFF_S)

    def deadline_s(self) -> float:
        """Until when, by the event loop's clock, something begun now is tried."""
        return asyncio.get_running_loop().time() + self._timeout_ms / 1000

    async def _find_coordinator(self) -> int:
        if self._coordinator is None:
            name = self._transactional_id or ""
            try:
                node: int = await self.client.coordinator_lookup(CoordinationType.TRANSACTION, name)
            except TransactionalIdAuthorizationFailed as error:
                raise TransactionalIdAuthorizationFailed(name) from error
            self._coordinator = node
        return self._coordinator

    def _errors(self, answer: Any) -> list[KafkaError]:
        """What a coordinator's answer complains of."""
        if hasattr(answer, "errors"):
            codes = {(code, topic) for topic, partitions in answer.errors for _, code in partitions}
            if len(codes) > 1:
                codes = {each for each in codes if each[0] != OperationNotAttempted.errno}
        else:
            codes = {(answer.error_code, "")}
        return [
            error_of(code, topic or self._transactional_id) for code, topic in codes if code != NoError.errno
        ]


def _may_pass(error: KafkaError) -> bool:
    return error.retriable or isinstance(error, ConcurrentTransactions)


def error_of(code: int, what: str | None) -> KafkaError:
    """Aiokafka's error for a code of the protocol, about a topic or a transactional id."""
    kind = for_code(code)
    if code == FENCED or kind is InvalidProducerEpoch:
        return ProducerFenced()
    return kind(f"error code {code}" if kind is UnknownError else what)
