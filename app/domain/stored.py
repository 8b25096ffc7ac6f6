"""How the parts of a member become bytes, and how bytes of an earlier version are read.

The first byte of a part is its version. Raising it means: keep the reader of the old one beside today's, turning what
it reads into today's structure, and keep a part written by it in tests/domain/fixtures.
"""

from __future__ import annotations

from sys import intern
from typing import TYPE_CHECKING, TypeVar

import msgspec

from app.domain.parts import too_new
from app.domain.state import Cold, Hot, ReengagerState

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

_VERSION = b"\x01"

_encode = msgspec.msgpack.Encoder().encode
_decode_hot = msgspec.msgpack.Decoder(Hot).decode
_decode_cold = msgspec.msgpack.Decoder(Cold).decode


def encode_hot(hot: Hot) -> bytes:
    """Part 0, in today's version."""
    return _VERSION + _encode(hot)


def encode_ids(ids: bytes) -> bytes:
    """Part 1, in today's version."""
    return _VERSION + ids


def encode_cold(cold: Cold) -> bytes:
    """Part 2, in today's version."""
    return _VERSION + _encode(cold)


def decode_hot(part: bytes) -> Hot:
    """Part 0 of whichever version, as today's structure.

    Raises:
        UserError: `state-too-new`, when a newer Reengage has written it.
    """
    return _read(_HOT_READERS, part)


def decode_ids(part: bytes) -> bytes:
    """Part 1 of whichever version; raises as `decode_hot` does."""
    return _read(_IDS_READERS, part)


def decode_cold(part: bytes) -> Cold:
    """Part 2 of whichever version; raises as `decode_hot` does."""
    return _read(_COLD_READERS, part)


def _read_hot(body: memoryview) -> Hot:
    """Decoded, with one object for each name that all members have in common: it saves a third of the memory.

    The keys of maps need no care, msgspec shares them.
    """
    hot = _decode_hot(body)
    hot.armed_for = intern(hot.armed_for)
    hot.timers = [(due_ms, intern(name), intern(playbook), ref) for due_ms, name, playbook, ref in hot.timers]
    for workflow in (hot.workflows or {}).values():
        workflow.kind = intern(workflow.kind)
        workflow.reason = intern(workflow.reason)
    for state in hot.states.values():
        if isinstance(state, ReengagerState):
            state.tag = intern(state.tag)
            if state.transfer is not None:
                state.transfer.state = intern(state.transfer.state)
    return hot


_HOT_READERS: dict[int, Callable[[memoryview], Hot]] = {1: _read_hot}
_IDS_READERS: dict[int, Callable[[memoryview], bytes]] = {1: bytes}
_COLD_READERS: dict[int, Callable[[memoryview], Cold]] = {1: _decode_cold}


def _read(readers: dict[int, Callable[[memoryview], T]], part: bytes) -> T:
    reader = readers.get(part[0])
    if reader is None:
        raise too_new(part, "a member", f"reads up to {max(readers)}")
    return reader(memoryview(part)[1:])
