"""What is applied without the rules comes out as the rules would have it, byte for byte.

Each history is fed to two partitions, in the same batches: in one the rules apply every record, in the other what repeats is applied
without them. All that a batch comes to is compared: rows in their order, states, deadlines, the position.
"""

from __future__ import annotations

import random
import shutil
from itertools import count, cycle
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.domain.events import Activity
from app.playbooks.loader import load_playbooks
from app.runtime import deciding, native, remembered
from app.runtime.merge import InputRecord
from app.wire.topics import MEMBER_INPUTS, RANK
from tests.integration import desk_history, intent_history, nudge_history
from tests.integration.desk_history import DeskHistory
from tests.integration.history import History, write_files
from tests.integration.intent_history import IntentHistory
from tests.integration.nudge_history import NudgeHistory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from tests.integration.deployment import Sent

from tests.runtime.repeating import HOUR_MS, START_MS, TWO, compiled


def test_what_can_be_compiled_is():
    """Without the compiled part none of these tests says anything: only where there is no C compiler are they left out."""
    if not any(map(shutil.which, ("cc", "gcc", "clang"))):
        pytest.skip("NOT TESTED: activities that repeat, for there is no C compiler here")
    assert native.IS_COMPILED


def records(sent: Iterable[Sent]) -> Iterator[InputRecord]:
    """As they lie in a partition, an hour and a half apart."""
    offsets = {topic: count() for topic in MEMBER_INPUTS}
    for number, each in enumerate(sent):
        if each.topic in offsets:
            appended_ms = START_MS + number * 3 * HOUR_MS // 2
            yield InputRecord(
                appended_ms, RANK[each.topic], next(offsets[each.topic]), each.topic, each.key, each.value
            )


def cut(found: list[InputRecord], seed: int) -> Iterator[list[InputRecord]]:
    """In batches of random sizes."""
    rnd, at = random.Random(seed), 0
    while at < len(found):
        size = rnd.choice((1, 2, 7, 40, 150, 400))
        yield found[at : at + size]
        at += size


HISTORIES: list[tuple[str, dict[str, str], Callable[[int], Iterable[Sent]], bool]] = [
    ("re-engager", {"one.toml": 'kind = "reengager"\n'}, lambda seed: History(seed, records=3_000), True),
    ("desk", {"one.toml": desk_history.PLAYBOOK}, lambda seed: DeskHistory(seed, records=3_000), True),
    ("intent", intent_history.FILES, lambda seed: IntentHistory(seed, records=3_000), False),
    ("nudges", nudge_history.FILES, lambda seed: NudgeHistory(seed, records=3_000), False),
    ("two", TWO, lambda seed: History(seed, records=3_000, members=10), True),
]
"""Name, playbooks, history by its seed, and whether anything in it repeats: without re-engagers nothing does."""


@compiled
@pytest.mark.parametrize("exactly_once", [True, False])
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("files", "history", "repeats"), [each[1:] for each in HISTORIES], ids=[each[0] for each in HISTORIES]
)
def test_histories_come_out_the_same(
    tmp_path, make_players, monkeypatch, files, history, repeats, seed, exactly_once
):
    """However many members stay in memory, whoever takes over, and whatever the wall clock does between batches."""
    monkeypatch.setattr(remembered, "CACHED_ENTITIES", (50_000, 6, 25)[seed])
    playbooks = load_playbooks(Path(write_files(tmp_path / "playbooks", files)))
    players = make_players(playbooks, exactly_once=exactly_once)
    rnd = random.Random(seed)
    for batch in cut(list(records(history(seed))), seed):
        given_up_after = rnd.choice((0, 0, 0, 1, 2))
        by_rules, without = (player.decide(batch, given_up_after=given_up_after) for player in players)
        assert without == by_rules
        wall_ms, room = batch[-1].appended_ms + rnd.choice((0, HOUR_MS)), rnd.choice((0, 5, 100))
        what = rnd.random()
        if what < 0.05:
            for player in players:
                player.reopen()
        elif what < 0.1:
            by_rules, without = (player.decide([], wall_ms=wall_ms) for player in players)
            assert without == by_rules
        elif what < 0.15:
            for player in players:
                player.store.remember(room)
    assert (players[1].repeated > 0) == (repeats and native.IS_COMPILED)


