"""The made-up journal of the explain bench says what a worker's would: everything taken, in full batches."""

from collections import Counter

from app.domain.events import Activity
from app.runtime.merge import MAX_BATCH
from app.wire.partitioner import murmur2_partition
from bench.site import Site
from bench.taken import TakenCommits


def test_every_record_is_taken_by_one_commit_in_its_order(tmp_path):
    taken = TakenCommits(Site("nowhere:1", "bench-", tmp_path, "exactly_once"), 2)
    events = 2 * MAX_BATCH + 7
    records = [
        Activity(
            event_id=f"e{n}",
            member_id=f"m{n % 50}",
            occurred_at=1_767_600_000_000 + n,
            type="a.b",
            channel="APP",
        )
        for n in range(events)
    ]
    assert list(taken.watch(iter(records))) == records
    expected = Counter(murmur2_partition(record.member_id.encode(), 2) for record in records)
    reached = Counter()
    for number, entry in taken._entries:
        assert 0 < entry.offsets["activity"] - reached[number] <= MAX_BATCH
        reached[number] = entry.offsets["activity"]
        assert entry.mark_due == entry.time - 2_000 + 1
    assert reached == expected
