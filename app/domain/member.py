"""A member as the core holds it: the hot part at hand, the other parts read when something asks for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.domain import recent_ids
from app.domain.engagement_state import ENGAGEMENTS_PART, decode_engagements, encode_engagements
from app.domain.entity import Entity
from app.domain.state import COLD_PART, HOT_PART, IDS_PART, Cold, Hot
from app.domain.stored import decode_cold, decode_hot, decode_ids, encode_cold, encode_hot, encode_ids

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from app.domain.engagement_state import Engagements


class Member(Entity):
    """One member. `hot` may be changed freely; of `cold()` what was changed counts after `cold_changed()`.

    `page_rest`: see `snapshot.keep_rest`; of no consequence but for what a page costs, and not stored.

    `read` gives a stored part (its number: bytes or None), as `Core.load` got it; None when nothing lies in a store.
    """

    __slots__ = (
        "_cold",
        "_cold_changed",
        "_cold_gone",
        "_engagements",
        "_engagements_changed",
        "_ids_gone",
        "_older",
        "_older_changed",
        "_read",
        "hot",
        "page_rest",
    )

    def __init__(self, key: str, hot: Hot, read: Callable[[int], bytes | None] | None = None) -> None:
        super().__init__(key, hot.armed_for)
        self.hot = hot
        self.page_rest: bytes | None = None
        self._read = read
        self._older: bytes | None = None
        self._older_changed = False
        self._cold: Cold | None = None
        self._cold_changed = False
        self._cold_gone = False
        self._ids_gone = False
        self._engagements: Engagements | None = None
        self._engagements_changed = False

    @classmethod
    def load(cls, key: str, read: Callable[[int], bytes | None]) -> Member | None:
        """The stored member, or None when there is none; see `entity.Core.load`."""
        part = read(HOT_PART)
        if part is None:
            return None
        hot = decode_hot(part)
        # The reader is let go where nothing is left to read: it may hold on to much.
        return cls(key, hot, read if hot.older_ids or hot.has_cold or hot.has_engagements else None)

    def older_at_hand(self) -> bytes | None:
        """The older event ids, if they have been read or made; see `recent_ids`."""
        return self._older

    def take_back(self, page_rest: bytes | None, older: bytes | None, *, older_changed: bool) -> None:
        """What another form of this member, just loaded, had at hand besides what is stored (`older_changed`: or is to be)."""
        self.page_rest = page_rest
        self._older = older
        self._older_changed = older_changed

    def dump(self) -> Iterator[tuple[int, bytes | None]]:
        """The hot part, after the others if they changed since the last call; see `entity.Core.dump`."""
        self.hot.armed_for = self.armed_for
        if self._older_changed and self._older is not None:
            self._older_changed = self._ids_gone = False
            yield IDS_PART, encode_ids(self._older)
        elif self._ids_gone:
            self._ids_gone = False
            yield IDS_PART, None
        if self._cold_changed and self._cold is not None:
            self._cold_changed = self._cold_gone = False
            yield COLD_PART, encode_cold(self._cold)
        elif self._cold_gone:
            self._cold_gone = False
            yield COLD_PART, None
        if self._engagements_changed:
            self._engagements_changed = False
            engagements = self._engagements
            yield ENGAGEMENTS_PART, encode_engagements(engagements) if engagements else None
        yield HOT_PART, encode_hot(self.hot)

    def cold(self) -> Cold:
        """The cold part; an empty one if none was ever written. May read the store once."""
        if self._cold is None:
            part = self._stored(COLD_PART) if self.hot.has_cold else None
            self._cold = Cold() if part is None else decode_cold(part)
        return self._cold

    def cold_changed(self) -> None:
        """The cold part was changed and is to be written."""
        self.hot.has_cold = True
        self._cold_changed = True

    def engagements(self) -> Engagements:
        """The coaching engagements; what was changed counts after `engagements_changed`. May read the store once."""
        if self._engagements is None:
            part = self._stored(ENGAGEMENTS_PART) if self.hot.has_engagements else None
            self._engagements = {} if part is None else decode_engagements(part)
        return self._engagements

    def engagements_changed(self) -> None:
        """The engagements were changed and are to be written."""
        self.hot.has_engagements = bool(self._engagements)
        self._engagements_changed = True

    def forget_engagements(self) -> None:
        """There are none any more."""
        self._engagements_changed = self._engagements_changed or self.hot.has_engagements
        self._engagements = None
        self.hot.has_engagements = False

    def wipe(self) -> None:
        """Forget everything but the counters, the now they belong to, and the recent event ids (contract 5).

        And who was merged into it, for those ids go on leading here: merged into one of them, it would close a circle.
        """
        self.forget_engagements()
        self.page_rest = None
        hot = self.hot
        self._cold_gone = self._cold_gone or hot.has_cold
        self._cold, self._cold_changed = None, False
        self.hot = Hot(
            hot.armed_for,
            now_ms=hot.now_ms,
            sequence=hot.sequence,
            recent=hot.recent,
            older_ids=hot.older_ids,
            openings=hot.openings,
            nudges=hot.nudges,
            inserted=hot.inserted,
            merged=hot.merged,
        )

    def has_applied(self, id_hash: bytes) -> bool:
        """Whether the id is among the last 64 applied (contract 3). May read the store once."""
        tail = self.hot.recent
        # The plain search, which may also find a hash across a border, is enough to say no, and no is the rule.
        if id_hash in tail and recent_ids.in_tail(tail, id_hash):
            return True
        if not self.hot.older_ids:
            return False
        older = self._older_ids()
        return id_hash in older and recent_ids.in_older(older, tail, id_hash)

    def remember(self, id_hash: bytes) -> None:
        """The record of this id is applied."""
        hot = self.hot
        hot.recent += id_hash
        if recent_ids.is_full(hot.recent):
            self._older = recent_ids.spill(self._older_ids(), hot.recent)
            self._older_changed = True
            hot.older_ids = True
            hot.recent = b""

    def forget_ids(self) -> None:
        """No record is known to be applied any more."""
        hot = self.hot
        self._ids_gone = self._ids_gone or hot.older_ids
        self._older, self._older_changed = None, False
        hot.recent, hot.older_ids = b"", False

    def _older_ids(self) -> bytes:
        if self._older is None:
            part = self._stored(IDS_PART) if self.hot.older_ids else None
            self._older = b"" if part is None else decode_ids(part)
        return self._older

    def _stored(self, part: int) -> bytes | None:
        return None if self._read is None else self._read(part)
