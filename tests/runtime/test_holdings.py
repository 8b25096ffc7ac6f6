"""What lies in a worker's folder is found and claimed, unless it is in doubt."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.runtime import holdings as module
from app.runtime.holdings import Holdings, find_held, unit_folder
from app.runtime.store import Store
from tests.runtime.conftest import ThingCore

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from app.runtime.shares import Unit


def leave_state(folder: Path, unit: Unit, offset: int) -> Path:
    path = unit_folder(folder, unit)
    path.mkdir(parents=True)
    store = Store(path, ThingCore())
    store.restore([], offset)
    store.close()
    return path


def test_every_state_is_found_with_its_offset(tmp_path: Path):
    leave_state(tmp_path, ("members", 3), 17)
    leave_state(tmp_path, ("desk", 0), 1 << 40)
    leave_state(tmp_path, ("gone", 0), 5)
    assert find_held(tmp_path, ["members", "desk", "digests"]) == {("members", 3): 17, ("desk", 0): 1 << 40}


def test_a_worker_without_a_folder_holds_nothing(tmp_path: Path):
    assert find_held(tmp_path / "none", ["members"]) == {}


def test_what_is_no_state_is_left_out(tmp_path: Path):
    (tmp_path / "members" / "0").mkdir(parents=True)
    (tmp_path / "members" / "1x").mkdir()
    (tmp_path / "members" / "2").write_text("a file")
    (leave_state(tmp_path, ("members", 4), 17) / "CURRENT").write_text("nonsense")
    assert find_held(tmp_path, ["members"]) == {}


def test_a_state_that_will_be_rebuilt_for_its_age_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    leave_state(tmp_path, ("members", 3), 17)
    monkeypatch.setattr(module, "STALE_AFTER_MS", -1_000)
    assert find_held(tmp_path, ["members"]) == {}


def test_a_state_that_was_looked_at_can_be_opened(tmp_path: Path):
    path = leave_state(tmp_path, ("members", 3), 17)
    find_held(tmp_path, ["members"])
    store = Store(path, ThingCore())
    mark = store.changelog_mark()
    assert mark is not None
    assert mark.next_offset == 17
    store.close()


class TestDoubt:
    async def test_what_is_in_doubt_is_not_claimed_until_it_is_trusted_again(self, tmp_path: Path):
        unit = ("members", 3)
        leave_state(tmp_path, unit, 17)
        holdings = Holdings(tmp_path)
        await holdings.find(["members"])
        assert holdings.offsets == {unit: 17}
        holdings.doubt(unit)
        holdings.note(unit, 18)
        assert (holdings.offsets, holdings.doubted(unit)) == ({}, True)
        holdings.trust(unit)
        holdings.note(unit, 18)
        holdings.note(unit, None)
        assert (holdings.offsets, holdings.doubted(unit)) == ({unit: 18}, False)

    def test_of_what_is_stood_by_for_only_the_doubtful_is_thrown_away(self, tmp_path: Path):
        sound, doubtful, other = (leave_state(tmp_path, ("members", number), 17) for number in range(3))
        holdings = Holdings(tmp_path)
        holdings.doubt(("members", 1))
        holdings.doubt(("members", 2))
        holdings.clear_doubted([("members", 0), ("members", 1)])
        assert (sound.exists(), doubtful.exists(), other.exists()) == (True, False, True)
        assert not holdings.doubted(("members", 1))
        assert holdings.doubted(("members", 2))
