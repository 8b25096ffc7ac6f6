"""One partition of one processor on its way to being promoted; the steps are those of `promote`."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING

from aiokafka import TopicPartition
from aiokafka.admin import RecordsToDelete
from msgspec.structs import replace

from app.broker.topics import admin_client
from app.domain.crossings import JournalEntry
from app.domain.errors import UserError
from app.domain.outputs import MemberSnapshot
from app.runtime.layout import ENTITY, POSITION_KEY, PROMOTION_KEY
from app.runtime.position import Position, dump_position, load_position
from app.runtime.promotion import Promotion, Stage, dump_promotion, load_promotion
from app.runtime.writer import Outgoing, Writer
from app.tools.replay.offsets import Ends, begins_of, ends_of
from app.tools.replay.reading import PROMOTED
from app.tools.replay.sweep import Swept, sweep
from app.wire.topics import CROSSINGS, JOURNAL, load_topics

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence

    from app.runtime.hosting.brokers import Where
    from app.runtime.hosting.record_batch import Row
    from app.runtime.processor import Host, Processor
    from app.tools.replay.meter import Meter
    from app.tools.replay.options import Run
    from app.tools.replay.promotable import Promotable

CHUNK_RECORDS = 20_000
"""Of one transaction."""


class PromotedUnit:
    """One partition of one processor."""

    def __init__(
        self,
        live: Host,
        run: Run,
        into: str,
        processor: Processor,
        number: int,
        source: Promotable,
        meter: Meter,
    ) -> None:
        self.name = f"{processor.name}-{number}"
        self.promotion: Promotion | None = None
        self.old_position = Position()
        self._live = live
        self._run = run
        self._into = into
        self._processor = processor
        self._number = number
        self._source = source
        self._meter = meter
        self._changelog = TopicPartition(live.full_name(processor.changelog), number)
        self._outputs = [
            topic
            for topic in load_topics().values()
            if topic.role == "output" and topic.processor == processor.name
        ]
        self._writer: Writer | None = None

    @property
    def stage(self) -> Stage | None:
        """How far it is; None: not marked."""
        return None if self.promotion is None else self.promotion.stage

    @property
    def sources(self) -> list[TopicPartition]:
        """The outputs it copies."""
        return [TopicPartition(topic.full_name(self._into), self._number) for topic in self._outputs]

    async def look(self) -> None:
        """Read marker and position from the changelog. Raises UserError `other-promotion` for another's marker."""
        end = (await self._ends([self._changelog]))[self._changelog]
        async with aclosing(self._sweep(self._changelog, end)) as swept:
            async for _, rows, _ in swept:
                for _, _, key, value in rows:
                    if key == POSITION_KEY:
                        self.old_position = load_position(value)
                    elif key == PROMOTION_KEY:
                        self.promotion = None if value is None else load_promotion(value)
        if self.promotion is not None and self.promotion.into != self._into:
            hint = f"finish that one first: reengage replay --into {self.promotion.into} --promote"
            raise UserError(
                "other-promotion", self.name, f"the replay into {self.promotion.into} is being promoted", hint
            )

    async def open(self) -> None:
        """Step 1."""
        live = self._live
        transactional_id = f"{live.application}-{self.name}"
        self._writer = Writer(live.client_options, transactional_id, self._changelog.topic, self._number)
        await self._writer.open()

    async def close(self) -> None:
        """Let go of the connection, if there is one."""
        if self._writer is not None:
            await self._writer.close()

    async def mark(self) -> None:
        """Step 2."""
        if self.promotion is not None:
            return
        topics = [topic.name for topic in self._outputs] + [self._processor.changelog]
        internal = [topic for topic in self._processor.inputs if topic in CROSSINGS]
        ends = await self._ends([self._place(topic) for topic in (*topics, *internal)])
        promotion = Promotion(
            self._into,
            Stage.MARKED,
            {topic: ends[self._place(topic)] for topic in topics},
            {topic: ends[self._place(topic)] for topic in internal},
        )
        await self._commit(promotion)

    async def clear(self) -> None:
        """Step 3."""
        promotion = self.promotion
        if promotion is None or promotion.stage >= Stage.CLEARED:
            return
        if MemberSnapshot.topic in promotion.old_ends:
            where = (self._live.full_name(MemberSnapshot.topic), self._number)
            place = self._place(MemberSnapshot.topic)
            async with aclosing(self._sweep(place, promotion.old_ends[MemberSnapshot.topic])) as swept:
                async for _, rows, _ in swept:
                    await self._commit(promotion, {where: _deletions(rows)})
        end = promotion.old_ends[self._processor.changelog]
        async with aclosing(self._sweep(self._changelog, end)) as swept:
            async for _, rows, _ in swept:
                states = [row for row in rows if (row[2] or b"").startswith(ENTITY)]
                await self._commit(promotion, {}, _deletions(states))
        await self._commit(replace(promotion, stage=Stage.CLEARED))

    async def copy(self) -> None:
        """Step 4."""
        if self.promotion is None or self.promotion.stage >= Stage.COPIED:
            return
        for topic in self._outputs:
            source = TopicPartition(topic.full_name(self._into), self._number)
            where = (self._live.full_name(topic.name), self._number)
            end = (await self._ends([source]))[source]
            start = self.promotion.copied.get(topic.name, 0)
            async with aclosing(self._sweep(source, end, start)) as swept:
                async for _, rows, reached in swept:
                    copied = self.promotion.copied | {topic.name: reached}
                    outputs: dict[Where, list[Row]] = {where: [(key, value) for _, _, key, value in rows]}
                    await self._commit(replace(self.promotion, copied=copied), outputs)
                    self._meter.done(len(rows))
        await self._commit(replace(self.promotion, stage=Stage.COPIED))

    async def delete_old(self) -> None:
        """Step 5. A compacted topic forgets by itself what step 3 deleted."""
        if self.promotion is None or self.promotion.stage >= Stage.FILLED:
            return
        compacted = {topic.name for topic in self._outputs if topic.cleanup_policy == "compact"}
        places = [self._place(topic.name) for topic in self._outputs if topic.name not in compacted]
        begins = await begins_of(self._live.client_options, places)
        old = {
            place: RecordsToDelete(self.promotion.old_ends[topic.name])
            for topic in self._outputs
            if (place := self._place(topic.name)) in begins
            and begins[place] < self.promotion.old_ends[topic.name]
        }
        if old:
            async with admin_client(self._live.client_options) as admin:
                await admin.delete_records(old)

    async def fill(self) -> None:
        """Step 6."""
        if self.promotion is None or self.promotion.stage >= Stage.FILLED:
            return
        chunk: list[Row] = []
        for row in self._source.states(self._processor, self._number):
            chunk.append(row)
            if len(chunk) >= CHUNK_RECORDS:
                await self._commit(self.promotion, {}, chunk)
                chunk = []
        await self._commit(replace(self.promotion, stage=Stage.FILLED), {}, chunk)

    async def flip(self) -> None:
        """Step 7."""
        if self.promotion is None or self.promotion.stage >= Stage.FLIPPED:
            return
        position = self.new_position(self.promotion.internal_ends)
        entry = JournalEntry(
            processor=self._processor.name,
            offsets=position.offsets,
            time=position.time_ms,
            mark_due=position.mark[0],
            mark_entity=position.mark[1],
            playbooks_hash=position.playbooks_hash,
            version=self._live.version,
        )
        where = (self._live.full_name(JOURNAL), self._number)
        journal: dict[Where, list[Row]] = {where: [(PROMOTED, self._live.codec.encode(entry))]}
        self.old_position = position
        await self._commit(replace(self.promotion, stage=Stage.FLIPPED), journal)

    async def unmark(self) -> None:
        """Step 8."""
        if self.promotion is not None:
            await self._commit(None)

    def new_position(self, internal_ends: Mapping[str, int]) -> Position:
        """Where the worker will go on; see `Promotable.position`."""
        return self._source.position(self._processor, self._number, internal_ends)

    async def _commit(
        self,
        promotion: Promotion | None,
        outputs: dict[Where, list[Row]] | None = None,
        states: Iterable[Row] = (),
    ) -> None:
        """One transaction, with the marker as it then is. After `open` only."""
        if self._writer is None:
            raise RuntimeError(f"{self.name} is not open")
        marker = None if promotion is None else dump_promotion(promotion)
        rows: list[Row] = [*states, (PROMOTION_KEY, marker)]
        await self._writer.commit(Outgoing(outputs or {}, rows, dump_position(self.old_position)))
        self._live.crash_point("promoted")
        self.promotion = promotion

    def _place(self, topic: str) -> TopicPartition:
        return TopicPartition(self._live.full_name(topic), self._number)

    def _sweep(self, place: TopicPartition, end: int, start: int = 0) -> AsyncGenerator[Swept, None]:
        return sweep(self._live.client_options, {place: start}, {place: end})

    async def _ends(self, places: Sequence[TopicPartition]) -> Ends:
        """Of everything there is: what an aborted transaction has left is old too."""
        return await ends_of(self._live.client_options, places, committed=False)


def _deletions(rows: Iterable[tuple[int, int, bytes | None, bytes | None]]) -> list[Row]:
    return [(key, None) for _, _, key, value in rows if value is not None]
