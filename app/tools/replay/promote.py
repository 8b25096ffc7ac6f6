"""`reengage replay --promote`: state and outputs of a replay become the live ones.

The workers are stopped. Each partition of each processor goes through these steps under a marker in its changelog, each of
its transactions under the worker's own transactional id. Each line says what a crash after it leaves; the same command,
given again, carries on there and ends with the same.

1. every partition is fenced: a worker that still lives writes no more; nothing else has changed;
2. a marker is written to every partition's changelog (`MARKED`): a worker that starts now ends with
   `unfinished-promotion`; what is live still is what it was;
3. members' pages and old states are deleted (`CLEARED`): deleted in part, which is begun anew;
4. the replay's outputs are appended to the live ones (`COPIED`): the marker, written with them, says how far;
5. the old outputs are deleted, up to where the marker says that they ended: deleted in part, which is done again;
6. the replay's states are written to the changelog (`FILLED`): written in part, which is begun anew; equal keys take
   the place of equal keys;
7. when all partitions are filled, each gets the replay's position, and the journal says so (`FLIPPED`): some have
   the new one, some the old, and no worker can start on either;
8. when all are flipped, the markers go: a partition without one is whole, and works; the others follow.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from aiokafka.errors import ProducerFenced

from app.domain.errors import UserError
from app.tools.replay.offsets import ends_of
from app.tools.replay.order import Order
from app.tools.replay.promoted_unit import PromotedUnit

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from app.runtime.position import Position
    from app.runtime.processor import Host, Processor
    from app.tools.replay.meter import Meter
    from app.tools.replay.options import Run
    from app.tools.replay.promotable import Promotable


class Promoting:
    """One call of `--promote`.

    Args:
        live: a worker's host.
        run: the replay, done.
        into: its prefix.
        processors: all of them.
        source: its states.
        meter: told of the records copied and states written.
    """

    def __init__(
        self,
        live: Host,
        run: Run,
        into: str,
        processors: Sequence[Processor],
        source: Promotable,
        meter: Meter,
    ) -> None:
        self._live = live
        self._run = run
        self._into = into
        self._meter = meter
        self._units = [
            PromotedUnit(live, run, into, processor, number, source, meter)
            for processor in processors
            for number in range(live.partitions[processor.changelog])
        ]

    async def unfinished(self) -> bool:
        """Whether any partition carries the marker. Only looks."""
        await asyncio.gather(*(unit.look() for unit in self._units))
        return any(unit.promotion is not None for unit in self._units)

    async def run(self, on_flipped: Callable[[], None]) -> None:
        """All steps, or those that an earlier call has left.

        `on_flipped` is called between the last two steps, and remembers that the others are done: of a run that says
        `promoted`, only the last is.

        Raises UserError `replay-behind`, `other-promotion`, and `fenced` when a worker is started meanwhile.
        """
        try:
            await asyncio.gather(*(unit.open() for unit in self._units))  # 1
            await asyncio.gather(*(unit.look() for unit in self._units))
            if not self._run.promoted:
                await self._exchange()
                on_flipped()
            for unit in self._units:
                await unit.unmark()  # 8
        except ProducerFenced as error:
            hint = "stop it, and give the same command again: the promotion is not finished"
            raise UserError(
                "fenced", f"--into {self._into}", "a worker was started meanwhile", hint
            ) from error
        finally:
            await asyncio.gather(*(unit.close() for unit in self._units))

    async def _exchange(self) -> None:
        self._check_positions()
        for unit in self._units:
            await unit.mark()  # 2
        sources = [place for unit in self._units for place in unit.sources]
        outputs = await ends_of(self._live.client_options, sources)
        self._meter.begin("promoting", sum(outputs.values()))
        for unit in self._units:
            await unit.clear()  # 3
            await unit.copy()  # 4
            await unit.delete_old()  # 5
            await unit.fill()  # 6
        for unit in self._units:
            await unit.flip()  # 7
        self._meter.end()

    def _check_positions(self) -> None:
        """What followed the journal must have followed it to its end: the crossings under way are the live ones."""
        if self._run.order is not Order.JOURNAL:
            return
        for unit in self._units:
            live, replayed = unit.old_position, unit.new_position({})
            if unit.promotion is None and _standing(live) != _standing(replayed):
                hint = "replay again, with the workers stopped, and then promote"
                raise UserError(
                    "replay-behind", unit.name, "the live partition stands elsewhere than the replay", hint
                )


def _standing(position: Position) -> tuple[object, ...]:
    return position.offsets, position.time_ms, position.mark
