"""The entities of one partition: decoded in memory while they are in use, encoded in RocksDB.

RocksDB is written only after the transaction that carries the same bytes to the changelog has been committed, in one
WriteBatch and without a log of its own: the changelog is the log. What is decided but not yet written is read back
from memory, so that the next batch can be decided while one commits.
"""

from __future__ import annotations

import struct
import time
from collections import deque
from operator import itemgetter
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

import msgspec

from app.domain.entity import NEVER_MS, Entity, StoreError
from app.runtime.database import Database, open_options
from app.runtime.deadlines import DeadlineIndex, Entry
from app.runtime.layout import (
    CHANGELOG_KEY,
    DEADLINE,
    POSITION_KEY,
    PROMOTION_KEY,
    deadline_key,
    part_key,
)
from app.runtime.native import Settled
from app.runtime.position import origin_of
from app.runtime.remembered import Remembered
from app.runtime.repeating import NoRepeats

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path
    from typing import Any

    from rocksdict import Cache, WriteBatch, WriteBufferManager

    from app.domain.entity import Core
    from app.runtime.merge import InputRecord
    from app.runtime.repeating import Repeating

E = TypeVar("E", bound=Entity)

_HEAD = struct.Struct(">QH")
"""What stands before part 0 of an entity: its indexed due time, and the size of the applied offsets that follow."""

_NEVER = struct.pack(">Q", NEVER_MS)
_HEAD_KEY = part_key(0, "")


class ChangelogMark(msgspec.Struct, array_like=True, frozen=True):
    """What RocksDB holds of the changelog: the next offset to read, and the wall time of the last commit."""

    next_offset: int
    written_ms: int


class Sealed(NamedTuple):
    """The changes of one decided batch: parts to put (None: delete), and deadlines to add (True) or remove."""

    parts: dict[bytes, bytes | None]
    deadlines: dict[Entry, bool]


