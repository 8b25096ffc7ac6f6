"""`reengage` with faults: `python faults.py '{"crash_at": "committed", "crash_after": 3}' worker --until-drained`.

The worker is the real one. It ends itself with SIGKILL where it is told to, or freezes there; and small numbers in place
of the real bounds make a short history meet every edge: batches of a few records, a few wakes a batch, hardly anything in
memory, a session of a second.
"""

import asyncio
import dataclasses
import os
import signal
import sys
import time
from collections import deque
from functools import partialmethod
from pathlib import Path
from typing import Any

import msgspec

STEPS = ("decided", "outputs", "states", "produced", "committing", "committed", "written")
"""Where a commit can be cut off, in its order; see `commits.py`.

`decided`, `committed`, `written` are the worker's own. `outputs`: the outputs are being sent, no state is. `states`:
the states are sent, the position is not (at_least_once only). `produced`: everything is acknowledged, the transaction
is not ended. `committing`: the broker has been asked to commit, its answer has not come (exactly_once only, as before).
"""

STEPS_OF = {
    "exactly_once": tuple(step for step in STEPS if step != "states"),
    "at_least_once": tuple(step for step in STEPS if step not in ("produced", "committing")),
}
"""The steps that a guarantee has."""

OPTION_OF = {"heartbeat_ms": "heartbeat_interval_ms", "session_ms": "session_timeout_ms"}
"""Of aiokafka's consumer, by what stands for it in `Faults`."""

FEW = {"batch": 12, "wakes": 3, "slice": 4, "cached": 8}
"""Bounds so small that a short history meets every edge."""


class Faults(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True):
    """What is to go wrong, and how small the worker's bounds are; a bound left out is the real one.

    crash_at: one of `STEPS`; crash_after: at which occurrence in this process, from 1; freeze: it does not end there, but
    stops (SIGSTOP) until somebody sends SIGCONT.
    slow_ms: how long a commit waits for a broker that answers slowly, half of it with the transaction open.
    replayed: records of a replay's transaction.
    batch: records, decided with pauses and one batch ahead; wakes: silent members woken in a batch; slice: deadlines read at once; cached: members in memory.
    heartbeat_ms, session_ms: of the consumer group; transaction_ms: after which a transaction is aborted, and a request
    to a broker given up.
    short: changelog offsets that may be left to restore when a partition is taken over while another holds its state.
    memtable: bytes RocksDB gathers before it writes a file, 65,536 at least; buffered: bytes an input may have buffered.
    clock: a file that says by how many ms the wall clock is wrong.
    withheld: an input whose records, fetched as ever, reach the merge only `withheld_takes` takes later.
    bug: a type of activity over which the rules stumble, when they have changed the member.
    """

    crash_at: str = ""
    crash_after: int = 1
    freeze: bool = False
    slow_ms: int = 0
    batch: int = 0
    wakes: int = 0
    slice: int = 0
    cached: int = 0
    replayed: int = 0
    heartbeat_ms: int = 0
    session_ms: int = 0
    transaction_ms: int = 0
    short: int = 0
    memtable: int = 0
    buffered: int = 0
    clock: str = ""
    withheld: str = ""
    withheld_takes: int = 0
    bug: str = ""

    def dump(self) -> str:
        return msgspec.json.encode(self).decode()


class Crash:
    """Ends or freezes the process at the step's n-th occurrence."""

    def __init__(self, faults: Faults) -> None:
        self._step = faults.crash_at
        self._left = faults.crash_after
        self._signal = signal.SIGSTOP if faults.freeze else signal.SIGKILL

    def at(self, step: str) -> None:
        if self.hits(step):
            self.strike()

    def strike(self) -> None:
        os.kill(os.getpid(), self._signal)

    def hits(self, step: str) -> bool:
        if step != self._step:
            return False
        self._left -= 1
        return self._left == 0


