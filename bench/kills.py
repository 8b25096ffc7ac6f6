"""Three kills in the middle of a drain: is what comes out still exact, and how long does it take to go on?

The contender is killed (SIGKILL) when its logs hold as many tag changes and workflows as the first 25, 50 and 75 % of the
events cause, and started again at once on the same folder, as a supervisor would. Recovery is from the kill until
a read_committed reader has the first tag change or workflow that was written after it.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from app.domain.outputs import TagChanged, WorkflowOpened
from bench.group import opened_progress, patience_s
from bench.load import load
from bench.oracle import expect_workload
from bench.outputs import judge, read_outputs
from bench.site import PARTITIONS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from bench.contenders import Entry
    from bench.generate import Workload
    from bench.group import Progress
    from bench.outputs import Verdict
    from bench.process import Contender
    from bench.site import Site

SHARES = (25, 50, 75)
"""Percent of the events."""

DEAF_MS = 200
"""What is appended so soon after a kill was on its way before it; nothing starts in less."""

POLL_S = 0.02
POLLS = 10
"""Looks at the logs for each at the group."""

RECOVERY_TIMEOUT_S = 150.0

_READ_MS = 20


@dataclass(frozen=True)
class Kills:
    """What came of one contender that was killed.

    Attributes:
        system, guarantee: who.
        events: of the workload.
        recovered_s: for each kill that fell before the end, from it to the first committed output after it; None where
            none was left to come.
        outputs: committed records on the output topics at the end.
        expected: how many sequenced outputs and pages there can be at most.
        verdict: how they differ from what must have come out.
    """

    system: str
    guarantee: str
    events: int
    recovered_s: tuple[float | None, ...]
    outputs: int
    expected: int
    verdict: Verdict

    @property
    def kept(self) -> bool:
        """Whether the guarantee was kept: every output and no other, and none twice unless it is at least once."""
        verdict = self.verdict
        repeats = 0 if self.guarantee == "at_least_once" else verdict.repeated + verdict.pages
        return not (verdict.missing or verdict.wrong or verdict.members or repeats)

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return asdict(self) | {"kept": self.kept}


def measure_kills(
    site: Site, entry: Entry, workload: Workload, end_ms: int, say: Callable[[str], None]
) -> Kills:
    """Load the workload, have the contender apply it under three kills, and see what came of it. Blocks.

    Args:
        site: fresh.
        entry: the contender.
        workload, end_ms: the events, and the instant of the last one.
        say: takes what is being done, for people.

    Raises UserError `contender-failed` when it ends or does not finish.
    """
    say(f"{entry.name}: loading {workload.events:,} events")
    asyncio.run(load(site, workload.activities(end_ms), PARTITIONS))
    expected = expect_workload(workload, end_ms, PARTITIONS, silent_timers=entry.silent_timers)
    say(f"{entry.name}: {site.guarantee}, applying {workload.events:,} events under {len(SHARES)} kills")
    killed_at = [expected.by_share(percent) for percent in SHARES]
    recovered_s = asyncio.run(_run(site, entry, killed_at, patience_s(workload.events)))
    say(f"{entry.name}: checking its outputs")
    outputs = asyncio.run(read_outputs(site, PARTITIONS))
    return Kills(
        system=entry.name,
        guarantee=site.guarantee,
        events=workload.events,
        recovered_s=recovered_s,
        outputs=outputs.total,
        expected=len(expected.sequenced) + expected.most_pages,
        verdict=judge(expected, outputs),
    )


async def _run(site: Site, entry: Entry, killed_at: list[int], timeout_s: float) -> tuple[float | None, ...]:
    """Drain under kills; for each that fell, how long it took to go on."""
    async with opened_watch(site) as watch, opened_progress(site) as progress:
        for records in killed_at:
            with entry.start_draining(site) as running:
                if await _drained(entry, running, progress, watch, timeout_s, until=records):
                    return await watch.recovered()
                await watch.mark()
                running.kill()
                watch.note_kill()
        with entry.start_draining(site) as running:
            await _drained(entry, running, progress, watch, timeout_s)
            running.stop()
        return await watch.recovered()


async def _drained(
    entry: Entry,
    running: Contender,
    progress: Progress,
    watch: Watch,
    timeout_s: float,
    until: int | None = None,
) -> bool:
    """Wait until everything is applied, True, or until so many records are in the logs, False."""
    deadline_s = time.monotonic() + timeout_s
    while True:
        for _ in range(POLLS):
            if until is not None and await watch.written() >= until:
                return False
            await asyncio.sleep(POLL_S)
        if running.ended if entry.ends else await progress.all_committed():
            return True
        if not entry.ends:
            running.check()
        if time.monotonic() > deadline_s:
            raise running.failed(f"was not done after {timeout_s:.0f} s")


class Watch:
    """Sees how many outputs there are, and when the first comes after a kill.

    Args:
        written: a read_uncommitted consumer of the sequenced outputs.
        committed: a read_committed one.
    """

    def __init__(self, written: AIOKafkaConsumer, committed: AIOKafkaConsumer) -> None:
        self._written = written
        self._committed = committed
        self._places = list(written.assignment())
        self._kills: list[_Kill] = []
        self._pending, self._settled = asyncio.Event(), asyncio.Event()
        self._settled.set()

    async def written(self) -> int:
        """How many records and transaction markers the logs hold, committed or not."""
        return sum((await self._written.end_offsets(self._places)).values())

    async def mark(self) -> None:
        """A kill is about to come: what is committed by now was there before it."""
        if not self._pending.is_set():
            for place, end in (await self._committed.end_offsets(self._places)).items():
                self._committed.seek(place, end)
            self._committed.resume(*self._places)

    def note_kill(self) -> None:
        """The contender is dead."""
        self._kills.append(_Kill(time.monotonic(), time.time() * 1000))
        self._settled.clear()
        self._pending.set()

    async def recovered(self) -> tuple[float | None, ...]:
        """For each kill, the seconds until the first output that was written after it could be read.

        Waits for those still to come, for 150 s at most; None: none came, as there was none left to come.
        """
        with suppress(TimeoutError):
            await asyncio.wait_for(self._settled.wait(), RECOVERY_TIMEOUT_S)
        return tuple(kill.recovered_s for kill in self._kills)

    async def read(self) -> None:
        """Read after each kill until an output has come; until cancelled."""
        while True:
            await self._pending.wait()
            found = await self._committed.getmany(timeout_ms=_READ_MS)
            read_s = time.monotonic()
            last_ms = max((records[-1].timestamp for records in found.values()), default=0)
            for kill in self._kills:
                if kill.recovered_s is None and last_ms > kill.at_ms + DEAF_MS:
                    kill.recovered_s = read_s - kill.at_s
            if all(kill.recovered_s is not None for kill in self._kills):
                self._committed.pause(*self._places)
                self._pending.clear()
                self._settled.set()


@dataclass
class _Kill:
    """A kill at one instant on the monotonic clock and as epoch ms, and what is known of the recovery from it."""

    at_s: float
    at_ms: float
    recovered_s: float | None = None


@asynccontextmanager
async def opened_watch(site: Site) -> AsyncIterator[Watch]:
    """A watch on the sequenced outputs of a site."""
    options: dict[str, Any] = site.settings.client_options() | {"enable_auto_commit": False}
    written = AIOKafkaConsumer(**options, isolation_level="read_uncommitted")
    committed = AIOKafkaConsumer(**options, isolation_level="read_committed")
    await asyncio.gather(written.start(), committed.start())
    try:
        places = _places(site, TagChanged.topic, WorkflowOpened.topic)
        for consumer in (written, committed):
            consumer.assign(places)
            consumer.pause(*places)
        watch = Watch(written, committed)
        reading = asyncio.create_task(watch.read())
        try:
            yield watch
        finally:
            reading.cancel()
            with suppress(asyncio.CancelledError):
                await reading
    finally:
        await asyncio.gather(written.stop(), committed.stop())


def _places(site: Site, *topics: str) -> list[TopicPartition]:
    return [
        TopicPartition(f"{site.prefix}{topic}", number) for topic in topics for number in range(PARTITIONS)
    ]
