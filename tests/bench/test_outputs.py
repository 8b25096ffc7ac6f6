"""What the bench makes of the outputs it reads back."""

from __future__ import annotations

from collections import Counter

from app.domain.outputs import MemberSnapshot
from app.wire.codec import Codec
from bench.oracle import Expected
from bench.outputs import Outputs, differences

EXPECTED = Expected(counts=Counter({"workflow-opened": 2}), pages_ms={"m1": 5_000}, pages=3)


def found(opened: int = 2, pages: int = 1, page_ms: int = 5_000, repeated: int = 0) -> Outputs:
    page = Codec().encode(MemberSnapshot(member_id="m1", occurred_at=page_ms))
    return Outputs(
        counts=Counter({"workflow-opened": opened}),
        pages=pages,
        last_pages={b"m1": page},
        repeated=repeated,
    )


def test_fewer_pages_than_the_oracle_are_right_if_the_last_one_is() -> None:
    """The worker writes one of those decided in one transaction."""
    assert differences(EXPECTED, found(pages=1)) == []


def test_each_kind_of_difference_is_named() -> None:
    """A missing output, a second one, too many pages, and an old last page."""
    assert differences(EXPECTED, found(opened=1)) == ["workflow-opened: 1 in place of 2"]
    assert differences(EXPECTED, found(repeated=1)) == ["1 repeated"]
    assert differences(EXPECTED, found(pages=4)) == ["4 pages, where 3 are the most there can be"]
    assert differences(EXPECTED, found(page_ms=4_000)) == ["the last page of 1 members is another"]


def test_the_clock_starts_when_every_partition_has_put_something_out() -> None:
    """What had been applied by then is not counted."""
    outputs = Outputs(reached={0: {100: 9, 300: 99}, 1: {200: 19, 300: 97}}, last_ms=300)
    assert outputs.first_ms == 200
    assert outputs.applied_by(200) == 15
    assert outputs.applied_by(300) == 99
