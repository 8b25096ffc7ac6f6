"""The spool: records of any order in, in order of time out, from any place on."""

from itertools import chain

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as some

from app.tools.replay import sorted_run, spool
from app.tools.replay.merging import depth
from app.tools.replay.sorted_run import place_of
from app.tools.replay.spool import Spool, SpoolState

records = some.lists(
    some.tuples(
        some.integers(0, 5),
        some.integers(0, 20),
        some.integers(0, 3),
        some.integers(0, 2),
        some.integers(0, 1_000),
        some.none() | some.binary(max_size=4),
        some.none() | some.binary(max_size=4),
    ),
    max_size=30,
    unique_by=lambda each: each[:5],
)
runs = some.lists(records.filter(bool), max_size=8).filter(
    lambda found: len({each[:5] for each in chain(*found)}) == len(list(chain(*found)))
)


@pytest.fixture(autouse=True, scope="module")
def small_sizes():
    """So that a few records make several blocks, and a few runs are too many."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sorted_run, "BLOCK_RECORDS", 3)
        patch.setattr(spool, "MOST_OVERLAPPING", 2)
        yield


def offsets(number):
    return {"activity": {0: number}}


def filled(folder, found):
    made = Spool(folder)
    for number, each in enumerate(found):
        made.add(list(each), offsets(number))
    return made


def everything(made, place=b""):
    parts = list(made.after(place))
    assert all(parts)
    return list(chain(*parts))


def thin_out(made):
    while made.crowded:
        moved = list(made.thin_out())
        assert sum(moved) <= made.state().count


@given(runs)
@settings(max_examples=60)
def test_it_gives_back_every_record_in_order_of_its_place(tmp_path_factory, found):
    made = filled(tmp_path_factory.mktemp("spool"), found)
    expected = sorted(chain(*found))
    assert everything(made) == expected
    assert made.state() == SpoolState(offsets(len(found) - 1) if found else {}, len(expected))


@given(runs)
@example([[(0, 0, 0, 0, 0, None, None)]])
@settings(max_examples=30)
def test_it_goes_on_from_any_place(tmp_path_factory, found):
    made = filled(tmp_path_factory.mktemp("spool"), found)
    expected = sorted(chain(*found))
    for number, each in enumerate(expected):
        assert everything(made, place_of(each)) == expected[number + 1 :]
        assert made.at(place_of(each)) == each
    assert made.at(b"") is None


@given(runs)
@settings(max_examples=60)
def test_thinned_out_it_holds_the_same_in_runs_of_which_few_overlap(tmp_path_factory, found):
    folder = tmp_path_factory.mktemp("spool")
    made = filled(folder, found)
    thin_out(made)
    assert depth(made._runs) <= 2
    assert everything(made) == everything(Spool(folder)) == sorted(chain(*found))
    assert Spool(folder).state() == made.state()


@given(runs, some.integers(0, 40))
@settings(max_examples=60)
def test_interrupted_while_it_is_thinned_out_it_has_lost_and_doubled_nothing(tmp_path_factory, found, steps):
    folder = tmp_path_factory.mktemp("spool")
    made = filled(folder, found)
    if made.crowded:
        for _ in zip(range(steps), made.thin_out(), strict=False):
            pass
    again = Spool(folder)
    thin_out(again)
    assert everything(again) == sorted(chain(*found))


def test_what_a_merge_has_taken_up_is_dropped_when_an_interruption_left_it_there(tmp_path):
    overlapping = [[(at, 0, 0, 0, number, None, None) for at in (1, 9)] for number in range(3)]
    made = filled(tmp_path, overlapping)
    first = min(tmp_path.glob("*.run"))
    held = first.read_bytes()
    thin_out(made)
    assert not first.exists()
    first.write_bytes(held)
    unfinished = tmp_path / "00000009-00000009.new"
    unfinished.write_bytes(b"half of it")
    assert everything(Spool(tmp_path)) == sorted(chain(*overlapping))
    assert not first.exists()
    assert not unfinished.exists()


def test_large_records_make_small_blocks(tmp_path, monkeypatch):
    monkeypatch.setattr(sorted_run, "BLOCK_BYTES", 100)
    found = [(at, 0, 0, 0, at, b"k", b"v" * 60) for at in range(9)]
    made = filled(tmp_path, [found])
    assert everything(made) == found
    assert max(len(block) for block in made._runs[0].blocks()) == 1
