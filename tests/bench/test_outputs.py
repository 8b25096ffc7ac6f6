"""What the bench makes of the outputs it reads back."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from app.domain.events import Activity
from app.domain.outputs import DeadLetter, MemberSnapshot
from app.wire.codec import Codec
from bench.inactivity import Member
from bench.oracle import Expected
from bench.outputs import Outputs, Verdict, judge
from bench.records import outputs

CODEC = Codec()


def made() -> list[Any]:
    """The outputs of one first activity: two tag changes, a workflow, a page."""
    activity = Activity(
        event_id="e0", member_id="m1", occurred_at=1_767_225_600_000, type="article.read", channel="APP"
    )
    return list(outputs(Member(), activity))


def read(records: list[Any], at_ms: int = 100) -> Outputs:
    found = Outputs()
    for record in records:
        value = CODEC.encode(record)
        raw = SimpleNamespace(key=b"m1", value=value, timestamp=at_ms, partition=0)
        found.take(record.topic, raw, CODEC)
    return found


def expected() -> Expected:
    right = Expected()
    right.take(made())
    return right


def changed(place: int, **fields: Any) -> list[Any]:
    records = made()
    records[place] = msgspec.structs.replace(records[place], **fields)
    return records


def test_what_must_come_out_is_exact_whatever_the_playbooks_version() -> None:
    """That alone is everybody's own."""
    assert judge(expected(), read(made())) == Verdict()
    assert judge(expected(), read(changed(0, playbook_version="another"))) == Verdict()
    assert judge(expected(), read(made())).words() == []


@pytest.mark.parametrize(
    ("records", "verdict"),
    [
        (made()[1:], Verdict(missing=1)),
        (changed(0, cause="e9"), Verdict(wrong=1)),
        (changed(1, reason="other"), Verdict(wrong=1)),
        (changed(2, context={}), Verdict(wrong=1)),
        (changed(0, event_id="m1/9"), Verdict(missing=1, wrong=1)),
        ([*made(), made()[0]], Verdict(repeated=1)),
        ([*made(), changed(0, cause="e9")[0]], Verdict(wrong=1, repeated=1)),
        (made()[:3], Verdict(members=1)),
        (changed(3, tags=["inactive"]), Verdict(members=1)),
        ([*made(), made()[3]], Verdict(pages=1)),
    ],
)
def test_each_kind_of_difference_is_counted(records: list[Any], verdict: Verdict) -> None:
    """A missing output, a wrong one, an unknown one, a second one, another last page, too many pages."""
    assert judge(expected(), read(records)) == verdict
    assert len(verdict.words()) == sum(count > 0 for count in verdict.as_json().values())


def test_a_dead_letter_is_wrong() -> None:
    """Nothing of the job makes one."""
    letter = DeadLetter(
        source_topic="activity",
        source_partition=0,
        source_offset=0,
        key="m1",
        error="internal",
        message="",
        raw=b"",
    )
    assert judge(expected(), read([*made(), letter])) == Verdict(wrong=1)


def test_fewer_pages_than_the_oracle_are_right_if_the_last_one_is() -> None:
    """The worker writes one of those decided in one transaction."""
    earlier = MemberSnapshot(member_id="m1", occurred_at=1_767_225_500_000)
    right = expected()
    right.most_pages += 1
    assert judge(right, read(made())) == Verdict()
    assert judge(right, read([earlier, *made()])) == Verdict()


def test_the_clock_starts_when_every_partition_has_put_something_out() -> None:
    """What had been applied by then is not counted."""
    found = Outputs(reached={0: {100: 9, 300: 99}, 1: {200: 19, 300: 97}}, last_ms=300)
    assert found.first_ms == 200
    assert found.applied_by(200) == 15
    assert found.applied_by(300) == 99
