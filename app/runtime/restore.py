"""Bringing a partition's RocksDB up to its changelog, before the partition is ready."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any, TypeVar

from aiokafka import AIOKafkaConsumer, TopicPartition

from app.domain.entity import Entity

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.runtime.store import Store

log = logging.getLogger(__name__)

E = TypeVar("E", bound=Entity)

STALE_AFTER_MS = 84 * 3_600_000
"""Half of the changelogs' delete.retention.ms: a state folder left alone for longer may have missed a deletion."""

FETCH_BYTES = 8 << 20


async def needs_rebuild(consumer: AIOKafkaConsumer, changelog: TopicPartition, store: Store[Any]) -> bool:
    """Whether RocksDB cannot be caught up and has to be emptied: its offset is gone, beyond the end, or too old."""
    mark = store.changelog_mark()
    if mark is None:
        return False
    begin = (await consumer.beginning_offsets([changelog]))[changelog]
    end = (await consumer.end_offsets([changelog]))[changelog]
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
        if await needs_rebuild(consumer, where, store):
            log.warning(
                "state of %s-%d cannot be caught up and is rebuilt from its changelog", changelog, partition
            )
            store.close()
            store = open_store(True)
        mark = store.changelog_mark()
        end = (await consumer.end_offsets([where]))[where]
        start = mark.next_offset if mark else (await consumer.beginning_offsets([where]))[where]
        consumer.seek(where, start)
        count = 0
        position = start
        while position < end:
            fetched = await consumer.getmany(where, timeout_ms=200)
            position = await consumer.position(where)
            records = [(record.key, record.value) for record in fetched.get(where, ())]
            if records or position >= end:
                store.restore(records, position)
                count += len(records)
                progress(position - start, end - start)
    except BaseException:
        store.close()
        raise
    finally:
        await consumer.stop()
    return store, count
