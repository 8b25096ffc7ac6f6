"""Whatever bytes it is given, it leaves alone what it does not understand: these are the only modules that a mistake can crash.

That what it does apply comes out as the rules would have it, `test_repeating.py` tells.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from app.domain.entity import NEVER_MS
from app.domain.events import Activity
from app.domain.reengager import INACTIVE_TIMER
from app.domain.state import Hot, ReengagerState
from app.domain.stored import decode_hot, encode_hot
from app.runtime.member_repeats import Layout, Times, Wire, _wire
from app.runtime.merge import InputRecord
from app.wire.topics import RANK

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.wire.codec import Codec

repeats = pytest.importorskip("app.runtime.native.repeats")
native = pytest.importorskip("app.runtime.native")

START_MS = 1_736_121_600_000
DAY_MS = 24 * 3_600_000
MINUTE_MS = 60_000
REST = b"\x02bthe others"
LAYOUT = Layout([b"one"], INACTIVE_TIMER.encode())
EVERY_CHANNEL = (1 << 64) - 1
MOVES = [(b"article.read", [(0, EVERY_CHANNEL, 3 * DAY_MS)])]

PART = encode_hot(
    Hot(
        "hash",
        now_ms=START_MS,
        sequence=3,
        born=True,
        timers=[(START_MS + 3 * DAY_MS, INACTIVE_TIMER, "one", "")],
        recent=bytes(range(48)),
        older_ids=True,
        snapshot_ms=START_MS,
        last_in_app_ms=START_MS,
        tags={"new": START_MS},
        states={"one": ReengagerState("gone", START_MS)},
        owner_id="o",
    )
)
"""Part 0 of a member who may repeat."""

REPLACED = (
    b"\xcf" + b"\xff" * 8,
    b"\xcf\x7f" + b"\xff" * 7,
    b"\xdb\xff\xff\xff\xff",
    b"\xdd\xff\xff\xff\xff",
    b"\xdf\xff\xff\xff\xff",
    b"\xc0",
    b"\xc1",
    b"\x91" * 9,
    b"\xff" * 10,
)
"""What a reader may stumble over: numbers and sizes beyond all measure, nesting, bytes that mean nothing."""


@st.composite
def spoilt(draw: st.DrawFn, whole: bytes) -> bytes:
    """The bytes with one or more places cut, put in or replaced."""
    found = bytearray(whole)
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(found)))
        end = draw(st.sampled_from((at, at + 1, at + 9, len(found))))
        found[at:end] = draw(st.one_of(st.just(b""), st.binary(max_size=12), st.sampled_from(REPLACED)))
    return bytes(found)


rests = st.one_of(
    st.none(), st.sampled_from((REST, b"", b"\x00", b"\x05four", b"\xff")), st.binary(max_size=300)
)
"""Rests of pages, of which not all are any."""

olders = st.one_of(st.none(), st.binary(max_size=20), st.integers(0, 600).map(bytes))


@pytest.fixture(scope="module")
def wire(codec: Codec) -> Wire:
    found = _wire(codec)
    assert found is not None
    return found


@pytest.fixture(scope="module")
def once(wire: Wire) -> Any:
    return repeats.Repeats(LAYOUT, MOVES, wire, Times(2_000), True)


@pytest.fixture(scope="module")
def settle(once: Any) -> Callable[..., Any]:
    def settle(part: bytes = PART, rest: bytes | None = REST, older: bytes | None = b"") -> Any:
        settled = once.settle("anna", part, 1, rest, older)
        if settled is not None:
            settled.indexed_due_ms = START_MS + 3 * DAY_MS
        return settled

    return settle


@pytest.fixture(scope="module")
def activity(codec: Codec) -> Callable[..., bytes]:
    def activity(**changes: Any) -> bytes:
        fields = {
            "event_id": "e",
            "member_id": "anna",
            "occurred_at": START_MS + MINUTE_MS,
            "type": "article.read",
            "channel": "APP",
            "attributes": {"a": None, "b": "text", "c": 1 << 40, "d": 0.5, "e": True},
        }
        return codec.encode(Activity(**{**fields, **changes}))

    return activity


def record(value: bytes, key: bytes = b"anna", offset: int = 0, appended_ms: int = START_MS) -> InputRecord:
    return InputRecord(appended_ms, RANK["activity"], offset, "activity", key, value)


class Run:
    """One call of `run` for one settled member, and what it leaves behind."""

    def __init__(self, once: Any, settled: Any, *records: InputRecord) -> None:
        self.kept: dict[str, Any] = {}
        self.changed: dict[str, Any] = {}
        self.pages: dict[str, bytes] = {}
        self.reached = once.run(
            records,
            0,
            len(records),
            {"anna": settled},
            self.kept,
            self.changed,
            self.pages,
            START_MS,
            START_MS,
            NEVER_MS,
        )


@given(part=spoilt(PART), rest=rests, older=olders)
@example(part=b"", rest=None, older=None)
@example(part=PART + b"\x00", rest=None, older=None)
@example(part=b"\x01" + b"\x91" * 1_000_000, rest=None, older=None)
def test_a_part_is_settled_as_it_is_or_not_at_all(settle, part, rest, older):
    settled = settle(part, rest, older)
    if settled is not None:
        assert settled.part() == part


@pytest.mark.parametrize("fields", range(len(Hot.__struct_fields__)))
def test_a_part_that_ends_before_the_last_field_that_moves_is_not_settled(settle, fields):
    whole = msgspec.msgpack.decode(PART[1:])
    part = b"\x01" + msgspec.msgpack.encode(whole[:fields])
    assert (settle(part) is not None) == (fields > LAYOUT.states)


@pytest.mark.parametrize(
    ("rest", "is_one"), [(None, True), (REST, True), (b"\x00", True), (b"", False), (b"\x05four", False)]
)
def test_a_member_is_settled_with_a_whole_rest_or_none(settle, rest, is_one):
    assert (settle(rest=rest) is not None) == is_one


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(data=st.data(), older=olders, rest=rests)
def test_any_bytes_are_applied_or_left_untouched(once, settle, activity, data, older, rest):
    """Of members whose parts are not what they should be, too."""
    part = data.draw(st.one_of(st.just(PART), spoilt(PART)), label="part")
    settled = settle(part, rest, older)
    if settled is None:
        return
    value = data.draw(spoilt(activity()), label="value")
    key = data.draw(st.one_of(st.just(b"anna"), spoilt(b"anna")), label="key")
    found = Run(once, settled, record(value, key, appended_ms=data.draw(st.integers(-(2**63), 2**63 - 1))))
    if found.reached == 0:
        assert settled.part() == part
        assert not settled.has_repeated
        assert not found.kept
        assert not found.changed
        assert not found.pages
    elif found.kept:
        assert len(settled.part()) in (len(part) + 8, len(part) - 56)
        assert list(found.pages) == ["anna"] * len(found.pages)


def test_a_name_that_is_no_utf8_is_left(once, settle, activity):
    """Its record is poison, and for the rules to refuse."""
    value = activity().replace(b"\x08anna", b"\x02\xff")
    assert Run(once, settle(), record(value, b"\xff")).reached == 0


def test_ids_go_round_among_older_ones_of_any_length(once, settle, activity):
    older = bytes(515)
    settled = settle(older=older)
    lines = [
        record(activity(event_id=f"e{number}", occurred_at=at_ms), offset=number, appended_ms=at_ms)
        for number, at_ms in enumerate(range(START_MS + MINUTE_MS, START_MS + 200 * MINUTE_MS, MINUTE_MS))
    ]
    assert Run(once, settled, *lines).reached == 199
    assert len(settled.older) == 512
    assert len(decode_hot(settled.part()).recent) == (6 + 199) % 8 * 8


def test_what_is_seen_fits_two_bytes_or_is_refused(once, settle):
    settled, parts = settle(), {}
    once.encode(settled, parts, None, bytes(65_535))
    assert [len(part) for part in parts.values()] == [10 + 65_535 + len(PART)]
    with pytest.raises(ValueError, match="seen"):
        once.encode(settled, parts, None, bytes(65_536))


def test_records_beyond_the_end_are_not_read(once, settle, activity):
    with pytest.raises(IndexError):
        once.run([record(activity())], 0, 2, {"anna": settle()}, {}, {}, {}, START_MS, START_MS, NEVER_MS)


@pytest.mark.parametrize(
    ("names", "moves", "changes"),
    [
        ([b"one"] * 5, MOVES, {}),
        ([b"one"], MOVES * 65, {}),
        ([b"one"], [(b"article.read", [(0, 1, DAY_MS)] * 5)], {}),
        ([b"one"], [(b"article.read", [(1, 1, DAY_MS)])], {}),
        ([b"one"], [(b"article.read", [(0, 1, 1 << 62)])], {}),
        ([b"one"], MOVES, {"channels": 65}),
        ([b"one"], MOVES, {"header": b"short"}),
    ],
    ids=[
        "re-engagers",
        "types",
        "moves of a type",
        "no such re-engager",
        "too long a span",
        "channels",
        "another header",
    ],
)
def test_more_than_it_can_serve_is_refused(wire, names, moves, changes):
    with pytest.raises(ValueError):  # noqa: PT011  `make_repeating` wants to know no more than that
        repeats.Repeats(
            Layout(names, INACTIVE_TIMER.encode()), moves, wire._replace(**changes), Times(2_000), True
        )


def test_only_settling_makes_settled_members(once, activity):
    with pytest.raises(TypeError):
        native.Settled()
    empty = native.Settled.__new__(native.Settled)
    assert Run(once, empty, record(activity())).reached == 0
    with pytest.raises(ValueError, match="made by"):
        empty.part()


@given(st.binary(max_size=128))
def test_ids_hash_as_they_do_elsewhere(text):
    assert repeats.hash_id(text) == blake2b(text, digest_size=8).digest()


def test_what_is_too_long_to_hash_is_refused():
    with pytest.raises(ValueError, match="128"):
        repeats.hash_id(bytes(129))
