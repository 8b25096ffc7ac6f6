"""A page of which only the instant and the last activity are said to be new is new in nothing else, whatever happens.

Histories with activity in the app are played in memory, and the rest of each page is kept at once; a worker keeps it a little later.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from app.domain import members, snapshot
from app.domain.sink import SamePage
from app.playbooks.loader import load_playbooks
from app.tools.simulate import simulate
from app.wire.bad_record import BadRecord
from app.wire.codec import Codec
from tests.integration import desk_history, intent_history, nudge_history
from tests.integration.desk_history import DeskHistory
from tests.integration.history import DAY_MS, START_MS, History, write_files
from tests.integration.intent_history import IntentHistory
from tests.integration.nudge_history import NudgeHistory

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from app.domain.outputs import MemberSnapshot
    from app.domain.turn import Turn
    from tests.integration.deployment import Sent


HISTORIES: list[tuple[str, dict[str, str], type[Any]]] = [
    ("re-engager", {"re-engager.toml": 'kind = "reengager"\n'}, History),
    ("desk", {"re-engager.toml": desk_history.PLAYBOOK}, DeskHistory),
    ("intent", intent_history.FILES, IntentHistory),
    ("nudges", nudge_history.FILES, NudgeHistory),
]


def lines(history: Iterable[Sent]) -> Iterator[str]:
    """The valid ones, each as late as it comes."""
    codec, now_ms = Codec(), 0
    for sent in history:
        try:
            record = codec.decode(sent.topic, sent.key, sent.value, START_MS + 3_650 * DAY_MS)
        except BadRecord:
            continue
        now_ms = max(now_ms, record.occurred_at)
        line = {"topic": record.topic, "arrived_at": now_ms, **codec.to_json(record)}
        yield json.dumps(line)


class Pages:
    """Writes every page as a worker would, and makes anew each that is said to be the same."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.counts: Counter[str] = Counter()
        self.wrong: list[tuple[MemberSnapshot, MemberSnapshot]] = []
        self._last: dict[str, MemberSnapshot] = {}
        self._write = snapshot.write_page
        for module in (snapshot, members):
            monkeypatch.setattr(module, "write_page", self.write)

    def write(self, turn: Turn) -> None:
        self._write(turn)
        member, outputs = turn.member, turn.sink.outputs
        written = outputs[-1]
        if isinstance(written, SamePage):
            moved = {
                "occurred_at": written.occurred_at,
                "last_in_app_activity": written.last_in_app_activity,
            }
            outputs[-1] = msgspec.structs.replace(self._last[member.key], **moved)
            anew = snapshot.page(member)
            # Raised here, it would be taken for a bug of the rules, of which `simulate` makes a dead letter.
            if outputs[-1] != anew:
                self.wrong.append((outputs[-1], anew))
        else:
            snapshot.keep_rest(member, written, b"the rest")
            self._last[member.key] = written
        self.counts[type(written).__name__] += 1


@pytest.mark.parametrize(
    ("files", "history"), [each[1:] for each in HISTORIES], ids=[each[0] for each in HISTORIES]
)
@pytest.mark.parametrize("seed", range(3))
def test_a_page_said_to_be_the_same_is(tmp_path, monkeypatch, files, history, seed):
    playbooks = load_playbooks(Path(write_files(tmp_path / "playbooks", files)))
    told = list(lines(history(seed, records=3_000)))
    expected = simulate(told, playbooks)
    pages = Pages(monkeypatch)
    found = simulate(told, playbooks)
    assert not pages.wrong
    assert (found.outputs, found.snapshots) == (expected.outputs, expected.snapshots)
    assert pages.counts["SamePage"] > 0, pages.counts
