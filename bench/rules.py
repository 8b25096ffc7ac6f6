"""The job for contenders that keep a member's state as bytes: activity and state in, outputs and state out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from bench.inactivity import Member
from bench.records import outputs

if TYPE_CHECKING:
    from app.wire.codec import Codec
    from bench.records import Record


class Rules:
    """The rules, one activity at a time."""

    def __init__(self, codec: Codec) -> None:
        self._read = codec.decode
        self._dump = msgspec.msgpack.Encoder().encode
        self._load = msgspec.msgpack.Decoder(Member).decode

    def apply(
        self, key: bytes, value: bytes, append_ms: int, kept: bytes | None
    ) -> tuple[list[Record], bytes]:
        """The outputs of one activity, as records, and its member's new state; `kept`: the former, if any."""
        member = Member() if kept is None else self._load(kept)
        made = list(outputs(member, self._read("activity", key, value, append_ms)))
        return made, self._dump(member)
