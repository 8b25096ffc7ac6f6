from app.domain import recent_ids


def hash_of(number: int) -> bytes:
    return number.to_bytes(8, "big")


def test_a_hash_takes_8_bytes_and_never_changes():
    assert recent_ids.hash_id("e1").hex() == "1b5d5e51f54f0f04"


def test_ids_are_told_apart_and_need_not_be_ascii():
    assert len({recent_ids.hash_id(event_id) for event_id in ("", "e1", "e2", "é", "名")}) == 5


def test_a_hash_across_two_ids_is_no_member():
    ids = bytes(range(16))
    assert not recent_ids.in_tail(ids, ids[4:12])
    assert recent_ids.in_tail(ids, ids[8:])


def test_a_hash_that_first_shows_across_a_border_is_still_found():
    wanted = b"\1" * 8
    assert recent_ids.in_tail(b"\0\1\1\1\1\1\1\1" + wanted, wanted)


def test_tail_and_older_ids_together_hold_the_last_64():
    older, tail = b"", b""
    for number in range(200):
        tail += hash_of(number)
        if recent_ids.is_full(tail):
            older, tail = recent_ids.spill(older, tail), b""
        known = [
            n
            for n in range(number + 1)
            if recent_ids.in_tail(tail, hash_of(n)) or recent_ids.in_older(older, tail, hash_of(n))
        ]
        assert known == list(range(max(0, number - 63), number + 1))
