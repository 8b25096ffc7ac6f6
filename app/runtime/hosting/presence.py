"""Whether topics that are read are there at all. One that is deleted brings nothing more, which looks like one that is quiet.

What a cluster says of its topics lacks one for a moment now and then: while a broker starts, or has not heard of all that
others have. So one is missing only when it was for a while, in all of several answers.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, NamedTuple

from aiokafka.errors import UnknownTopicOrPartitionError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aiokafka.client import AIOKafkaClient
    from aiokafka.cluster import ClusterMetadata

MISSING_FOR_S = 10.0
"""How long a topic has been in no answer when it is taken for deleted."""

MISSING_ANSWERS = 5
"""How many answers in a row have lacked it by then."""

ASK_EVERY_S = 0.5
"""How often the cluster is asked while a topic is in doubt."""


class _Doubt(NamedTuple):
    """Since when, by the monotonic clock, a topic is missing, and in how many answers."""

    since_s: float
    answers: int


class Presence:
    """What a cluster's answers have said of some topics. On one event loop; nothing here waits."""

    def __init__(self, topics: Iterable[str]) -> None:
        self.in_doubt = asyncio.Event()
        """Set while the last answer has lacked any."""
        self._topics = frozenset(topics)
        self._doubts: dict[str, _Doubt] = {}

    def note(self, cluster: ClusterMetadata) -> None:
        """Called by aiokafka when the cluster has answered what topics there are. One that may not be seen is there."""
        now_s = time.monotonic()
        seen = cluster.topics(exclude_internal_topics=False) | cluster.unauthorized_topics
        self._doubts = {
            topic: _Doubt(known.since_s, known.answers + 1)
            for topic in self._topics - seen
            for known in (self._doubts.get(topic, _Doubt(now_s, 0)),)
        }
        if self._doubts:
            self.in_doubt.set()
        else:
            self.in_doubt.clear()

    def forget(self) -> None:
        """The cluster does not answer: what it has lacked before may have been a sign of that."""
        self._doubts = {}
        self.in_doubt.clear()

    @property
    def missing(self) -> list[str]:
        """The topics there is no doubt about any more, in order."""
        until_s = time.monotonic() - MISSING_FOR_S
        return sorted(
            topic
            for topic, (since_s, answers) in self._doubts.items()
            if since_s <= until_s and answers >= MISSING_ANSWERS
        )


async def watch(client: AIOKafkaClient, topics: Iterable[str]) -> None:
    """Look, until cancelled, whether these topics of which the client knows are there; it asks only while one is in doubt.

    Raises UnknownTopicOrPartitionError with the names of those that are missing.
    """
    presence = Presence(topics)
    client.cluster.add_listener(presence.note)
    try:
        while not (missing := presence.missing):
            await presence.in_doubt.wait()
            await asyncio.sleep(ASK_EVERY_S)
            if not await client.force_metadata_update():
                presence.forget()
    finally:
        client.cluster.remove_listener(presence.note)
    raise UnknownTopicOrPartitionError(*missing)
