"""What a world puts out between two commits, encoded and sorted by where it goes: each member's partition."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.domain.errors import UserError
from app.domain.outputs import MemberSnapshot
from app.domain.sink import PageGone, Refused
from app.runtime.blame import TooLarge
from app.runtime.merge import InputRecord
from app.runtime.outgoing import Outputs
from app.wire.partitioner import murmur2_partition
from app.wire.topics import REROUTED

if TYPE_CHECKING:
    from app.runtime.hosting.brokers import Where
    from app.runtime.hosting.record_batch import Row
    from app.runtime.processor import Host
    from app.tools.replay.sorted_run import Spooled
    from app.wire.bad_record import BadRecord


class WorldOutputs:
    """The outputs of one transaction.

    Args:
        host: with the names under which they are written.
        since_ms: those of instants before are left out.

    Attributes:
        made: how many outputs were taken.
    """

    def __init__(self, host: Host, since_ms: int) -> None:
        self._host = host
        self._since_ms = since_ms
        self._topics = {rank: topic for topic, rank in host.ranks.items()}
        self._partitions = host.partitions[REROUTED]
        self._by_partition: dict[int, Outputs] = {}
        self._pages: dict[str, MemberSnapshot | None] = {}
        self.made = 0

    def add(self, outputs: list[Any], cause: Spooled | None) -> None:
        """Take what came out; what the rules refuse is a dead letter of the record that set it off.

        Raises UserError `output-too-large`.
        """
        since_ms = self._since_ms
        for output in outputs:
            kind = type(output)
            if kind is MemberSnapshot:
                if output.occurred_at >= since_ms:
                    self._pages[output.member_id] = output
                    self.made += 1
            elif kind is Refused:
                if cause is not None and cause[0] >= since_ms:
                    self._of(cause[3]).refused(self.record(cause), output, cause[0])
            elif kind is PageGone:
                self._pages[output.member_id] = None
            elif output.occurred_at >= since_ms:
                self._put(output, cause)
                self.made += 1

    def dead_letter(self, spooled: Spooled, bad: BadRecord) -> None:
        """Take a record that is no valid one."""
        record = self.record(spooled)
        instant_ms = record.appended_ms if bad.occurred_at is None else bad.occurred_at
        if instant_ms >= self._since_ms:
            self._of(spooled[3]).dead_letter(record, bad.error, bad.message, bad.occurred_at)

    def record(self, spooled: Spooled) -> InputRecord:
        """The record as it lay in its topic."""
        _, rank, appended_ms, _, offset, key, value = spooled
        return InputRecord(appended_ms, rank, offset, self._topics[rank], key, value)

    def rows(self) -> dict[Where, list[Row]]:
        """Everything, by where it goes; of each member's pages the last. Called once, at the end.

        Raises UserError `output-too-large`.
        """
        for member_id, page in self._pages.items():
            self._of_member(member_id).pages[member_id] = page
        rows: dict[Where, list[Row]] = {}
        for outputs in self._by_partition.values():
            try:
                outputs.finish()
            except TooLarge as large:
                raise _too_large(large.entity, large) from large
            for where, of_partition in outputs.rows.items():
                rows.setdefault(where, []).extend(of_partition)
        return rows

    def _put(self, output: Any, cause: Spooled | None) -> None:
        try:
            self._of_member(output.member_id).add(output)
        except TooLarge as large:
            place = output.member_id
            if cause is not None:
                place = f"{self._topics[cause[1]]} {cause[3]}, offset {cause[4]}"
            raise _too_large(place, large) from large

    def _of_member(self, member_id: str) -> Outputs:
        return self._of(murmur2_partition(member_id.encode(), self._partitions))

    def _of(self, number: int) -> Outputs:
        outputs = self._by_partition.get(number)
        if outputs is None:
            outputs = Outputs(self._host, number, lambda output: str(output.member_id), REROUTED)
            self._by_partition[number] = outputs
        return outputs


def _too_large(place: str, large: TooLarge) -> UserError:
    hint = (
        "a worker makes a dead letter of it; replay the journal instead, or leave the record out with --until"
    )
    return UserError("output-too-large", place, str(large), hint)
