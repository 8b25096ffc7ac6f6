"""What a consumer group has committed: how far a contender is that has no end of its own."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from app.broker.topics import admin_client
from bench.site import PARTITIONS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aiokafka.admin import AIOKafkaAdminClient

    from bench.process import Contender
    from bench.site import Site

PATIENCE_S = 120
SLOWEST_EVENTS_PER_S = 200
POLL_S = 0.25


def patience_s(events: int) -> float:
    """How long so many events may take before a contender counts as failed: slower is not worth measuring."""
    return PATIENCE_S + events / SLOWEST_EVENTS_PER_S


class Progress:
    """How much of the input a site's group has committed."""

    def __init__(self, admin: AIOKafkaAdminClient, group: str, ends: dict[TopicPartition, int]) -> None:
        self._admin = admin
        self._group = group
        self._ends = ends

    async def all_committed(self) -> bool:
        """Whether every event has been; False also while the broker cannot tell, as soon after its start."""
        with suppress(KafkaError):
            committed = await self._admin.list_consumer_group_offsets(self._group)
            return all(
                place in committed and committed[place].offset >= end for place, end in self._ends.items()
            )
        return False


@asynccontextmanager
async def opened_progress(site: Site) -> AsyncIterator[Progress]:
    """The progress of a site whose events are all loaded."""
    settings = site.settings
    places = [TopicPartition(f"{site.prefix}activity", number) for number in range(PARTITIONS)]
    consumer = AIOKafkaConsumer(**settings.client_options())
    await consumer.start()
    try:
        ends = {place: end for place, end in (await consumer.end_offsets(places)).items() if end}
    finally:
        await consumer.stop()
    async with admin_client(settings.client_options()) as admin:
        yield Progress(admin, settings.app, ends)


def run_until_committed(site: Site, contender: Contender, events: int) -> Contender:
    """Start a contender and stop it once its group has committed every event; returns it, ended. Blocks until then.

    Raises UserError `contender-failed` when it fails, or is slower than anything worth measuring.
    """
    with contender as running:
        asyncio.run(_until_committed(site, running, patience_s(events)))
        running.stop()
    return running


async def _until_committed(site: Site, running: Contender, timeout_s: float) -> None:
    deadline_s = time.monotonic() + timeout_s
    async with opened_progress(site) as progress:
        while not await progress.all_committed():
            running.check()
            if time.monotonic() > deadline_s:
                raise running.failed(f"was not done after {timeout_s:.0f} s")
            await asyncio.sleep(POLL_S)
