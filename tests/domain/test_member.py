"""Which parts of a member are read and written, and when."""

from app.domain.member import Member
from app.domain.recent_ids import hash_id
from app.domain.state import COLD_PART, HOT_PART, IDS_PART, Hot


class Reads:
    """Stored parts that note what was read of them."""

    def __init__(self, member: Member) -> None:
        self.parts = dict(member.dump())
        self.read: list[int] = []

    def __call__(self, part: int) -> bytes | None:
        self.read.append(part)
        return self.parts.get(part)


def member_with(ids: int) -> Member:
    member = Member("m1", Hot("h"))
    for number in range(ids):
        member.remember(hash_id(f"e{number}"))
    return member


def test_nothing_stored_is_nobody():
    assert Member.load("m1", lambda _part: None) is None


def test_a_member_that_is_new_writes_its_hot_part_only():
    assert [part for part, _ in member_with(7).dump()] == [HOT_PART]


def test_older_ids_are_written_with_every_8th():
    member = member_with(8)
    assert [part for part, _ in member.dump()] == [IDS_PART, HOT_PART]
    member.remember(hash_id("e8"))
    assert [part for part, _ in member.dump()] == [HOT_PART]


def test_the_cold_part_is_written_when_it_changed():
    member = member_with(0)
    member.cold().profile.email = "a@example.com"
    member.cold_changed()
    assert [part for part, _ in member.dump()] == [COLD_PART, HOT_PART]
    assert [part for part, _ in member.dump()] == [HOT_PART]


def test_loading_reads_the_hot_part_only():
    reads = Reads(member_with(20))
    member = Member.load("m1", reads)
    assert member is not None
    assert reads.read == [HOT_PART]


def test_other_parts_are_read_once_when_asked_for():
    stored = member_with(20)
    stored.cold().profile.email = "a@example.com"
    stored.cold_changed()
    reads = Reads(stored)
    member = Member.load("m1", reads)
    assert member is not None
    assert member.has_applied(hash_id("e19"))
    assert reads.read == [HOT_PART]
    assert member.has_applied(hash_id("e0"))
    assert not member.has_applied(hash_id("e20"))
    assert member.cold().profile.email == "a@example.com"
    assert member.cold().profile.email == "a@example.com"
    assert reads.read == [HOT_PART, IDS_PART, COLD_PART]


def test_parts_never_written_are_not_read():
    reads = Reads(member_with(3))
    member = Member.load("m1", reads)
    assert member is not None
    assert not member.has_applied(hash_id("x"))
    assert member.cold().profile.email is None
    assert reads.read == [HOT_PART]


def test_ids_survive_any_number_of_loads():
    member, parts = member_with(0), {}
    for number in range(150):
        member.remember(hash_id(f"e{number}"))
        parts = {**parts, **dict(member.dump())}
        loaded = Member.load("m1", parts.get)
        assert loaded is not None
        member = loaded
    assert [n for n in range(150) if member.has_applied(hash_id(f"e{n}"))] == list(range(86, 150))
