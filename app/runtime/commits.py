"""The commits of one open partition: in the order in which its batches were decided, one at a time.

Commit of one batch; each line says what a crash right after it leaves:

1. decide in memory: nothing has happened;
2. begin a transaction, send outputs, states, position and journal, await every acknowledgement: the next owner aborts
   it, nobody sees it;
3. commit the transaction: done for the world; RocksDB is behind its changelog and is caught up on opening;
4. one RocksDB WriteBatch: done here too.

The first is `deciding.Decider`'s, the second and third are `writer.Writer`'s. The next batch is decided while one commits.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.runtime.deciding import Decided
    from app.runtime.processor import Host
    from app.runtime.store import Store
    from app.runtime.writer import Writer


class Commits:
    """Runs on the partition's event loop, driven by its task alone.

    Args:
        name: of the partition, for its tasks.
        writer, store: of the partition, both open.
        on_end: called when a commit has ended, well or not; `finish` then tells how.
        on_free: called when the next transaction may begin.
        on_committed: called as (decided, seconds) with each batch that is written everywhere.

    Attributes:
        settled: set while nothing decided waits to be committed, and once the partition is given up.
        is_free: whether the next transaction may begin.
        last_ms: wall time of the last commit; 0 before the first.
        records: input records committed so far.
    """

    def __init__(
        self,
        host: Host,
        name: str,
        writer: Writer,
        store: Store[Any],
        on_end: Callable[[], None],
        on_free: Callable[[], None],
        on_committed: Callable[[Decided, float], None],
    ) -> None:
        self._host = host
        self._name = name
        self._writer = writer
        self._store = store
        self._on_end = on_end
        self._on_free = on_free
        self._on_committed = on_committed
        self._under_way: asyncio.Task[None] | None = None
        self._free_s = 0.0
        self._freeing: asyncio.TimerHandle | None = None
        self.is_free = True
        self.settled = asyncio.Event()
        self.settled.set()
        self.last_ms = 0
        self.records = 0

    async def begin(self, decided: Decided) -> None:
        """Begin to commit the batch decided last, once the one before it has ended; raises what ended that one."""
        self.settled.clear()
        self._be_busy()
        if self._under_way is not None:
            await asyncio.wait({self._under_way})
            self._take_result()
        wait_s = self._free_s - asyncio.get_running_loop().time()
        if wait_s > 0:
            await asyncio.sleep(wait_s)
        self._under_way = asyncio.create_task(self._commit(decided), name=f"commit {self._name}")
        self._under_way.add_done_callback(lambda _task: self._on_end())
        await asyncio.sleep(0)

    def finish(self) -> bool:
        """Whether a commit has ended since last asked, with nothing decided after it; raises what it ended by."""
        if self._under_way is None or not self._under_way.done():
            return False
        self._take_result()
        self.settled.set()
        loop = asyncio.get_running_loop()
        self._freeing = loop.call_later(max(self._free_s - loop.time(), 0), self._be_free)
        return True

    async def cancel(self) -> None:
        """Stop waiting for the brokers. They finish the transaction under way, or the next owner aborts it."""
        self._be_busy()
        if self._under_way is not None:
            self._under_way.cancel()
            await asyncio.gather(self._under_way, return_exceptions=True)

    def _be_busy(self) -> None:
        self.is_free = False
        if self._freeing is not None:
            self._freeing.cancel()
            self._freeing = None

    def _be_free(self) -> None:
        # Said once, by a timer: a clock of whole milliseconds that is looked at again may show a little less than was waited for.
        self.is_free = True
        self._on_free()

    def _take_result(self) -> None:
        ended, self._under_way = self._under_way, None
        if ended is not None:
            ended.result()

    async def _commit(self, decided: Decided) -> None:
        """Steps 2 to 4 for one batch."""
        loop, host = asyncio.get_running_loop(), self._host
        started_s = loop.time()
        host.crash_point("decided")
        end = await self._writer.commit(decided.outgoing)  # 2, 3
        host.crash_point("committed")
        self._store.write(decided.sealed, decided.outgoing.position, end)  # 4
        host.crash_point("written")
        ended_s = loop.time()
        self._free_s = ended_s + self._writer.spacing_s
        self.last_ms = host.now_ms()
        self.records += decided.records
        self._on_committed(decided, ended_s - started_s)
