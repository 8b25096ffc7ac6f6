"""`reengage` with faults: `python faults.py '{"crash_at": "committed", "crash_after": 3}' worker --until-drained`.

The worker is the real one. It ends itself with SIGKILL where it is told to, and small numbers in place of the real
bounds make a short history meet every edge: batches of a few records, a few wakes a batch, hardly anything in memory.
"""

import asyncio
import dataclasses
import os
import signal
import sys
from functools import partialmethod
from typing import Any

import msgspec

STEPS = ("decided", "outputs", "states", "produced", "committing", "committed", "written")
"""Where a commit can be cut off, in its order; see `partition.Partition`.

`decided`, `committed`, `written` are the worker's own. `outputs`: the outputs are being sent, no state is. `states`:
the states are sent, the position is not (at_least_once only). `produced`: everything is acknowledged, the transaction
is not ended. `committing`: the broker has been asked to commit, its answer has not come (exactly_once only, as before).
"""

STEPS_OF = {
    "exactly_once": tuple(step for step in STEPS if step != "states"),
    "at_least_once": tuple(step for step in STEPS if step not in ("produced", "committing")),
}
"""The steps that a guarantee has."""

FEW = {"batch": 12, "wakes": 3, "slice": 4, "cached": 8}
"""Bounds so small that a short history meets every edge."""


class Faults(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True):
    """What is to go wrong, and how small the worker's bounds are; a bound left out is the real one.

    crash_at: one of `STEPS`; crash_after: at which occurrence in this process, from 1.
    replayed: records of a replay's transaction.
    batch: records; wakes: silent members woken in a batch; slice: deadlines read at once; cached: members in memory.
    """

    crash_at: str = ""
    crash_after: int = 1
    batch: int = 0
    wakes: int = 0
    slice: int = 0
    cached: int = 0
    replayed: int = 0

    def dump(self) -> str:
        return msgspec.json.encode(self).decode()


class Crash:
    """Ends the process at the step's n-th occurrence."""

    def __init__(self, step: str, after: int) -> None:
        self._step = step
        self._left = after

    def at(self, step: str) -> None:
        if self.hits(step):
            os.kill(os.getpid(), signal.SIGKILL)

    def hits(self, step: str) -> bool:
        if step != self._step:
            return False
        self._left -= 1
        return self._left == 0


def inject_crash(crash: Crash) -> None:
    """Call `crash` at every step."""
    from aiokafka import AIOKafkaProducer

    from app.runtime.layout import POSITION_KEY
    from app.runtime.writer import Writer
    from app.service import worker

    make_host, send, commit = worker.make_host, Writer._send, AIOKafkaProducer.commit_transaction

    async def make_host_that_crashes(*arguments: Any, **options: Any) -> Any:
        return dataclasses.replace(await make_host(*arguments, **options), crash_point=crash.at)

    async def send_and_crash(self: Writer, where: Any, rows: Any) -> Any:
        rows = list(rows)
        if where == self._changelog:
            only_position = len(rows) == 1 and rows[0][0] == POSITION_KEY
            crash.at("states" if only_position else "outputs")
        return await send(self, where, rows)

    async def commit_and_crash(self: AIOKafkaProducer) -> None:
        crash.at("produced")
        if crash.hits("committing"):
            answer = asyncio.ensure_future(commit(self))
            await asyncio.wait({answer}, timeout=0.001)
            os.kill(os.getpid(), signal.SIGKILL)
        await commit(self)

    worker.make_host = make_host_that_crashes
    Writer._send = send_and_crash  # type: ignore[method-assign]
    AIOKafkaProducer.commit_transaction = commit_and_crash


def shrink(faults: Faults) -> None:
    """Set the bounds that are given."""
    from app.runtime import deadlines, deciding, store
    from app.runtime.merge import Merge

    if faults.batch:
        Merge.take = partialmethod(Merge.take, limit=faults.batch)  # type: ignore[assignment,method-assign]
    if faults.wakes:
        deciding.WAKES_PER_BATCH = faults.wakes
    if faults.slice:
        deadlines.SLICE = faults.slice
        deciding.SWEEP_SLICE = faults.slice
    if faults.cached:
        store.CACHED_ENTITIES = faults.cached
    if faults.replayed:
        from app.tools.replay import event_time, target

        target.COMMIT_RECORDS = event_time.COMMIT_RECORDS = faults.replayed


if __name__ == "__main__":
    asked = msgspec.json.decode(sys.argv.pop(1), type=Faults)
    shrink(asked)
    if asked.crash_at:
        inject_crash(Crash(asked.crash_at, asked.crash_after))

    from app.cli import main

    main()