def inject_crash(crash: Crash) -> None:
    """Call `crash` at every step."""
    from app.runtime.hosting.producer import Producer
    from app.runtime.layout import POSITION_KEY
    from app.service import worker

    make_host, send, commit = worker.make_host, Producer.send, Producer.commit

    async def make_host_that_crashes(*arguments: Any, **options: Any) -> Any:
        return dataclasses.replace(await make_host(*arguments, **options), crash_point=crash.at)

    async def send_and_crash(self: Producer, rows: Any) -> Any:
        states = {where: each for where, each in rows.items() if "changelog" in where[0]}
        ends = {}
        for each in states.values():
            only_position = len(each) == 1 and each[0][0] == POSITION_KEY
            if crash.hits("states" if only_position else "outputs"):
                # In a transaction all go together; a broker may have taken the outputs by then, and not the states.
                ends = await send(self, {where: each for where, each in rows.items() if where not in states})
                rows = states
                crash.strike()
        return ends | await send(self, rows)

    async def commit_and_crash(self: Producer) -> None:
        crash.at("produced")
        if not crash.hits("committing"):
            await commit(self)
            return
        answer = asyncio.ensure_future(commit(self))
        await asyncio.wait({answer}, timeout=0.001)
        crash.strike()
        await answer

    worker.make_host = make_host_that_crashes
    Producer.send = send_and_crash  # type: ignore[method-assign]
    Producer.commit = commit_and_crash  # type: ignore[method-assign]


def slow_down(seconds: float) -> None:
    """Have every commit take so much longer: half of it before the states are sent, half of it after the broker's answer."""
    from app.runtime.hosting.producer import Producer
    from app.runtime.writer import Writer

    send, commit = Producer.send, Writer.commit

    async def send_late(self: Producer, rows: Any) -> Any:
        if any("changelog" in topic for topic, _ in rows):
            await asyncio.sleep(seconds / 2)
        return await send(self, rows)

    async def commit_and_hear_late(self: Writer, outgoing: Any) -> int:
        end = await commit(self, outgoing)
        await asyncio.sleep(seconds / 2)
        return end

    Producer.send = send_late  # type: ignore[method-assign]
    Writer.commit = commit_and_hear_late  # type: ignore[method-assign]