class Store(Generic[E]):
    """One partition's entities and deadlines. Satisfies `app.domain.entity.Entities`. One task's only; no locking.

    Life of a batch: `get` and `keep` while deciding; `encode` turns what was kept into bytes, once or slice by slice; `seal`
    ends the batch; `write` puts its bytes into RocksDB once they are committed, batches in the order of sealing. `forget` undoes a
    batch that is not sealed. `logged` has RocksDB keep a log of its own, for who has no changelog; `partitions`: how
    many partitions' entities it holds, so that as many times more are remembered.

    `repeating` is set by who has activities that repeat applied without the rules.

    Whatever touches the disk raises StoreError where RocksDB fails, which then is to be closed: what is on disk is as it
    was after one of the batches written.
    """

    def __init__(
        self,
        folder: Path,
        core: Core[E],
        cache: Cache | None = None,
        *,
        write_buffers: WriteBufferManager | None = None,
        logged: bool = False,
        partitions: int = 1,
    ) -> None:
        self._folder = folder
        self._db = Database(folder, open_options(cache, write_buffers), logged=logged)
        self._core = core
        self.deadlines = DeadlineIndex(self)
        self._memory: Remembered[E] = Remembered(partitions)
        self.repeating: Repeating[E] = NoRepeats()
        self._parts: dict[bytes, bytes | None] = {}
        self._sealed: deque[dict[bytes, bytes | None]] = deque()

    @property
    def dirty(self) -> bool:
        """The batch being decided has kept something."""
        return bool(self._memory.kept)

    def remember(self, entities: int) -> None:
        """Keep no more entities than this in memory across batches, nor than `CACHED_ENTITIES`; those too many go at once."""
        self._memory.limit(entities)

    def holds(self, key: str) -> bool:
        """The entity is in memory: it has been read or made here before."""
        return self._memory.holds(key)

    def get(self, key: str) -> E | None:
        """The entity, from memory or RocksDB; None when it was never kept."""
        memory = self._memory
        entity = memory.young.get(key)
        if entity is None:
            entity = memory.find(key) or self._load(key)
            if entity is None:
                return None
            memory.meet(entity)
        return self._wake(entity) if isinstance(entity, Settled) else entity

    def keep(self, entity: E) -> None:
        """The entity belongs to the batch being decided, and is remembered."""
        self._memory.keep(entity)

    def kept(self, key: str) -> E | None:
        """The entity, if the batch being decided has kept it; not one that is settled."""
        entity = self._memory.kept.get(key)
        return None if isinstance(entity, Settled) else entity

    def expect_repeats(self, key: str) -> None:
        """Have the entity settle when it is next encoded and can: more activities may come that only repeat."""
        entity = self._memory.young.get(key)
        if entity is not None and not isinstance(entity, Settled):
            entity.settles = True

    def repeat(
        self, records: Sequence[InputRecord], at: int, pages: dict[str, Any], time_ms: int, mark_ms: int
    ) -> tuple[int, bool]:
        """Apply records from `at` on, as long as they are activities that repeat.

        Returns the place of the first that is not, and whether one of those applied was history when it was appended. See
        `Repeating.run`, which then says how far the partition is.
        """
        repeating, memory, history_seen = self.repeating, self._memory, False
        if not repeating.types:
            return at, False
        first = self.deadlines.first()
        first_due_ms = NEVER_MS if first is None else first[0]
        while True:
            at = repeating.run(records, at, memory, pages, time_ms, mark_ms, first_due_ms)
            history_seen |= repeating.history_seen
            if at == len(records) or not memory.meet_settled(
                (records[at].key or b"").decode(errors="replace")
            ):
                return at, history_seen
            time_ms = repeating.time_ms

    def encode(self, applied: dict[str, int] | None = None) -> dict[bytes, bytes | None]:
        """What the batch has kept so far, as stored parts (None: the part goes). Followed by `keep`, `seal` or `forget`.

        `applied`, where states have to say what they have seen: the offsets after what was decided (see `entity.Entity`).
        Of an entity part 0 comes last: at least once, a batch may be cut short between two parts of one that does not go
        into a record batch (see `writer.Writer.commit`), and part 0 is the one that says what has been applied.
        """
        parts = self._parts
        dump = self._core.dump
        seen = b"" if applied is None else msgspec.msgpack.encode(applied)
        for entity in self._memory.take_changed():
            if isinstance(entity, Settled):
                self.repeating.encode(entity, parts, applied, seen)
                continue
            key = entity.key
            entity.applied = applied
            dumped = list(dump(entity))
            if len(dumped) > 1:
                dumped.sort(key=itemgetter(0), reverse=True)
                # An earlier slice may have put part 0 in already, before parts that come now.
                parts.pop(part_key(0, key), None)
            for part, body in dumped:
                parts[part_key(part, key)] = (
                    _HEAD.pack(entity.indexed_due_ms, len(seen)) + seen + body
                    if part == 0 and body is not None
                    else body
                )
            if entity.settles:
                self._settle(entity, dumped[-1][1])
        return parts

    def seal(self) -> Sealed:
        """The batch is decided, and encoded."""
        parts, self._parts = self._parts, {}
        self._memory.seal()
        self._sealed.append(parts)
        return Sealed(parts, self.deadlines.seal())

    def write(self, sealed: Sealed, position: bytes, changelog_next_offset: int) -> None:
        """Write the batch sealed first, now that it is committed, in one WriteBatch. Takes microseconds a key."""
        self.put(sealed, position, changelog_next_offset)
        self._sealed.popleft()
        self.deadlines.written()

    def put(self, sealed: Sealed, position: bytes, changelog_next_offset: int) -> None:
        """Write a batch that an earlier process has sealed; it may have been written before. Only before the first `get`."""
        mark = _encode_mark(changelog_next_offset)

        def fill(batch: WriteBatch) -> None:
            put, delete = batch.put, batch.delete
            for stored_key, value in sealed.parts.items():
                if value is None:
                    delete(stored_key)
                else:
                    put(stored_key, value)
            for (due_ms, key), present in sealed.deadlines.items():
                if present:
                    put(deadline_key(due_ms, key), b"")
                else:
                    delete(deadline_key(due_ms, key))
            put(POSITION_KEY, position)
            put(CHANGELOG_KEY, mark)

        self._db.write(fill)

    def forget(self) -> None:
        """The batch being decided never was: entities it may have changed are read again when next needed."""
        self._memory.forget()
        self._parts = {}
        self.deadlines.forget()

    def drop(self, key: str) -> None:
        """Forget one entity in memory, whose object a failed call may have spoilt."""
        self._memory.drop(key)

    def restore(self, records: list[tuple[bytes, bytes | None]], changelog_next_offset: int) -> None:
        """Apply committed changelog records, with the deadlines they imply. Only before the first `get`.

        A deadline that is replaced goes: whoever follows a changelog for weeks would else keep all there ever were. Raises
        StoreError, `damaged`, when the store has been at another changelog than the one these are of.
        """
        latest = dict(records)
        if POSITION_KEY in latest:
            self._refuse_foreign(latest[POSITION_KEY])
        heads = [key for key in latest if key[:2] == _HEAD_KEY]
        before = dict(zip(heads, self._db.get_all(heads), strict=True)) if heads else {}
        mark = _encode_mark(changelog_next_offset)

        def fill(batch: WriteBatch) -> None:
            put, delete = batch.put, batch.delete
            for key, value in latest.items():
                if value is None:
                    delete(key)
                else:
                    put(key, value)
                if key in before:
                    due, old = value and value[:8], before[key]
                    if old is not None and old[:8] not in (due, _NEVER):
                        delete(DEADLINE + old[:8] + key[2:])
                    if due is not None and due != _NEVER:
                        put(DEADLINE + due + key[2:], b"")
            put(CHANGELOG_KEY, mark)

        self._db.write(fill)

    def position(self) -> bytes | None:
        """The position as last written or restored; None for an empty partition."""
        return self._db.get(POSITION_KEY)

    def promotion(self) -> bytes | None:
        """The marker of a promotion that is not finished, as restored; None: there is none."""
        return self._db.get(PROMOTION_KEY)

    def changelog_mark(self) -> ChangelogMark | None:
        """How much of the changelog RocksDB holds; None when it holds nothing."""
        stored = self._db.get(CHANGELOG_KEY)
        return None if stored is None else msgspec.msgpack.decode(stored, type=ChangelogMark)

    def keys_after(self, key: str, limit: int) -> list[str]:
        """Up to `limit` ids of written entities, in order, from the one after `key` on."""
        found: list[str] = []
        for stored in self.scan(part_key(0, key) + b"\0", part_key(1, "")):
            found.append(stored[2:].decode())
            if len(found) == limit:
                break
        return found

    def scan(self, start: bytes, end: bytes) -> Iterator[bytes]:
        """Written keys in [start, end), in order."""
        return self._db.scan(start, end)

    def close(self) -> None:
        """Let go of what lies in memory, flush and close RocksDB. Not to be used afterwards, but for this.

        What cannot be flushed is only logged: the folder is then behind, and is caught up when it is next opened.
        """
        self._memory.clear()
        self._parts = {}
        self._sealed.clear()
        self.deadlines = DeadlineIndex(self)
        self._db.close()

    def _settle(self, entity: E, body: bytes | None) -> None:
        """Settle the entity, if it can be; it has just been encoded, its part 0 as `body`."""
        settled = None if body is None else self.repeating.settle(entity, body)
        if settled is not None:
            self._memory.replace(settled)

    def _wake(self, settled: Settled) -> E:
        """The entity as the rules know it, in place of its settled form, which it will have again if that served."""
        key = settled.key
        entity = self.repeating.wake(settled, lambda part: self._read_part(part, key))
        entity.settles = settled.has_repeated
        self._memory.replace(entity)
        return entity

    def _load(self, key: str) -> E | None:
        head: bytes | None = self._read_part(0, key)
        if head is None:
            return None
        due_ms, applied_bytes = _HEAD.unpack_from(head)
        body_at = _HEAD.size + applied_bytes
        applied = msgspec.msgpack.decode(head[_HEAD.size : body_at]) if applied_bytes else None

        def read(part: int) -> bytes | None:
            # The first part is given away once: an entity may keep this reader for the others.
            nonlocal head
            if part:
                return self._read_part(part, key)
            body, head = head and head[body_at:], None
            return body

        entity = self._core.load(key, read)
        if entity is not None:
            entity.indexed_due_ms = due_ms
            entity.applied = applied
        return entity

    def _read_part(self, part: int, key: str) -> bytes | None:
        """A stored part. Parts read later, on demand, may by then belong to a sealed batch: so always look there."""
        stored_key = part_key(part, key)
        # One that was settled and woken within this batch.
        if stored_key in self._parts:
            return self._parts[stored_key]
        for parts in reversed(self._sealed):
            if stored_key in parts:
                return parts[stored_key]
        return self._db.get(stored_key)

    def _refuse_foreign(self, restored: bytes | None) -> None:
        """Another cluster's state, or that of a changelog since made anew, must not be mixed with this one's."""
        held, told = origin_of(self.position()), origin_of(restored)
        if held and told and held != told:
            raise StoreError(f"{self._folder}: is the state of another changelog", damaged=True)


def _encode_mark(next_offset: int) -> bytes:
    return msgspec.msgpack.encode(ChangelogMark(next_offset, time.time_ns() // 1_000_000))
