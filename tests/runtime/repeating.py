"""Two partitions that are fed the same: in one the rules apply every record, in the other what repeats is applied without them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from app.domain.members import MemberCore
from app.runtime import native
from app.runtime.deciding import Decider
from app.runtime.position import Position
from app.runtime.processor import Processor
from app.runtime.store import Store
from app.wire.topics import MEMBER_INPUTS, REROUTED

if TYPE_CHECKING:
    from pathlib import Path

    from app.domain.playbook_set import PlaybookSet
    from app.runtime.deciding import Decided
    from app.runtime.merge import InputRecord
    from app.runtime.processor import Host

compiled = pytest.mark.skipif(
    not native.IS_COMPILED, reason="nothing is compiled; the first test here says whether that is right"
)

HOUR_MS = 3_600_000
TWO = {
    "one.toml": 'kind = "reengager"\ninactivity.after = "3d"\n',
    "two.toml": 'kind = "reengager"\ninactivity.tag = "dormant"\ninactivity.after = "10d"\n'
    'inactivity.channels = ["APP", "EMAIL"]\n',
}
START_MS = 1_736_121_600_000


class Applied(NamedTuple):
    """What one batch comes to, in order: outputs by place, states, deadlines, and where the partition then is."""

    outputs: dict[Any, list[Any]]
    states: list[Any]
    deadlines: list[Any]
    position: bytes
    history_seen: bool


class Player:
    """One partition that is fed batches, with or without repeats, and opened anew on its folder at will."""

    def __init__(self, host: Host, folder: Path, playbooks: PlaybookSet) -> None:
        self.host = host
        self.core = MemberCore(playbooks)
        self.processor = Processor(
            "members", (REROUTED, *MEMBER_INPUTS), "member_id", REROUTED, lambda: self.core
        )
        self.folder = folder
        self.repeated = 0
        self.open(Position())

    def open(self, position: Position) -> None:
        self.folder.mkdir(exist_ok=True, parents=True)
        self.store: Store[Any] = Store(self.folder, self.core)
        self.decider = Decider(self.host, self.processor, 0, self.core, self.store, position)
        watched = self.decider._repeat

        def repeat(records: Any, at: int, *rest: Any) -> int:
            reached = watched(records, at, *rest)
            self.repeated += reached - at
            return reached

        self.decider._repeat = repeat  # type: ignore[method-assign]

    def decide(
        self, batch: list[InputRecord], *, given_up_after: int = 0, wall_ms: int | None = None
    ) -> Applied:
        """Decide and write a batch; before that, begin it and give it up after so many pauses."""
        slices = self.decider.slices(batch, wall_ms)
        try:
            for _ in range(given_up_after):
                next(slices)
            slices.close()
            decided = self.decider.decide(batch, wall_ms)
        except StopIteration as end:
            decided = end.value
        self.write(decided)
        return Applied(
            {where: list(rows) for where, rows in decided.outgoing.outputs.items()},
            list(decided.outgoing.states),
            list(decided.sealed.deadlines.items()),
            decided.outgoing.position,
            self.decider.history_seen_ms > 0,
        )

    def write(self, decided: Decided) -> None:
        self.store.write(decided.sealed, decided.outgoing.position, 0)

    def close(self) -> None:
        self.store.close()

    def reopen(self) -> None:
        position = self.decider.position
        self.close()
        self.open(position)
