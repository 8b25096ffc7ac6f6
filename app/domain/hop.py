"""A record of a merged-away member, on its way to the member it was merged into (contract 5, `merged_into`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from app.domain.crossings import MergeStep
    from app.domain.events import Input


class Hop(NamedTuple):
    """Put out by the core of the old member, and applied to the new one.

    Between the two it is a `crossings.MemberMoved`, which holds the record's bytes: who drives the core makes one of
    the other, for the core knows no bytes.

    Attributes:
        member_id: where it goes next.
        from_member_id: whose record it is.
        path: the merges it has followed so far, in order; at least one.
        record: what it is.
    """

    member_id: str
    from_member_id: str
    path: tuple[MergeStep, ...]
    record: Input

    @property
    def occurred_at(self) -> int:
        """The record's own instant."""
        return self.record.occurred_at
