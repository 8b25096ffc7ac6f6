"""What one worker costs for each partition, idle and busy: memory, processor time, transactions, and bytes in the logs.

Bytes are those of the log files of the bench's own broker, transaction markers included.
"""

from __future__ import annotations

import asyncio
import random
import time
import urllib.error
import urllib.request
from collections import Counter
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from prometheus_client.parser import text_string_to_metric_families

from app.domain.events import Activity
from app.domain.outputs import WorkflowOpened
from app.service.worker import free_port
from app.wire.topics import JOURNAL, changelog_of, load_topics
from bench.latency import WARM_UP_S
from bench.live import Waits, opened_line
from bench.load import load
from bench.reengage import worker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from bench.process import Contender
    from bench.site import Site

COMMITS = "reengage_commit_seconds_count"
LAG = "reengage_lag_records"
POLL_S = 0.1
READY_TIMEOUT_S = 120.0
DRAINED_TIMEOUT_S = 60.0
SETTLE_S = 5.0
IDLE_S = 10.0
PAUSE_S = 10
"""Between two events of a member, on average: its page has rested by then."""

NEW_EVERY = 20
"""Events, of which one is the first of a new member: what that opens is what is waited for."""

DAY_S = 86_400

INPUTS, OUTPUTS, CHANGELOG, JOURNALS = "inputs", "outputs", "changelog", "journal"


class Window(NamedTuple):
    """What a worker used over some time; `log_bytes` what the broker's logs grew by, by kind."""

    seconds: float
    cores: float
    rss_bytes: int
    commits: int
    log_bytes: Mapping[str, int]

    @property
    def commits_per_s(self) -> float:
        """Transactions a second, of all the members' partitions together."""
        return self.commits / self.seconds


class WorkerCost(NamedTuple):
    """A worker of so many partitions of each processor, first idle, then with `events` that came evenly."""

    partitions: int
    idle: Window
    busy: Window
    events: int
    p50_ms: float
    p99_ms: float

    @property
    def events_per_s(self) -> float:
        """The rate at which they came."""
        return self.events / self.busy.seconds

    def bytes_per_event(self, kind: str) -> float:
        """What an event adds to the logs of a kind."""
        return self.busy.log_bytes[kind] / self.events

    @property
    def journal_bytes_per_commit(self) -> float:
        """What a transaction adds to the journal; 0 when there was none."""
        return self.busy.log_bytes[JOURNALS] / self.busy.commits if self.busy.commits else 0.0

    @property
    def journal_bytes_per_day(self) -> float:
        """What the journal would grow by in a day like this."""
        return self.busy.log_bytes[JOURNALS] / self.busy.seconds * DAY_S


def slope(points: Iterable[tuple[float, float]]) -> tuple[float, float]:
    """Least squares through points (x, y): y at 0, and how much y grows with each x. At least two different x."""
    points = list(points)
    mean_x = sum(x for x, _ in points) / len(points)
    mean_y = sum(y for _, y in points) / len(points)
    each = sum((x - mean_x) * (y - mean_y) for x, y in points) / sum((x - mean_x) ** 2 for x, _ in points)
    return mean_y - each * mean_x, each


def measure_worker(
    site: Site, broker_folder: Path, partitions: int, rate: int, seconds: int, say: Callable[[str], None]
) -> WorkerCost:
    """Start a worker on a fresh site, look at it idle, then at `rate` events a second. Blocks: `seconds` and about 30 s.

    `broker_folder` is where the bench's own broker keeps its logs. Raises UserError `contender-failed`.
    """
    port = free_port()
    say(f"{partitions} partitions: starting")
    with worker(site, "--port", str(port)) as running:
        watch = _Watch(site, running, port, broker_folder)
        watch.until_ready()
        say(f"{partitions} partitions: idle")
        time.sleep(SETTLE_S)
        watch.begin()
        time.sleep(IDLE_S)
        idle = watch.end()
        say(f"{partitions} partitions: {rate:,} events a second")
        probe = asyncio.run(_send(site, watch, partitions, rate, seconds))
        busy = watch.end()
        running.stop()
    waits = Waits(probe.waits_ms())
    return WorkerCost(partitions, idle, busy, rate * seconds, waits.share(50), waits.share(99))


async def _send(site: Site, watch: _Watch, partitions: int, rate: int, seconds: int) -> _Probe:
    """Make the members known, warm up, begin the watch, send, and wait until all is applied."""
    members = rate * PAUSE_S
    await load(site, (_activity(f"k{number}", number) for number in range(members)), partitions)
    await asyncio.to_thread(watch.until_drained)
    warm, count = WARM_UP_S * rate, seconds * rate
    events = (
        partial(_activity, f"e{number}", who) for number, who in enumerate(whose(warm + count, members))
    )
    probe = _Probe(warm)
    async with opened_line(site, watch.running, [WorkflowOpened.topic], probe.hear, partitions) as line:
        probe.sent_s += await line.send_evenly(islice(events, warm), rate)
        watch.begin()
        probe.sent_s += await line.send_evenly(events, rate)
        await asyncio.to_thread(watch.until_drained)
    return probe


