"""The output records of one batch: encoded, and sorted by where they go."""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING, Any

from app.domain.crossings import MemberMoved, Rerouted
from app.domain.engine import TimerFailed
from app.domain.hop import Hop
from app.domain.outputs import DeadLetter, MemberSnapshot
from app.domain.sink import PageGone, Refused, SamePage
from app.domain.snapshot import keep_rest
from app.runtime.blame import MAX_VALUE_BYTES, Spoilt, TooLarge
from app.wire.bad_record import BadRecord, key_text
from app.wire.hops import write_hop
from app.wire.partitioner import murmur2_partition

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.domain.member import Member
    from app.runtime.hosting.brokers import Where
    from app.runtime.hosting.record_batch import Row
    from app.runtime.merge import InputRecord
    from app.runtime.processor import Host

log = logging.getLogger(__name__)

MAX_DEAD_KEY_BYTES = 100_000
"""Of a dead letter's key; it stands in the letter again, where a byte may take four."""

_PAGES = frozenset({MemberSnapshot, SamePage})
_NO_OUTPUT = frozenset({Refused, PageGone, Hop})


def _nobody(_member_id: str) -> None:
    """Where no member is at hand."""


class Outputs:
    """The output records of one batch, encoded, by where they go.

    `pages` are the members' pages since they were last encoded, each member's last one, None for one that is deleted; bytes are one
    already encoded. `key_of` tells whose an output is; `rerouted` is the topic of records on the way to their own partition; `apart`: see
    `Processor.outputs_apart`; `kept` gives the member with whom the rest of its page is left.
    """

    def __init__(
        self,
        host: Host,
        partition: int,
        key_of: Callable[[Any], str],
        rerouted: str,
        *,
        apart: bool = False,
        kept: Callable[[str], Member | None] = _nobody,
    ) -> None:
        self._host = host
        self._kept = kept
        self._page_encoder = host.codec.page_encoder()
        self._partition = partition
        self._key_of = key_of
        self._rerouted = rerouted
        self._apart = apart
        self._encode = host.codec.encode
        self._own: dict[str, list[Row]] = {}
        self.pages: dict[str, MemberSnapshot | SamePage | bytes | None] = {}
        self._pages: dict[bytes, bytes | None] = {}
        self.rows: dict[Where, list[Row]] = {}
        self.dead_letters: dict[str, int] = {}

    def collect(
        self,
        decided: list[Any],
        record: InputRecord | None,
        occurred_ms: int | None = None,
        *,
        of_timers: bool = False,
    ) -> None:
        """Take what the rules put out for a record, or for the silent entities whose timers it made due; empties the list.

        Raises Spoilt for a record, and TimerFailed for timers, that put out something too large.
        """
        for output in decided:
            # As `add` does; spared the call, for half of all outputs are pages.
            if type(output) in _PAGES:
                self.pages[output.member_id] = output
                continue
            try:
                if type(output) in _NO_OUTPUT:
                    self._note(output, record, occurred_ms)
                else:
                    self.add(output)
            except TooLarge as large:
                if record is None or of_timers:
                    raise TimerFailed(large.entity) from large
                raise Spoilt(record, "too_large", str(large), occurred_ms) from large
        decided.clear()

    def add(self, output: Any) -> None:
        """Encode one output or crossing fact. Raises TooLarge.

        An output stays in the partition it was decided in, unless they lie apart; a crossing fact goes to that of its
        own key.
        """
        if type(output) in _PAGES:
            self.pages[output.member_id] = output
            return
        topic = output.topic
        key = getattr(output, output.key_field).encode()
        value = self._encode(output)
        if len(value) > MAX_VALUE_BYTES:
            raise TooLarge(self._key_of(output), topic, len(value))
        own = self._own.get(topic)
        if own is not None:
            own.append((key, value))
            return
        partitions = self._host.partitions[topic]
        if self._apart or topic.startswith("internal-"):
            self.put(topic, murmur2_partition(key, partitions), key, value)
            return
        where = (self._host.full_name(topic), self._partition % partitions)
        self._own[topic] = self.rows[where] = [(key, value)]

    def _note(self, output: object, record: InputRecord | None, occurred_ms: int | None) -> None:
        """Take what stands among the outputs and is none."""
        if type(output) is Refused:
            self.refused(record, output, occurred_ms)
        elif type(output) is PageGone:
            self.page_gone(output.member_id)
        elif type(output) is Hop and record is not None:
            self.send_on(output, record)

    def page_gone(self, member_id: str) -> None:
        """The member's page is deleted."""
        self.pages[member_id] = None

    def send_on(self, hop: Hop, record: InputRecord) -> None:
        """Send the record of a merged-away member on, with the bytes it first came with. Raises TooLarge."""
        topic, appended_ms, value = record.topic, record.appended_ms, record.value
        if topic in (self._rerouted, MemberMoved.topic):
            wrapped: Any = self._host.codec.decode(topic, record.key, value, appended_ms)
            topic, appended_ms, value = wrapped.source_topic, wrapped.appended_at, wrapped.value
        self.add(write_hop(hop, source_topic=topic, appended_at=appended_ms, value=value))

    def encode_pages(self) -> None:
        """Encode the pages of these records: of one replaced by a later record of the batch nobody ever sees the first.

        Raises TooLarge.
        """
        if self.pages:
            for member_id, page in self.pages.items():
                value = page if page is None or isinstance(page, bytes) else self._encode_page(page)
                if value is not None and len(value) > MAX_VALUE_BYTES:
                    raise TooLarge(member_id, MemberSnapshot.topic, len(value))
                self._pages[member_id.encode()] = value
            self.pages = {}

    def _encode_page(self, page: MemberSnapshot | SamePage) -> bytes:
        encoder = self._page_encoder
        if isinstance(page, SamePage):
            return encoder.encode_again(page)
        value, rest = encoder.encode(page)
        member = self._kept(page.member_id)
        if member is not None:
            keep_rest(member, page, rest)
        return value

    def finish(self) -> None:
        """The batch ends: the last page of each of its members goes out. Raises TooLarge."""
        self.encode_pages()
        if self._pages:
            topic = MemberSnapshot.topic
            where = self._host.full_name(topic), self._partition % self._host.partitions[topic]
            self.rows[where] = list(self._pages.items())

    def largest_log_bytes(self) -> int:
        """Keys and values of the log that most is written to, pages included as far as they are encoded."""
        logs = [*self.rows.values(), self._pages.items()]
        return max(sum([len(key or b"") + len(value or b"") for key, value in log]) for log in logs)

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
        key = record.key
        if key is not None and len(key) > MAX_DEAD_KEY_BYTES:
            key = key[:MAX_DEAD_KEY_BYTES]
        letter = DeadLetter(
            source_topic=topic,
            source_partition=source_partition,
            source_offset=offset,
            key=key_text(key),
            occurred_at=occurred_ms,
            error=error,
            message=message,
            raw=raw,
        )
        self.dead_letters[error] = self.dead_letters.get(error, 0) + 1
        partition = self._partition % host.partitions[DeadLetter.topic]
        self.put(DeadLetter.topic, partition, key, self._encode(letter))

    def _origin(self, record: InputRecord) -> tuple[str, int, int, bytes | None]:
        """Topic, partition, offset and value of a record where its sender put it: one may have been rerouted."""
        if record.topic == self._rerouted:
            with contextlib.suppress(BadRecord):
                sent_on: Rerouted = self._host.codec.decode(
                    record.topic, record.key, record.value, record.appended_ms
                )
                return sent_on.source_topic, sent_on.source_partition, sent_on.source_offset, sent_on.value
        return record.topic, self._partition, record.offset, record.value

    def rerouted(self, record: InputRecord, partition: int) -> None:
        """Send a record on to the partition its key belongs to; one too large to be wrapped becomes a dead letter."""
        wrapped = Rerouted(
            source_topic=record.topic,
            source_partition=self._partition,
            source_offset=record.offset,
            appended_at=record.appended_ms,
            key=record.key,
            value=record.value,
        )
        value = self._encode(wrapped)
        if len(value) > MAX_VALUE_BYTES:
            message = (
                f"it belongs to partition {partition}, and would take {len(value)} bytes on the way there"
            )
            self.dead_letter(record, "too_large", message, None)
        else:
            self.put(self._rerouted, partition, record.key, value)
