"""What a batch puts out besides plain outputs: deleted pages, and records on their way to another member or partition."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Any

import pytest

from app.domain.crossings import MemberMoved, MergeStep, Rerouted, TransferQueued
from app.domain.events import Activity, PoolCapacity
from app.domain.hop import Hop
from app.domain.member import Member
from app.domain.outputs import MemberSnapshot, Nudge
from app.domain.sink import SamePage
from app.domain.state import Hot
from app.runtime.merge import InputRecord
from app.runtime.outgoing import Outputs
from app.wire.hops import write_hop
from app.wire.partitioner import murmur2_partition
from app.wire.topics import DESK_REROUTED, RANK, REROUTED
from tests.domain.conftest import days
from tests.runtime.conftest import PARTITIONS

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.runtime.processor import Host

EVENT = Activity(event_id="e1", member_id="old", occurred_at=days(0), type="article.read", channel="APP")
HOP = Hop("new", "old", (MergeStep(member_id="old", merged_at=days(-1)),), EVENT)


@pytest.fixture
def host(make_host: Callable[..., Host]) -> Host:
    return make_host()


@pytest.fixture
def outputs(host: Host) -> Outputs:
    return Outputs(host, 0, attrgetter("member_id"), REROUTED)


def came(topic: str, key: bytes, value: bytes, appended_ms: int = days(0) + 7) -> InputRecord:
    return InputRecord(appended_ms, RANK[topic], 5, topic, key, value)


def written(outputs: Outputs, host: Host, topic: str) -> dict[int, list[Any]]:
    """Decoded records of a topic by partition."""
    return {
        partition: [None if value is None else host.codec.decode(topic, key, value, 0) for key, value in rows]
        for (name, partition), rows in outputs.rows.items()
        if name == host.full_name(topic)
    }


def test_a_page_that_is_gone_is_written_as_a_deletion(outputs: Outputs, host: Host):
    outputs.page_gone("m1")
    outputs.finish()
    assert outputs.rows == {(host.full_name(MemberSnapshot.topic), 0): [(b"m1", None)]}


def test_the_rest_of_a_page_is_left_with_its_member_for_the_next_one(host: Host):
    member = Member("m1", Hot(""))
    outputs = Outputs(host, 0, attrgetter("member_id"), REROUTED, kept={"m1": member}.get)
    outputs.add(MemberSnapshot(member_id="m1", occurred_at=days(0), tags=["x"], owner_id="o1"))
    outputs.encode_pages()
    assert member.page_rest is not None
    outputs.collect([SamePage("m1", days(1), days(1), member.page_rest)], None)
    outputs.finish()
    (told,) = written(outputs, host, MemberSnapshot.topic)[0]
    assert (told.occurred_at, told.last_in_app_activity) == (days(1), days(1))
    assert (told.tags, told.owner_id) == (["x"], "o1")


def test_of_a_page_written_and_deleted_in_one_batch_the_last_word_counts(outputs: Outputs, host: Host):
    page = MemberSnapshot(member_id="m1", occurred_at=days(0))
    outputs.add(page)
    outputs.page_gone("m1")
    outputs.page_gone("m2")
    outputs.add(MemberSnapshot(member_id="m2", occurred_at=days(0)))
    outputs.finish()
    (rows,) = outputs.rows.values()
    assert [(key, value is None) for key, value in rows] == [(b"m1", True), (b"m2", False)]


def test_the_record_of_a_merged_member_goes_on_to_the_others_partition_with_its_bytes(
    outputs: Outputs, host: Host
):
    value = host.codec.encode(EVENT)
    outputs.send_on(HOP, came("activity", b"old", value))
    place = murmur2_partition(b"new", PARTITIONS)
    (moved,) = written(outputs, host, MemberMoved.topic)[place]
    assert (moved.value, moved.source_topic, moved.appended_at) == (value, "activity", days(0) + 7)
    assert (moved.member_id, moved.from_member_id, moved.path) == ("new", "old", list(HOP.path))


def test_one_that_was_rerouted_or_moved_before_goes_on_as_it_first_came(outputs: Outputs, host: Host):
    encode = host.codec.encode
    value = encode(EVENT)
    rerouted = Rerouted(
        source_topic="activity",
        source_partition=1,
        source_offset=9,
        appended_at=days(0) + 3,
        key=b"old",
        value=value,
    )
    moved = write_hop(HOP, source_topic="activity", appended_at=days(0) + 3, value=value)
    outputs.send_on(HOP, came(REROUTED, b"old", encode(rerouted)))
    outputs.send_on(HOP, came(MemberMoved.topic, b"new", encode(moved)))
    sent = [each for rows in written(outputs, host, MemberMoved.topic).values() for each in rows]
    assert [(each.source_topic, each.appended_at, each.value) for each in sent] == [
        ("activity", days(0) + 3, value)
    ] * 2


def test_what_crosses_goes_to_the_partition_of_its_own_key(outputs: Outputs, host: Host):
    request = TransferQueued(
        event_id="m1/1",
        occurred_at=days(0),
        cause="e",
        pool="west",
        member_id="m1",
        request_id="m1/1",
        attempt=1,
        playbook="p",
    )
    outputs.add(request)
    assert written(outputs, host, TransferQueued.topic) == {murmur2_partition(b"west", PARTITIONS): [request]}


def test_each_processor_has_a_topic_of_its_own_for_what_lies_wrong(host: Host):
    outputs = Outputs(host, 0, attrgetter("pool"), DESK_REROUTED)
    record = PoolCapacity(event_id="c", pool="west", occurred_at=days(0), slots_per_day=1)
    outputs.rerouted(came("capacity", b"west", host.codec.encode(record)), 3)
    ((where, rows),) = outputs.rows.items()
    assert where == (host.full_name(DESK_REROUTED), 3)
    (sent_on,) = [host.codec.decode(DESK_REROUTED, key, value, 0) for key, value in rows]
    assert (sent_on.source_topic, sent_on.key) == ("capacity", b"west")


def test_outputs_that_lie_apart_from_their_entity_go_to_the_partition_of_their_own_key(host: Host):
    outputs = Outputs(host, 0, attrgetter("owner_id"), "", apart=True)
    owners = [f"owner:o{number}" for number in range(12)]
    for owner in owners:
        outputs.add(
            Nudge(
                event_id=f"{owner}/1",
                sequence=1,
                member_id=owner,
                occurred_at=days(0),
                cause="timer:digest",
                nudge_id=f"progress:{owner}#1",
                recipient_role="OWNER",
                recipient_id=owner,
                channel="EMAIL",
                template="off_track_digest",
            )
        )
    lie = written(outputs, host, Nudge.topic)
    assert sorted(record.member_id for records in lie.values() for record in records) == sorted(owners)
    for partition, records in lie.items():
        assert {murmur2_partition(each.member_id.encode(), PARTITIONS) for each in records} == {partition}
    assert len(lie) > 1
