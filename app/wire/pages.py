"""Writing members' pages: of most, nothing but the instant and the last activity is new since the last one.

So the rest of a page is kept as it was encoded, and put into the next one in place of being made again: a page, and making
its bytes, is the largest share of what an event costs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.wire.avro_encoder import make_encoder

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.domain.outputs import MemberSnapshot
    from app.domain.sink import SamePage

MOVING = ("occurred_at", "last_in_app_activity")
"""The fields that a member's every activity changes, in the schema's order."""

_LONGEST_BETWEEN = 255


class PageEncoder:
    """Encodes pages of one schema.

    What is kept of one, its *rest*, is the fields between the two that move, with their size in a byte before them,
    and those behind the second. Whoever keeps it need not know.

    Args:
        schema: of member-snapshot.
        header: what stands before the fields in every record.

    Attributes:
        before_id: what stands before the member's id, followed by the first field that moves; None where that is not so.
    """

    def __init__(self, schema: dict[str, Any], header: bytes) -> None:
        names = [field["name"] for field in schema["fields"]]
        first, second = (names.index(name) + 1 for name in MOVING)

        def encoder(begin: int, end: int, before: bytes = b"") -> Callable[[Any], bytes]:
            return make_encoder({**schema, "fields": schema["fields"][begin:end]}, before)

        self.before_id = header if names[:first] == ["member_id", MOVING[0]] else None
        self._head = encoder(0, first, header)
        self._between = encoder(first, second - 1)
        self._last = encoder(second - 1, second)
        self._behind = encoder(second, len(names))

    def encode(self, page: MemberSnapshot) -> tuple[bytes, bytes | None]:
        """A whole page, and its rest; None where that has to be made anew each time.

        Raises what `avro_encoder.make_encoder` says.
        """
        between, behind = self._between(page), self._behind(page)
        value = self._head(page) + between + self._last(page) + behind
        size = len(between)
        return value, bytes([size]) + between + behind if size <= _LONGEST_BETWEEN else None

    def encode_again(self, page: SamePage) -> bytes:
        """The page that has the rest of an earlier one."""
        rest: bytes = page.rest
        end = rest[0] + 1
        return self._head(page) + rest[1:end] + self._last(page) + rest[end:]
