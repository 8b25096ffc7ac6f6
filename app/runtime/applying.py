"""Applying one record of a batch: decoded, sent on if it lies in the wrong partition, and handed to the rules."""

from __future__ import annotations

import logging
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from app.domain.crossings import MemberMoved, Rerouted
from app.domain.engine import NO_BUGS, Engine, TimerFailed
from app.domain.events import Activity
from app.runtime.blame import Spoilt
from app.wire.bad_record import BadRecord, trace_of
from app.wire.hops import read_hop
from app.wire.partitioner import murmur2_partition

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.domain.sink import Sink
    from app.runtime.merge import InputRecord
    from app.runtime.outgoing import Outputs
    from app.runtime.processor import Host, Processor
    from app.runtime.store import Store
    from app.runtime.wakes import Wakes

log = logging.getLogger(__name__)

_WRAPPED = frozenset({Rerouted, MemberMoved})

HISTORY_LAG_MS = 5 * 60_000
"""A record appended this long after it occurred says that history is being loaded (contract 5)."""


class Applier:
    """Applies the records of one partition, through its engine, and puts what the rules say into a batch's outputs.

    Attributes:
        key_of: the key of the entity that a decoded record, or an output, is of.
        history_seen: whether a record was history when it was appended; set here, cleared by whoever has noted it.
    """

    def __init__(
        self,
        host: Host,
        processor: Processor,
        partition: int,
        engine: Engine[Any],
        store: Store[Any],
        sink: Sink,
        wakes: Wakes,
    ) -> None:
        self._host = host
        self._processor = processor
        self._partition = partition
        self._engine = engine
        self._store = store
        self._sink = sink
        self._wakes = wakes
        self._may_repeat = store.repeating.types
        self._decode = host.codec.decode
        self._repeats = not host.exactly_once
        self._reroute_warned = False
        self.key_of: Callable[[Any], str] = attrgetter(processor.key_field)
        self.history_seen = False

    def apply(self, record: InputRecord, outputs: Outputs) -> bool:
        """Apply a record, after the timers it makes due.

        False when it is not applied yet, for a slice of these has fired and there may be more: a pause is due, then the same call.
        Raises Spoilt for a record, and TimerFailed for a silent entity, that meets a bug or comes to something too large, and
        `NO_BUGS`.
        """
        try:
            event = self._decode(record.topic, record.key, record.value, record.appended_ms)
            if type(event) in _WRAPPED:
                event = self._unwrapped(event)
        except BadRecord as bad:
            outputs.dead_letter(record, bad.error, bad.message, bad.occurred_at)
            return True
        key = self.key_of(event)
        # An entity held in memory is in the right place: hashing its key would tell nothing new.
        if not self._store.holds(key) and self._reroutes(record, outputs):
            return True
        occurred_ms = event.occurred_at
        self.history_seen |= record.appended_ms - occurred_ms > HISTORY_LAG_MS
        try:
            self._engine.move_time(occurred_ms)
            if self._sink.outputs:
                outputs.collect(self._sink.outputs, record, occurred_ms, of_timers=True)
            if self._wakes.more():
                return False
            self._apply_event(key, event, record)
        except (TimerFailed, Spoilt, *NO_BUGS):
            # Neither is what is no bug a fault of the record that asked for it.
            raise
        except Exception as bug:
            log.exception("%s-%d offset %d: the rules failed", record.topic, self._partition, record.offset)
            self._store.drop(key)
            self._host.observer.bug(self._processor.name)
            raise Spoilt(record, "internal", trace_of(bug), occurred_ms) from bug
        if self._sink.outputs:
            outputs.collect(self._sink.outputs, record, occurred_ms)
        return True

    def occurred_ms(self, record: InputRecord) -> int:
        """When what a record says occurred. Raises BadRecord."""
        event = self._decode(record.topic, record.key, record.value, record.appended_ms)
        occurred_ms: int = self._unwrapped(event).occurred_at
        return occurred_ms

    def _unwrapped(self, event: Any) -> Any:
        """A record out of its wrapping, if it was rerouted or moved; any other as it is. Raises BadRecord."""
        if type(event) is Rerouted:
            return self._decode(event.source_topic, event.key, event.value, event.appended_at)
        if type(event) is MemberMoved:
            return read_hop(self._host.codec, event) or event
        return event

    def _apply_event(self, key: str, event: Any, record: InputRecord) -> None:
        if self._repeats:
            self._apply_once(key, event, record)
        else:
            self._engine.apply(key, event)
        if type(event) is Activity and event.type in self._may_repeat:
            self._store.expect_repeats(key)

    def _apply_once(self, key: str, event: Any, record: InputRecord) -> None:
        """At least once, a batch may come again after some of its states were stored: these say what they have seen."""
        entity = self._store.get(key)
        if entity is None or entity.applied is None or entity.applied.get(record.topic, 0) <= record.offset:
            self._engine.apply(key, event)

    def _reroutes(self, record: InputRecord, outputs: Outputs) -> bool:
        """A record in another partition than its key's is sent on to its own (contract 2, "Wire")."""
        if record.key is None or record.topic.startswith("internal-"):
            return False
        right = murmur2_partition(record.key, self._host.partitions[record.topic])
        if right == self._partition:
            return False
        if not self._reroute_warned:
            self._reroute_warned = True
            log.warning(
                "%s-%d offset %d: its key belongs to partition %d; such records are rerouted. Set the producer's "
                "partitioner to murmur2 (librdkafka: partitioner=murmur2_random) to spare them the detour",
                record.topic,
                self._partition,
                record.offset,
                right,
            )
        outputs.rerouted(record, right)
        return True