def shrink(faults: Faults) -> None:  # noqa: C901  one bound after the other
    """Set the bounds that are given."""
    from app.runtime import deadlines, deciding, partition, remembered, sweep, writer
    from app.runtime.merge import Merge
    from app.service import worker

    for name in ("heartbeat_ms", "session_ms"):
        if value := getattr(faults, name):
            worker.CONSUMER_OPTIONS[OPTION_OF[name]] = value
    if faults.transaction_ms:
        writer.Writer.__init__.__kwdefaults__["timeout_ms"] = faults.transaction_ms

    if faults.batch:
        Merge.take = partialmethod(Merge.take, limit=faults.batch)  # type: ignore[assignment,method-assign]
        deciding.SLICE = partition.SLICE = max(1, faults.batch // 3)
        partition.LARGE_BATCH = max(2, faults.batch // 2)
    if faults.wakes:
        deciding.WAKES_PER_BATCH = faults.wakes
    if faults.slice:
        deadlines.SLICE = faults.slice
        sweep.SWEEP_SLICE = faults.slice
    if faults.cached:
        remembered.CACHED_ENTITIES = faults.cached
    if faults.short:
        from app.runtime import shares, standbys

        shares.SHORT_OFFSETS = faults.short
        standbys.WARM_EVERY_S = 0.5
    if faults.memtable:
        shrink_memtables(faults.memtable)
    if faults.buffered:
        shrink_buffers(faults.buffered)
    if faults.replayed:
        from app.tools.replay import event_time, target

        target.COMMIT_RECORDS = event_time.COMMIT_RECORDS = faults.replayed


def shrink_memtables(size_bytes: int) -> None:
    """Have a short history fill files, as a long one does."""
    from app.runtime import store

    usual = store.open_options

    def options(*shared: Any) -> Any:
        made = usual(*shared)
        made.set_write_buffer_size(size_bytes)
        return made

    store.open_options = options


def shrink_buffers(size_bytes: int) -> None:
    """Bound what an input has buffered; say when one is full, and end the process if it is fed all the same."""
    from app.runtime import merge
    from app.runtime.hosting import fetching

    merge.MAX_BUFFERED_BYTES = size_bytes
    fetching.FETCH_BYTES = fetching.ANSWER_BYTES = size_bytes // 4
    feed = merge.Merge.feed

    def watched(self: merge.Merge, topic: str, records: Any, size: int, clock: int) -> None:
        if self.full(topic):
            print(f"overfed: {topic}", file=sys.stderr, flush=True)
            os._exit(1)
        feed(self, topic, records, size, clock)
        if self.full(topic):
            print(f"full: {topic}", file=sys.stderr, flush=True)

    merge.Merge.feed = watched  # type: ignore[method-assign]


def bend_clock(path: Path) -> None:
    """Let the wall clock be wrong by what the file says, from one moment to the next; clocks that only count go on."""
    now_ns = time.time_ns

    def bent_ns() -> int:
        return now_ns() + (int(path.read_text()) * 1_000_000 if path.exists() else 0)

    time.time_ns = bent_ns
    time.time = lambda: bent_ns() / 1e9


def withhold(topic: str, takes: int) -> None:
    """Let an input's records, and what is known of its end, arrive late; all others are there at once."""
    from app.runtime.evidence import Evidence
    from app.runtime.hosting.fetched import Fetched
    from app.runtime.hosting.fetching import Fetching

    take, count = Fetching.take, 0
    under_way = deque[tuple[int, Any, Fetched]]()
    known: dict[Evidence, Evidence] = {}
    """What the brokers say, and what is said of it: as late as the records."""
    steps = deque[tuple[int, Evidence, tuple[int, int]]]()

    def late(self: Fetching) -> Any:
        nonlocal count
        count += 1
        taken = take(self)
        for where in [where for where in taken if where.topic.endswith(f"-{topic}")]:
            fetched = taken.pop(where)
            if fetched.drained is not None:
                fetched = fetched._replace(drained=known.setdefault(fetched.drained, Evidence()))
            under_way.append((count + takes, where, fetched))
        steps.extend((count + takes, said, (now.number, now.sent_ms)) for now, said in known.items())
        while under_way and under_way[0][0] <= count and under_way[0][1] not in taken:
            _, where, fetched = under_way.popleft()
            taken[where] = fetched
        held_back = under_way[0][0] if under_way else count + 1
        while steps and steps[0][0] <= min(count, held_back - 1):
            _, said, (said.number, said.sent_ms) = steps.popleft()
        return taken

    Fetching.take = late  # type: ignore[method-assign]


def stumble(kind: str) -> None:
    """Give the rules a bug."""
    from app.domain.members import MemberCore

    apply = MemberCore.apply

    def stumbling(self: MemberCore, entity: Any, record: Any, sink: Any) -> bool:
        kept = apply(self, entity, record, sink)
        if getattr(record, "type", None) == kind:
            raise ZeroDivisionError(f"the bug of {record.event_id}")
        return kept

    MemberCore.apply = stumbling  # type: ignore[method-assign]


if __name__ == "__main__":
    asked = msgspec.json.decode(sys.argv.pop(1), type=Faults)
    if asked.clock:
        bend_clock(Path(asked.clock))
    shrink(asked)
    if asked.slow_ms:
        slow_down(asked.slow_ms / 1000)
    if asked.withheld:
        withhold(asked.withheld, asked.withheld_takes)
    if asked.bug:
        stumble(asked.bug)
    if asked.crash_at:
        inject_crash(Crash(asked))

    from app.cli import main

    main()
