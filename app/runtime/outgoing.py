"""The output records of one batch: encoded, and sorted by where they go."""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING, Any

from app.domain.crossings import Rerouted
from app.domain.outputs import DeadLetter, MemberSnapshot
from app.wire.bad_record import BadRecord, key_text
from app.wire.partitioner import murmur2_partition

if TYPE_CHECKING:
    from app.domain.sink import Refused
    from app.runtime.merge import InputRecord
    from app.runtime.processor import Host
    from app.runtime.writer import Row, Where

log = logging.getLogger(__name__)

MAX_VALUE_BYTES = 900_000
"""Of one record; a larger one might not fit a batch of its own, with its key and the batch's frame."""


class Spoilt(Exception):  # noqa: N818  it says what became of the batch
    """The batch being decided has to be decided again, with one of its records a dead letter."""

    def __init__(self, record: InputRecord, error: str, message: str) -> None:
        super().__init__(error)
        self.record = record
        self.error = error
        self.message = message


class Outputs:
    """The output records of one batch, encoded, by where they go."""

    def __init__(self, host: Host, partition: int) -> None:
        self._host = host
        self._partition = partition
        self._encode = host.codec.encode
        self._own: dict[str, list[Row]] = {}
        self._pages: dict[str, MemberSnapshot] = {}
        self.rows: dict[Where, list[Row]] = {}
        self.dead_letters: dict[str, int] = {}

    def add(self, output: Any, record: InputRecord | None) -> None:
        """Encode one output or crossing fact; one too large to be written spoils the record that caused it.

        An output stays in the partition it was decided in; a crossing fact goes to that of its own key.
        """
        if type(output) is MemberSnapshot:
            self._pages[output.member_id] = output
            return
        topic = output.topic
        key = getattr(output, output.key_field).encode()
        value = self._encode(output)
        if len(value) > MAX_VALUE_BYTES and record is not None:
            raise Spoilt(record, "too_large", f"its {topic} record would take {len(value)} bytes")
        own = self._own.get(topic)
        if own is not None:
            own.append((key, value))
            return
        partitions = self._host.partitions[topic]
        if topic.startswith("internal-"):
            self.put(topic, murmur2_partition(key, partitions), key, value)
            return
        where = (self._host.full_name(topic), self._partition % partitions)
        self._own[topic] = self.rows[where] = [(key, value)]

    def finish(self) -> None:
        """Encode the pages. One that was replaced within the batch is never seen by anybody: it is not written."""
        if self._pages:
            encode, topic = self._encode, MemberSnapshot.topic
            rows: list[Row] = [(key.encode(), encode(page)) for key, page in self._pages.items()]
            self.rows[self._host.full_name(topic), self._partition % self._host.partitions[topic]] = rows

    def put(self, topic: str, partition: int, key: bytes | None, value: bytes) -> None:
        """Add one encoded record of a topic that is looked up each time."""
        self.rows.setdefault((self._host.full_name(topic), partition), []).append((key, value))

    def refused(self, record: InputRecord | None, refused: Refused, occurred_ms: int | None) -> None:
        """The rules refuse a record; a timer's cascade on the wall clock has no record to name."""
        if record is not None:
            self.dead_letter(record, refused.error, refused.message, occurred_ms)
        else:
            log.warning("refused without a record: %s: %s", refused.error, refused.message)

    def dead_letter(self, record: InputRecord, error: str, message: str, occurred_ms: int | None) -> None:
        """Write a record to `dead-letter`, with its place and its bytes, keyed as it was."""
        host = self._host
        topic, source_partition, offset, raw = self._origin(record)
        if raw is not None and len(raw) > MAX_VALUE_BYTES // 2:
            raw = raw[: MAX_VALUE_BYTES // 2]
        letter = DeadLetter(
            source_topic=topic,
            source_partition=source_partition,
            source_offset=offset,
            key=key_text(record.key),
            occurred_at=occurred_ms,
            error=error,
            message=message,
            raw=raw,
        )
        self.dead_letters[error] = self.dead_letters.get(error, 0) + 1
        partition = self._partition % host.partitions[DeadLetter.topic]
        self.put(DeadLetter.topic, partition, record.key, self._encode(letter))

    def _origin(self, record: InputRecord) -> tuple[str, int, int, bytes | None]:
        """Topic, partition, offset and value of a record where its sender put it: one may have been rerouted."""
        if record.topic == Rerouted.topic:
            with contextlib.suppress(BadRecord):
                sent_on: Rerouted = self._host.codec.decode(
                    record.topic, record.key, record.value, record.appended_ms
                )
                return sent_on.source_topic, sent_on.source_partition, sent_on.source_offset, sent_on.value
        return record.topic, self._partition, record.offset, record.value

    def rerouted(self, record: InputRecord, partition: int) -> None:
        """Send a record on to the partition its key belongs to."""
        wrapped = Rerouted(
            source_topic=record.topic,
            source_partition=self._partition,
            source_offset=record.offset,
            appended_at=record.appended_ms,
            key=record.key,
            value=record.value,
        )
        self.put(Rerouted.topic, partition, record.key, self._encode(wrapped))
