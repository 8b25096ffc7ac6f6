"""Being a member of the consumer group, or of none: who shares out the partitions, and what is asked about offsets.

An aiokafka consumer does this, with its own loop of fetches stopped: that walks through all that is assigned at each fetch,
tells neither when a fetch was sent nor what it found at the end of a log, and makes an object of each record.
`tests/runtime/hosting` names its private parts that are used.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Any

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError, NoError, RebalanceInProgressError

from app.runtime.refusals import REFUSALS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from aiokafka import TopicPartition
    from aiokafka.abc import ConsumerRebalanceListener
    from aiokafka.client import AIOKafkaClient

log = logging.getLogger(__name__)

SESSION_TIMEOUT_MS = 10_000
"""After which the group's coordinator takes a member for gone of which it does not hear, unless an option says otherwise."""

AS_A_MEMBER = frozenset((NoError.errno, RebalanceInProgressError.errno))
"""Codes in a coordinator's answer that say: you are a member. Others it gives while it is none itself, or knows no such member."""


class Membership:
    """The consumer of one worker or reader. On the event loop it was made in; nothing blocks.

    Args:
        group, assignor: None for a reader that is a member of no group.
        options: of the consumer.

    Attributes:
        client: its connections, and what it knows of the cluster.
    """

    def __init__(
        self, client_options: Mapping[str, Any], group: str | None, assignor: type | None, **options: Any
    ) -> None:
        session_ms: int = options.setdefault("session_timeout_ms", SESSION_TIMEOUT_MS)
        rebalance_ms: int = options.get("rebalance_timeout_ms") or session_ms
        self._session_s = session_ms / 1000
        self._rebalance_s = rebalance_ms / 1000
        self._heard_s = time.monotonic()
        self._consumer = AIOKafkaConsumer(
            **{
                **client_options,
                "group_id": group,
                "partition_assignment_strategy": [] if assignor is None else [assignor],
                "enable_auto_commit": False,
                "auto_offset_reset": "none",
                "metadata_max_age_ms": 60_000,
                **options,
            }
        )
        self.client: AIOKafkaClient = self._consumer._client  # noqa: SLF001  a seam of this package
        self._commit: asyncio.Task[None] | None = None

    async def join(self, topics: Iterable[str], listener: ConsumerRebalanceListener) -> None:
        """Connect and join the group; the listener is called on this loop."""
        await self._connect()
        self._note_answers()
        self._consumer.subscribe(list(topics), listener=listener)

    async def stay_alone(self, places: Iterable[TopicPartition]) -> None:
        """Connect as a member of no group (`group` is None), to read some of these partitions."""
        await self._connect()
        # Has the client know where they are, and the consumer's own tasks begin: stopped before they have, it raises
        # their CancelledError.
        self._consumer.assign(list(places))
        await asyncio.sleep(0)

    async def _connect(self) -> None:
        await self._consumer.start()
        self._consumer._fetcher._fetch_task.cancel()  # noqa: SLF001

    def _note_answers(self) -> None:
        """Have it noted when the group's coordinator answers: heartbeats, which are sent whatever is or is not fetched, and joins."""
        coordinator = self._consumer._coordinator  # noqa: SLF001
        send = coordinator._send_req  # noqa: SLF001

        async def send_and_note(request: Any) -> Any:
            answer = await send(request)
            if getattr(answer, "error_code", None) in AS_A_MEMBER:
                self._heard_s = time.monotonic()
            return answer

        self._heard_s = time.monotonic()
        coordinator._send_req = send_and_note  # noqa: SLF001

    async def stop(self) -> None:
        """Leave the group and disconnect."""
        await self._consumer.stop()

    @property
    def generation(self) -> int:
        """The group's generation this consumer is a member of; -1 when of none."""
        generation: int = self._consumer._coordinator.generation  # noqa: SLF001
        return generation

    @property
    def silence_s(self) -> float:
        """How long ago the group's coordinator last answered this member, or this began to join; of no meaning in no group."""
        return time.monotonic() - self._heard_s

    def is_cut_off(self, *, joining: bool) -> bool:
        """Whether the coordinator has not answered for so long that it has given this member up, as far as can be known here.

        `joining`: no heartbeat is answered meanwhile, and a join only when all have joined, for which they have the rebalance
        timeout.
        """
        return self.silence_s > self._session_s + (self._rebalance_s if joining else 0)

    def rejoin(self) -> None:
        """Have the group share out its work anew, as soon as it can."""
        self._consumer._coordinator.request_rejoin()  # noqa: SLF001

    def attend(self) -> None:
        """Say that somebody is at work, and hear what the group's coordinator has met; to be called again and again.

        A consumer nobody asks for records leaves its group after five minutes and does not come back; and what its
        coordinator has met is held until somebody hears of it. Raises what keeps it from its work for good.
        """
        with self._consumer._subscription.fetch_context():  # noqa: SLF001
            pass
        coordinator = self._consumer._coordinator  # noqa: SLF001
        try:
            coordinator.check_errors()
        except REFUSALS:
            raise
        except KafkaError as error:
            if coordinator._coordination_task.done():  # noqa: SLF001
                raise
            # Its heartbeats may have ended with the error: joining again begins new ones.
            log.warning("the consumer group has failed, and is joined again: %r", error)
            coordinator.request_rejoin()

    async def commit(self, offsets: dict[TopicPartition, int]) -> None:
        """Write these as the group's offsets. Asks the brokers.

        Whoever gives up waiting leaves the request under way, and another who comes meanwhile waits for that one: cancelled within,
        aiokafka leaves behind an error that nobody hears of until it is logged as such.
        """
        if self._commit is None or self._commit.done():
            self._commit = asyncio.create_task(self._consumer.commit(offsets))
            self._commit.add_done_callback(_heard)
        await asyncio.shield(self._commit)

    async def starts_of(self, places: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        """Offset of the first record each log still holds. Asks the brokers."""
        starts: dict[TopicPartition, int] = await self._consumer.beginning_offsets(list(places))
        return starts

    async def ends_of(self, places: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        """Offset after the last record of each log that a reader of committed records gets to see. Asks the brokers."""
        ends: dict[TopicPartition, int] = await self._consumer.end_offsets(list(places))
        return ends


def _heard(commit: asyncio.Task[None]) -> None:
    """Its error is told to whoever still waits; where nobody does, it is of no consequence."""
    if not commit.cancelled():
        commit.exception()
