"""The spool: records of any order in, in order of time out, from any place on."""

from hypothesis import given, settings
from hypothesis import strategies as some

from app.runtime.merge import InputRecord
from app.tools.replay.spool import Spool, SpoolState
from app.wire.topics import RANK

TOPICS = {rank: topic for topic, rank in RANK.items()}

records = some.lists(
    some.tuples(
        some.integers(0, 5),
        some.integers(0, 2),
        some.builds(
            lambda appended_ms, rank, offset, key, value: InputRecord(
                appended_ms, rank, offset, TOPICS[rank], key, value
            ),
            some.integers(0, 3),
            some.integers(0, len(RANK) - 1),
            some.integers(0, 1_000),
            some.none() | some.binary(max_size=4),
            some.none() | some.binary(max_size=4),
        ),
    ),
    max_size=30,
    unique_by=lambda each: (each[1], each[2].rank, each[2].offset),
)


@given(records, some.integers(0, 30))
@settings(max_examples=30)
def test_it_gives_back_every_record_in_order_of_time_rank_append_time_partition_and_offset(
    tmp_path_factory, given_records, cut
):
    spool = Spool(tmp_path_factory.mktemp("spool"), TOPICS)
    spool.write(given_records[:cut], SpoolState({"activity": {0: 1}}, cut))
    spool.write(given_records[cut:], SpoolState({"activity": {0: 2}}, len(given_records)))
    found = list(spool.after(b""))
    assert [(each.occurred_ms, each.partition, each.record) for each in found] == sorted(
        given_records, key=lambda each: (each[0], each[2].rank, each[2].appended_ms, each[1], each[2].offset)
    )
    for place, each in enumerate(found):
        assert list(spool.after(each.key)) == found[place + 1 :]
        assert spool.at(each.key) == each
    assert spool.at(b"") is None
    assert spool.state() == SpoolState({"activity": {0: 2}}, len(given_records))
    spool.close()
