"""A record on its way to another member: its bytes go along, and give the same record there."""

import pytest
from msgspec.structs import replace

from app.domain.crossings import MemberMoved, MergeStep, MovedResponse
from app.domain.events import Activity
from app.domain.hop import Hop
from app.wire.bad_record import BadRecord
from app.wire.codec import Codec
from app.wire.hops import read_hop, write_hop

EVENT = Activity(
    event_id="e1", member_id="old", occurred_at=1_767_607_200_000, type="article.read", channel="APP"
)
HOP = Hop("new", "old", (MergeStep(member_id="old", merged_at=1_767_607_100_000),), EVENT)


def moved(codec: Codec) -> MemberMoved:
    return write_hop(
        HOP, source_topic="activity", appended_at=EVENT.occurred_at + 5, value=codec.encode(EVENT)
    )


@pytest.mark.parametrize("encoding", ["avro", "json"])
def test_what_is_read_is_what_was_sent_whatever_the_encoding(encoding):
    assert read_hop(Codec(), moved(Codec(encoding=encoding))) == HOP


def test_it_survives_its_own_topic():
    codec = Codec()
    sent = moved(codec)
    assert codec.decode(MemberMoved.topic, b"new", codec.encode(sent), 0) == sent


def test_a_historys_responses_survive_too():
    response = MovedResponse(
        response_id="r",
        campaign_id="c",
        is_response=False,
        status="s",
        occurred_at=1,
        told_at=2,
        reactivated=True,
    )
    history = MemberMoved(
        event_id="e",
        occurred_at=1,
        cause="e",
        member_id="new",
        from_member_id="old",
        path=[MergeStep(member_id="old", merged_at=1)],
        responses=[response, replace(response, response_id="other", reactivated=False)],
    )
    codec = Codec()
    assert codec.decode(MemberMoved.topic, b"new", codec.encode(history), 0) == history


def test_a_history_is_no_record():
    history = MemberMoved(
        event_id="e", occurred_at=1, cause="e", member_id="new", from_member_id="old", path=[]
    )
    assert read_hop(Codec(), history) is None


def test_bytes_that_are_no_record_are_refused():
    with pytest.raises(BadRecord):
        read_hop(Codec(), replace(moved(Codec()), value=b"any"))
