"""A replay in the journal's order: every partition of every processor by itself, several at a time."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from app.tools.replay.follow import Following
from app.tools.replay.reading import open_log
from app.wire.topics import JOURNAL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.domain.playbook_set import PlaybookSet
    from app.runtime.processor import Host, Processor
    from app.tools.replay.meter import Meter
    from app.tools.replay.offsets import Ends
    from app.tools.replay.options import Run

AT_A_TIME = 8
"""Partitions followed at once: while one waits for the brokers, others decide."""


async def follow_journal(
    host: Host,
    run: Run,
    processors: Sequence[tuple[PlaybookSet, list[Processor]]],
    ends: Ends,
    meter: Meter,
) -> None:
    """Follow the journal to these ends; carries on where an earlier call stopped.

    Args:
        host: a worker's, with the replay's topic names and state folder.
        run: what is asked for.
        processors: those of a worker, under each set of playbooks at hand.
        ends: of the journal, and of any other topics.
        meter: told of the progress.
    """
    first = processors[0][1]
    topics = list(dict.fromkeys(topic for processor in first for topic in (*processor.inputs, JOURNAL)))
    log = await open_log(host, run.source, topics)
    log = replace(log, ends={place: min(end, ends.get(place, end)) for place, end in log.ends.items()})
    meter.begin(
        "replaying", sum(end for place, end in log.ends.items() if place.topic != run.source + JOURNAL)
    )
    turns = asyncio.Semaphore(AT_A_TIME)

    async def follow(place: int, number: int) -> None:
        async with turns:
            by_hash = {playbooks.hash: running[place] for playbooks, running in processors}
            await Following(
                host,
                log,
                by_hash,
                number,
                since_ms=run.since_ms,
                until_ms=run.until_ms,
                progress=meter.done,
            ).run()

    tasks = [
        asyncio.create_task(follow(place, number), name=f"follow {processor.name}-{number}")
        for place, processor in enumerate(first)
        for number in range(host.partitions[processor.inputs[-1]])
    ]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    meter.end()