def whose(events: int, members: int) -> Iterator[int]:
    """Which member each event is of: one of those known, and every so often another, known from then on to nobody."""
    draw = random.Random(7).randrange
    for number in range(events):
        yield draw(members) if number % NEW_EVERY else members + number


def _activity(event_id: str, member: int) -> Activity:
    return Activity(
        event_id=event_id,
        member_id=f"m{member:07d}",
        occurred_at=time.time_ns() // 1_000_000,
        type="article.read",
        channel="APP",
    )


class _Probe:
    """Numbered events, and when what they opened was read; perf_counter seconds."""

    def __init__(self, warm: int) -> None:
        self.sent_s: list[float] = []
        self._read_s: dict[int, float] = {}
        self._warm = warm

    def hear(self, opened: Any, read_s: float) -> None:
        """Note an output: its cause is the number of its event, behind `e`, or it made the members known."""
        if opened.cause.startswith("e"):
            self._read_s.setdefault(int(opened.cause[1:]), read_s)

    def waits_ms(self) -> Iterator[float]:
        """From sending to reading, of the events after the warm-up that opened something."""
        for number, read_s in self._read_s.items():
            if number >= self._warm:
                yield (read_s - self.sent_s[number]) * 1000


class _Watch:
    """A running worker, seen through its pages, its process and the broker's logs."""

    def __init__(self, site: Site, running: Contender, port: int, broker_folder: Path) -> None:
        self.running = running
        self._prefix = site.prefix
        self._address = f"http://127.0.0.1:{port}"
        self._broker_folder = broker_folder

    def begin(self) -> None:
        """From here on."""
        self._commits, self._bytes = self._metric(COMMITS), log_bytes(self._broker_folder, self._prefix)
        self._began_ms = time.time() * 1000

    def end(self) -> Window:
        """What was used since `begin`."""
        ended_ms = time.time() * 1000
        grown = log_bytes(self._broker_folder, self._prefix)
        grown.subtract(self._bytes)
        # The last sample of the process is a little old; one more follows within its interval.
        time.sleep(2 * POLL_S)
        return Window(
            seconds=(ended_ms - self._began_ms) / 1000,
            cores=self.running.cpu_s(self._began_ms, ended_ms) / (ended_ms - self._began_ms) * 1000,
            rss_bytes=self.running.rss_bytes,
            commits=round(self._metric(COMMITS) - self._commits),
            log_bytes=grown,
        )

    def until_ready(self) -> None:
        """Until the worker says that it is. Raises UserError `contender-failed`."""
        self._until(self._ready, READY_TIMEOUT_S, "was not ready")

    def until_drained(self) -> None:
        """Until nothing is left to apply. Raises UserError `contender-failed`."""
        self._until(lambda: self._metric(LAG) == 0, DRAINED_TIMEOUT_S, "was still behind")

    def _until(self, holds: Callable[[], bool], timeout_s: float, problem: str) -> None:
        deadline_s = time.monotonic() + timeout_s
        while not holds():
            self.running.check()
            if time.monotonic() > deadline_s:
                raise self.running.failed(f"{problem} after {timeout_s:.0f} s")
            time.sleep(POLL_S)

    def _ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self._address}/health", timeout=READY_TIMEOUT_S):  # noqa: S310  loopback
                return True
        except (urllib.error.URLError, ConnectionError):
            return False

    def _metric(self, name: str) -> float:
        with urllib.request.urlopen(f"{self._address}/metrics", timeout=READY_TIMEOUT_S) as page:  # noqa: S310  loopback
            return total(page.read().decode(), name)


def total(page: str, name: str) -> float:
    """The sum of a metric's samples of the members' processor on a page of metrics."""
    return sum(
        sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
        if sample.name == name and sample.labels.get("processor") == "members"
    )


def log_bytes(broker_folder: Path, prefix: str) -> Counter[str]:
    """How large the logs below a broker's folder are of the topics under a prefix, by kind; empty where there are none."""
    kinds = {topic.name: OUTPUTS if topic.role == "output" else INPUTS for topic in load_topics().values()}
    kinds |= {changelog_of(processor): CHANGELOG for processor in ("members", "companies", "desk", "digests")}
    kinds[JOURNAL] = JOURNALS
    found: Counter[str] = Counter(dict.fromkeys((INPUTS, OUTPUTS, CHANGELOG, JOURNALS), 0))
    for segment in broker_folder.rglob(f"{prefix}*/*.log"):
        topic = segment.parent.name.removeprefix(prefix).rpartition("-")[0]
        if topic in kinds:
            found[kinds[topic]] += segment.stat().st_size
    return found
