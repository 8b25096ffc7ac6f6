"""What is stored of a member's set-up and of the transfer to a coach. Part of `state.ReengagerState`."""

from __future__ import annotations

import msgspec


class SetUp(msgspec.Struct, array_like=True, gc=False):
    """What is known of a member's set-up since the program was assigned.

    Attributes:
        steps: the steps done, by name, each with when it was first done.
        completed_ms: when it was first completed; None: not yet.
        steps_again: of the steps done again, each with when it was last done; None: there are none.
        completed_again_ms: when it was last completed, if again; a program assigned in between may yet be told of.
    """

    steps: dict[str, int] = msgspec.field(default_factory=dict)
    completed_ms: int | None = None
    steps_again: dict[str, int] | None = None
    completed_again_ms: int | None = None


class Transfer(msgspec.Struct, array_like=True, gc=False):
    """Where the transfer to a coach stands; a member nothing was said of has the defaults.

    Attributes:
        state: as on the page (contract 4, member-snapshot); see `transfer.MOVES`.
        told_ms: when PROGRAM_ASSIGNED, TRANSFERRED or CANCELLED was last said; what is older says nothing new.
        assigned_ms: when the program was assigned; set-up before it does not count.
        pool: asked, else named with the program; None: neither.
        program: likewise.
        attempts: attempts made at the request.
        request: sequence of the transfer-requested; 0: none was made for this program.
        requested_ms: that output's occurred_at.
        at_desk: whether the request lies with a desk of ours, as of a managed playbook.
    """

    state: str = "PENDING"
    told_ms: int = 0
    assigned_ms: int = 0
    pool: str | None = None
    program: str | None = None
    attempts: int = 0
    request: int = 0
    requested_ms: int = 0
    at_desk: bool = False
