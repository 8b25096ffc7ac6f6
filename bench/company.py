"""`python -m bench.company`: a company comes back, and so many members who waited for it are released meanwhile.

Live events go on at a steady rate, each the first activity of a member of its own, and are answered by a
workflow-opened. What counts is how long those answers take while the wave is released, and when its members are told.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections import Counter
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from rich.console import Console

from app.broker.embedded import EmbeddedBroker
from app.broker.locate import locate_broker
from app.domain.company_state import offset_ms, rank_of
from app.domain.crossings import CompanyUp, CompanyWait
from app.domain.errors import UserError
from app.domain.events import Activity, CompanyStatus
from app.domain.outputs import WorkflowOpened
from app.service.logging import configure_logging
from app.service.settings import load_settings
from app.wire.codec import Codec, encode_key
from app.wire.partitioner import murmur2_partition
from bench.load import load
from bench.reengage import worker
from bench.site import PARTITIONS, PLAYBOOKS, opened_site

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from app.domain.events import Input
    from bench.process import Contender
    from bench.site import Site

COMPANY = "acme"
WANTED_P99_MS = 250
WARM_UP_S = 5
AFTER_S = 10
ANSWER_TIMEOUT_S = 60.0
WAITS_TIMEOUT_S = 300.0

HIGH_INTENT = """
kind = "high_intent"
deep_link = "https://example.com/{{step}}"
release = "{release_s}s"
nudges = [{{ after = "1h" }}]
"""


@dataclass(frozen=True)
class Wave:
    """What one run came to; milliseconds.

    Attributes:
        before, during: p50, p99 and the longest of the live answers before the company came back, and during the release.
        told: members told, `repeated` of them more than once.
        wrong: told with another instant than their own offset after the company came back.
        tenths: how many were told for each tenth of the span, by their instants.
        lags: p50, p99 and the longest time from a member's instant until its answer was appended.
    """

    before: tuple[float, float, float]
    during: tuple[float, float, float]
    told: int
    repeated: int
    wrong: int
    tenths: list[int]
    lags: tuple[float, float, float]


class Live:
    """Sends numbered events, and notes when the answer to each is read; beside them, who is told of the company."""

    def __init__(self, site: Site, producer: AIOKafkaProducer, consumer: AIOKafkaConsumer) -> None:
        self.sent_s: list[float] = []
        self.read_s: dict[int, float] = {}
        self.told: list[tuple[str, int, int]] = []
        """(member, occurred_at, append time) of each `CompanyUp`."""
        self._site = site
        self._producer = producer
        self._consumer = consumer
        self._codec = Codec()

    async def send(self, seconds: float, rate_per_s: int) -> None:
        """Send events, evenly spread; one that is late is sent at once."""
        started_s = time.perf_counter()
        for number in range(round(seconds * rate_per_s)):
            ahead_s = started_s + number / rate_per_s - time.perf_counter()
            if ahead_s > 0:
                await asyncio.sleep(ahead_s)
            place = len(self.sent_s)
            activity = happened(f"live-{place}", f"live{place:08d}", "article.read", {}, now_ms())
            self.sent_s.append(time.perf_counter())
            await self.put(activity)

    async def put(self, record: Input) -> None:
        """Send one record."""
        key = encode_key(getattr(record, record.key_field))
        topic, partition = f"{self._site.prefix}{record.topic}", murmur2_partition(key, PARTITIONS)
        await self._producer.send(topic, self._codec.encode(record), key=key, partition=partition)

    async def read(self) -> None:
        """Note what is read until cancelled."""
        while True:
            found = await self._consumer.getmany(timeout_ms=1_000)
            read_s = time.perf_counter()
            for raw in chain.from_iterable(found.values()):
                topic = raw.topic.removeprefix(self._site.prefix)
                record = self._codec.decode(topic, raw.key, raw.value, raw.timestamp)
                if isinstance(record, CompanyUp):
                    self.told.append((record.member_id, record.occurred_at, raw.timestamp))
                elif record.cause.startswith("live-"):
                    self.read_s.setdefault(int(record.cause.removeprefix("live-")), read_s)

    def waits_ms(self, first: int, last: int) -> list[float]:
        """How long the answers to these events took, the shortest first."""
        return sorted((self.read_s[n] - self.sent_s[n]) * 1000 for n in range(first, last))


def main(
    *,
    members: Annotated[int, typer.Option(min=1, help="Members who wait for the company.")] = 100_000,
    release: Annotated[int, typer.Option(min=1, help="Seconds within which they are released.")] = 900,
    rate: Annotated[int, typer.Option(min=1, help="Live events a second meanwhile.")] = 1_000,
) -> None:
    """Measure live latency while a company's waiting members are released, and whether they are as configured.

    Uses the broker in REENGAGE_BROKER or the one kept by `reengage broker start`, else starts its own. Exit code 1 when
    the 99th percentile is above 250 ms, or a member was not told exactly once at its own instant.
    """
    console = Console(stderr=True)
    configure_logging(load_settings())
    with tempfile.TemporaryDirectory(prefix="reengage-bench-") as name:
        folder = Path(name)
        with console.status("starting") as status, running_broker(folder) as broker:
            playbooks = write_playbooks(folder / "playbooks", release)
            with opened_site(broker, folder, "company", "exactly_once", playbooks) as site:
                status.update(f"{members:,} members begin to wait")
                asyncio.run(load(site, waiting(members), PARTITIONS))
                with worker(site) as process:
                    wave = asyncio.run(measure(site, process, members, release, rate))
    raise typer.Exit(0 if report(wave, members, release) else 1)


async def measure(site: Site, process: Contender, members: int, release_s: int, rate: int) -> Wave:
    """Wait until everybody waits, then send live events before, during and a little after the release."""
    options = site.settings.client_options()
    producer = AIOKafkaProducer(**options, acks="all", linger_ms=0)
    consumer = AIOKafkaConsumer(
        **options, isolation_level="read_committed", enable_auto_commit=False, auto_offset_reset="earliest"
    )
    await asyncio.gather(producer.start(), consumer.start())
    live = Live(site, producer, consumer)
    topics = WorkflowOpened.topic, CompanyUp.topic
    consumer.assign([TopicPartition(f"{site.prefix}{name}", n) for name in topics for n in range(PARTITIONS)])
    reading = asyncio.create_task(live.read())
    try:
        await all_wait(site, process, members)
        await live.send(WARM_UP_S, rate)
        first = len(live.sent_s)
        await live.send(AFTER_S, rate)
        up_ms, back = now_ms(), len(live.sent_s)
        await live.put(
            CompanyStatus(event_id="back", company_id=COMPANY, occurred_at=up_ms, status="OPERATIONAL")
        )
        await live.send(release_s + AFTER_S, rate)
        last = len(live.sent_s)
        await until(process, lambda: len(live.read_s) == last, ANSWER_TIMEOUT_S, "all live answers")
        await until(process, lambda: len(live.told) >= members, ANSWER_TIMEOUT_S, "all members being told")
    finally:
        reading.cancel()
        with suppress(asyncio.CancelledError):
            await reading
        await asyncio.gather(producer.stop(), consumer.stop())
    before, during = live.waits_ms(first, back), live.waits_ms(back, last)
    return wave_of(live.told, up_ms, release_s * 1_000, spread(before), spread(during))


def wave_of(
    told: Sequence[tuple[str, int, int]],
    up_ms: int,
    release_ms: int,
    before: tuple[float, float, float],
    during: tuple[float, float, float],
) -> Wave:
    """What the answers to the members say."""
    times = Counter(member for member, _, _ in told)
    tenths = Counter((at_ms - up_ms) * 10 // release_ms for _, at_ms, _ in told)
    return Wave(
        before=before,
        during=during,
        told=len(times),
        repeated=sum(count > 1 for count in times.values()),
        wrong=sum(at_ms != up_ms + offset_ms(rank_of(member), release_ms) for member, at_ms, _ in told),
        tenths=[tenths[tenth] for tenth in range(10)],
        lags=spread(sorted(appended_ms - at_ms for _, at_ms, appended_ms in told)),
    )


async def all_wait(site: Site, process: Contender, members: int) -> None:
    """Until every member waits, and the company has heard of it: it has then committed beyond their records."""
    settings, codec = site.settings, Codec()
    consumer = AIOKafkaConsumer(**settings.client_options(), isolation_level="read_committed")
    journal = f"{site.prefix}internal-journal"
    places = [TopicPartition(journal, number) for number in range(PARTITIONS)]
    taken: dict[int, int] = {}
    await consumer.start()
    try:
        consumer.assign(places)
        await consumer.seek_to_beginning(*places)

        async def heard() -> bool:
            found = await consumer.getmany(timeout_ms=500)
            for raw in chain.from_iterable(found.values()):
                entry: Any = codec.decode("internal-journal", raw.key, raw.value, raw.timestamp)
                if entry.processor == "companies":
                    taken[raw.partition] = entry.offsets.get(CompanyWait.topic, 0)
            return sum(taken.values()) >= members

        deadline_s = time.monotonic() + WAITS_TIMEOUT_S
        while not await heard():
            process.check()
            if time.monotonic() > deadline_s:
                raise process.failed(f"{sum(taken.values())} of {members} wait after {WAITS_TIMEOUT_S:.0f} s")
    finally:
        await consumer.stop()


async def until(process: Contender, condition: Any, timeout_s: float, what: str) -> None:
    """Until a condition holds. Raises UserError `contender-failed` when it does not in time."""
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        process.check()
        if time.monotonic() > deadline_s:
            raise process.failed(f"{what} did not come in {timeout_s:.0f} s")
        await asyncio.sleep(0.2)


def waiting(members: int) -> Iterator[Input]:
    """Members who see the maintenance page of one company, and leave."""
    at_ms = now_ms()
    page = {"name": "Viewed Under Maintenance Page", "company_id": COMPANY, "step": "login"}
    for number in range(members):
        member = f"w{number:07d}"
        yield happened(f"seen {member}", member, "transact.interaction", page, at_ms)
        yield happened(f"left {member}", member, "transact.closed", {}, at_ms)


def happened(event_id: str, member: str, kind: str, attributes: dict[str, Any], at_ms: int) -> Activity:
    """One activity in the app."""
    return Activity(
        event_id=event_id,
        member_id=member,
        occurred_at=at_ms,
        type=kind,
        channel="APP",
        attributes=attributes,
    )


def write_playbooks(folder: Path, release_s: int) -> Path:
    """The shipped re-engager, for the live events, and a high-intent playbook that releases as asked for."""
    folder.mkdir()
    for file in PLAYBOOKS.glob("*.toml"):
        (folder / file.name).write_bytes(file.read_bytes())
    (folder / "transact.toml").write_text(HIGH_INTENT.format(release_s=release_s))
    return folder


def report(wave: Wave, members: int, release_s: int) -> bool:
    """Print what came of it; whether it is what was wanted."""
    for name, found in (("before it came back", wave.before), ("while they are released", wave.during)):
        print(f"live answers {name}: p50 {found[0]:.0f} ms, p99 {found[1]:.0f} ms, longest {found[2]:.0f} ms")
    print(f"told: {wave.told:,} of {members:,} within {release_s} s, {wave.repeated} more than once")
    print(f"at another instant than their own: {wave.wrong}")
    print(f"by tenths of the span: {', '.join(f'{count:,}' for count in wave.tenths)}")
    print(
        f"from the instant to the answer: p50 {wave.lags[0]:.0f} ms, p99 {wave.lags[1]:.0f} ms,"
        f" longest {wave.lags[2]:.0f} ms"
    )
    exact = (wave.told, wave.repeated, wave.wrong) == (members, 0, 0)
    print(f"wanted: live p99 below {WANTED_P99_MS} ms, everybody told once and on time")
    return exact and wave.during[1] < WANTED_P99_MS


def spread(found: Sequence[float]) -> tuple[float, float, float]:
    """p50, p99 and the largest of sorted numbers."""
    return found[len(found) // 2], found[len(found) * 99 // 100], found[-1]


def now_ms() -> int:
    """The wall clock."""
    return time.time_ns() // 1_000_000


@contextmanager
def running_broker(folder: Path) -> Iterator[str]:
    """Bootstrap servers set or kept, else of a broker of our own until the end."""
    located = locate_broker(load_settings().broker)
    if located is not None:
        yield located
        return
    with EmbeddedBroker(folder / "broker", heap_mb=1024, throughput=True) as own:
        yield own.address()


if __name__ == "__main__":
    bench = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
    bench.command()(main)
    try:
        bench(prog_name="python -m bench.company")
    except UserError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
