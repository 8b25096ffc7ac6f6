"""Bringing a partition's RocksDB up to its changelog, before the partition is ready."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Any, TypeVar

from aiokafka import AIOKafkaConsumer, TopicPartition

from app.domain.entity import Entity

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.runtime.store import ChangelogMark, Store

log = logging.getLogger(__name__)

E = TypeVar("E", bound=Entity)

STALE_AFTER_MS = 84 * 3_600_000
"""Half of the changelogs' delete.retention.ms: a state folder left alone for longer may have missed a deletion."""

FETCH_BYTES = 8 << 20

SLICE_RECORDS = 5_000
"""Applied at once, for which every other partition of the worker waits: about 30 ms."""


def cannot_follow(mark: ChangelogMark | None, begin: int, end: int) -> bool:
    """Whether RocksDB cannot be caught up and has to be emptied: its offset is gone, beyond the end, or too old.

    `begin` and `end` are the changelog's.
    """
    if mark is None:
        return False
    now_ms = time.time_ns() // 1_000_000
    return not begin <= mark.next_offset <= end or now_ms - mark.written_ms > STALE_AFTER_MS


async def restore(
    client_options: dict[str, Any],
    changelog: str,
    partition: int,
    open_store: Callable[[bool], Store[E]],
    progress: Callable[[int, int], None],
) -> tuple[Store[E], int]:
    """Open a partition's store and apply every committed changelog record it lacks; returns it, and how many.

    The caller has fenced the former owner, so the changelog ends where it ends. `open_store(True)` opens an emptied
    store. `progress(done, total)` is called after each slice, in offsets. Cancelled when the partition is lost
    meanwhile; the store is then closed.
    """
    where = TopicPartition(changelog, partition)
    store = open_store(False)
    consumer = AIOKafkaConsumer(
        **client_options,
        group_id=None,
        isolation_level="read_committed",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=FETCH_BYTES,
        fetch_max_wait_ms=20,
    )
    try:
        await consumer.start()
        consumer.assign([where])
        # Lets the consumer's own tasks begin: stopped before they have, it raises their CancelledError in place of ours.
        await asyncio.sleep(0)
        begin = (await consumer.beginning_offsets([where]))[where]
        end = (await consumer.end_offsets([where]))[where]
        if cannot_follow(store.changelog_mark(), begin, end):
            log.warning(
                "state of %s-%d cannot be caught up and is rebuilt from its changelog", changelog, partition
            )
            store.close()
            store = open_store(True)
        mark = store.changelog_mark()
        start = mark.next_offset if mark else begin
        consumer.seek(where, start)
        count = 0
        position = start
        while position < end:
            fetched = await consumer.getmany(where, timeout_ms=200, max_records=SLICE_RECORDS)
            position = await consumer.position(where)
            records = [(record.key, record.value) for record in fetched.get(where, ())]
            if records or position >= end:
                store.restore(records, position)
                count += len(records)
                progress(position - start, end - start)
    except BaseException:
        store.close()
        await consumer.stop()
        raise
    try:
        await consumer.stop()
    except BaseException:
        # Cancelled here: nobody has the store yet, and its folder would stay locked for as long as this process lives.
        store.close()
        raise
    return store, count