@st.composite
def activities(draw: st.DrawFn) -> list[tuple[int, Activity]]:
    """(when it arrives, activity) of a few members who are active again and again, now and then late, twice or at the same instant."""
    found: list[tuple[int, Activity]] = []
    now_ms = START_MS
    for number in range(draw(st.integers(1, 60))):
        now_ms += draw(
            st.sampled_from((0, 1, 999, 4_999, 5_000, 5_001, 60_000, HOUR_MS, 6 * HOUR_MS, 7 * 24 * HOUR_MS))
        )
        if found and draw(st.integers(0, 9)) == 0:
            found.append((now_ms, draw(st.sampled_from(found))[1]))
            continue
        late_ms = draw(st.sampled_from((0, 0, 0, 0, 0, 1, 5_000, 10 * HOUR_MS, 8 * 24 * HOUR_MS)))
        activity = Activity(
            event_id=draw(st.sampled_from((f"e{number}", f"event-{number}" * 5, f"\N{SNOWMAN}{number}"))),
            member_id=draw(st.sampled_from(("anna", "ben", "zo\N{LATIN SMALL LETTER E WITH DIAERESIS}"))),
            occurred_at=now_ms - late_ms,
            type=draw(
                st.sampled_from(
                    ("article.read",) * 6 + ("setup.step_completed", "setup.completed", "other.thing")
                )
            ),
            channel=draw(st.sampled_from(("APP", "APP", "APP", "WEB", "EMAIL"))),
            attributes=draw(
                st.sampled_from(
                    (
                        {},
                        {"a": None, "b": "text", "c": 1 << 40, "d": 0.5, "e": True},
                        {"\N{SNOWMAN}": "\N{SNOWMAN}"},
                    )
                )
            ),
        )
        found.append((now_ms, activity))
    return found


@compiled
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    found=activities(),
    which=st.integers(0, 2),
    sizes=st.lists(st.integers(1, 20), min_size=1, max_size=5),
    slices=st.integers(1, 30),
    exactly_once=st.booleans(),
    cached=st.sampled_from((2, 50_000)),
)
def test_activities_come_out_the_same(
    make_players, codec, playbook_sets, found, which, sizes, slices, exactly_once, cached
):
    """In batches and slices of any size, whether members stay in memory or not."""
    lines = [
        InputRecord(
            appended_ms,
            RANK["activity"],
            offset,
            "activity",
            activity.member_id.encode(),
            codec.encode(activity),
        )
        for offset, (appended_ms, activity) in enumerate(found)
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(deciding, "SLICE", slices)
        patch.setattr(remembered, "CACHED_ENTITIES", cached)
        players = make_players(playbook_sets[which], exactly_once=exactly_once)
        at = 0
        for size in cycle(sizes):
            if at >= len(lines):
                break
            by_rules, without = (player.decide(lines[at : at + size]) for player in players)
            assert without == by_rules
            at += size
        for player in players:
            player.close()


@st.composite
def spoilt(draw: st.DrawFn, whole: bytes) -> bytes:
    """The bytes with a place or two cut, put in or replaced."""
    found = bytearray(whole)
    for _ in range(draw(st.integers(1, 2))):
        at = draw(st.integers(0, len(found)))
        end = draw(st.sampled_from((at, at + 1, len(found))))
        found[at:end] = draw(st.one_of(st.just(b""), st.binary(max_size=3)))
    return bytes(found)


NAMES = (b"anna", b"\xff", b"\xed\xa0\x80", b"ann\xc3", b"zo\xc3\xab")
"""Members' ids as bytes; not all are UTF-8."""


@compiled
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50)
@given(data=st.data())
def test_what_is_no_activity_comes_out_the_same(make_players, codec, playbook_sets, data):
    """Whatever its bytes are, between activities that repeat: a record is refused by the rules, or read as they read it."""
    players = make_players(playbook_sets[0])
    for number in range(10):
        at_ms = START_MS + 10_000 * number
        name = b"anna" if number % 2 == 0 else data.draw(st.sampled_from(NAMES))
        activity = Activity(
            event_id=f"e{number}",
            member_id="anna",
            occurred_at=at_ms,
            type="article.read",
            channel="APP",
            attributes={"a": "b"},
        )
        value = codec.encode(activity).replace(b"\x08anna", bytes([2 * len(name)]) + name)
        if number % 2:
            value = data.draw(st.one_of(st.just(value), spoilt(value)))
        line = InputRecord(at_ms, RANK["activity"], number, "activity", name, value)
        by_rules, without = (player.decide([line]) for player in players)
        assert without == by_rules
    for player in players:
        player.close()
