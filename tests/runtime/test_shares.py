"""Who owns what, and who stands by: whole units, evenly, where they were, and where their state is."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from app.runtime.shares import SHORT_OFFSETS, Claim, Share, Unit, share_out

FAR = SHORT_OFFSETS + 1
UNITS = {"members": range(6), "desk": range(6)}

workers = st.sampled_from(["w1", "w2", "w3", "w4", "w5"])
units = st.dictionaries(st.sampled_from(["members", "desk"]), st.sets(st.integers(0, 7)))
some_unit = st.tuples(st.sampled_from(["members", "desk", "gone"]), st.integers(0, 9))
claims = st.dictionaries(
    workers,
    st.builds(
        Claim,
        owned=st.lists(some_unit, unique=True),
        standing=st.lists(some_unit, unique=True),
        held=st.lists(
            st.tuples(
                st.sampled_from(["members", "desk", "gone"]),
                st.integers(0, 9),
                st.sampled_from([0, 5, 900, FAR, 3 * FAR]),
            ),
            unique_by=lambda held: held[:2],
        ),
        standbys=st.integers(0, 3),
    ),
    min_size=1,
)


def flat(given_out: dict[str, set[int]] | dict[str, range]) -> list[Unit]:
    return sorted((name, number) for name, numbers in given_out.items() for number in numbers)


def spread(counts: list[int]) -> int:
    return max(counts) - min(counts)


def assert_whole(shares: dict[str, Share], given_out: list[Unit]) -> None:
    """Every unit has one owner, standbys are other workers than it, and nobody warms up but as a standby."""
    assert sorted(unit for share in shares.values() for unit in share.owned) == given_out
    for share in shares.values():
        assert not set(share.owned) & set(share.standbys)
        assert len(set(share.standbys)) == len(share.standbys)
        assert set(share.standbys) <= set(given_out)
        assert set(share.warming) <= set(share.standbys)


def assert_owned_evenly(shares: dict[str, Share], given_out: list[Unit]) -> None:
    for chosen in ({"members"}, {"desk"}, {"members", "desk"}):
        owned = [sum(name in chosen for name, _ in share.owned) for share in shares.values()]
        assert spread(owned) <= 1, shares
    assert_whole(shares, given_out)


def of(**given_out: str) -> dict[str, Claim]:
    """Claims of workers that hold what they own, and stand by for nothing, given as `w1="members-0 desk-1"`."""
    return {
        worker: Claim(owned=named(text), held=[(*unit, 900) for unit in named(text)])
        for worker, text in given_out.items()
    }


def named(text: str) -> list[Unit]:
    return [(name, int(number)) for name, number in (unit.split("-") for unit in text.split())]


class TestOwners:
    @given(units, claims)
    def test_every_unit_has_one_owner_and_nobody_stands_by_for_their_own(
        self, given_out: dict[str, set[int]], claimed: dict[str, Claim]
    ):
        shares = share_out(given_out, claimed)
        assert set(shares) == set(claimed)
        assert_whole(shares, flat(given_out))

    @given(units, claims)
    def test_each_processor_and_all_together_are_spread_evenly_but_for_what_warms_up(
        self, given_out: dict[str, set[int]], claimed: dict[str, Claim]
    ):
        shares = share_out(given_out, claimed)
        wanted = {worker: [*share.owned] for worker, share in shares.items()}
        for worker, share in shares.items():
            for unit in share.warming:
                next(owned for owned in wanted.values() if unit in owned).remove(unit)
                wanted[worker].append(unit)
        assert_owned_evenly({worker: Share(owned) for worker, owned in wanted.items()}, flat(given_out))

    @given(units, claims)
    def test_the_order_in_which_workers_and_units_are_named_means_nothing(
        self, given_out: dict[str, set[int]], claimed: dict[str, Claim]
    ):
        backwards = {
            worker: Claim(claim.owned[::-1], claim.standing[::-1], claim.held[::-1], claim.standbys)
            for worker, claim in reversed(claimed.items())
        }
        turned = {name: sorted(numbers, reverse=True) for name, numbers in given_out.items()}
        assert share_out(turned, backwards) == share_out(given_out, claimed)

    def test_a_second_worker_gets_half_of_each_processor(self):
        alone = " ".join(f"{name}-{number}" for name, number in flat(UNITS))
        shares = share_out(UNITS, of(w1=alone, w2=""))
        assert Counter(name for name, _ in shares["w2"].owned) == {"members": 3, "desk": 3}

    @pytest.mark.parametrize(
        ("why", "claimed", "wanted"),
        [
            ("a worker keeps what it has", of(w1="members-1", w2="members-0"), {"w1": [1], "w2": [0]}),
            ("what it has too many of goes", of(w1="members-0 members-1", w2=""), {"w1": [0], "w2": [1]}),
            (
                "of two that claim a unit the one that is further on has it",
                {"w1": Claim([("members", 0)], held=[("members", 0, 5)])} | of(w2="members-0"),
                {"w1": [1], "w2": [0]},
            ),
            (
                "and the first by name where both are as far",
                of(w2="members-0", w1="members-0"),
                {"w1": [0], "w2": [1]},
            ),
            (
                "what nobody owns goes to whoever has its state",
                {"w1": Claim(), "w2": Claim(held=[("members", 0, 7)])},
                {"w1": [1], "w2": [0]},
            ),
            (
                "to the one with most of it",
                {
                    "w1": Claim(held=[("members", 0, 7)]),
                    "w2": Claim(held=[("members", 0, 9)]),
                },
                {"w1": [1], "w2": [0]},
            ),
            (
                "a worker gives away first what another has the state of",
                of(w1="members-0 members-1") | {"w2": Claim(held=[("members", 0, 800)])},
                {"w1": [1], "w2": [0]},
            ),
        ],
    )
    def test_a_unit_stays_or_goes_where_its_state_is(
        self, why: str, claimed: dict[str, Claim], wanted: dict[str, list[int]]
    ):
        shares = share_out({"members": {0, 1}}, claimed)
        assert {w: [number for _, number in share.owned] for w, share in shares.items()} == wanted, why

    def test_a_unit_that_only_one_worker_can_go_on_with_is_not_lost_to_one_that_many_can(self):
        held = {"w1": [("members", 0, 9), ("members", 1, 9)], "w2": [("members", 0, 8)]}
        shares = share_out({"members": {0, 1}}, {worker: Claim(held=has) for worker, has in held.items()})
        assert shares["w1"].owned == [("members", 1)]

    def test_with_more_workers_than_units_some_have_none(self):
        shares = share_out({"members": {0}}, of(w1="", w2="members-0", w3=""))
        assert {worker: share.owned for worker, share in shares.items()} == {
            "w1": [],
            "w2": [("members", 0)],
            "w3": [],
        }


class TestStandbys:
    @given(units, st.lists(workers, unique=True, min_size=1), st.integers(1, 3))
    def test_each_unit_has_as_many_as_are_wanted_and_there_are_workers_for(
        self, given_out: dict[str, set[int]], names: list[str], wanted: int
    ):
        shares = share_out(given_out, {name: Claim(standbys=wanted) for name in names})
        counts = Counter(unit for share in shares.values() for unit in share.standbys)
        each = min(wanted, len(names) - 1)
        assert counts == (dict.fromkeys(flat(given_out), each) if each else {})

    @given(units, st.lists(workers, unique=True, min_size=2))
    def test_one_for_each_unit_is_spread_evenly(self, given_out: dict[str, set[int]], names: list[str]):
        shares = share_out(given_out, {name: Claim(standbys=1) for name in names})
        for processor in given_out:
            assert (
                spread([sum(name == processor for name, _ in share.standbys) for share in shares.values()])
                <= 1
            )

    def test_those_of_one_worker_are_spread_over_all_that_would_take_over(self):
        shares = share_out({"members": range(12)}, {name: Claim(standbys=1) for name in ("w1", "w2", "w3")})
        for worker, share in shares.items():
            others = [len(set(share.owned) & set(shares[o].standbys)) for o in shares if o != worker]
            assert spread(others) <= 1

    def test_without_any_wanted_there_are_none(self):
        shares = share_out(UNITS, {"w1": Claim(), "w2": Claim()})
        assert not any(share.standbys for share in shares.values())

    def test_a_worker_that_wants_none_stands_by_for_none_but_others_do_for_its_own(self):
        shares = share_out({"members": {0, 1}}, {"w1": Claim(standbys=1), "w2": Claim(standbys=0)})
        assert shares["w1"].standbys == shares["w2"].owned
        assert shares["w2"].standbys == []

    def test_whoever_stands_by_goes_on(self):
        claimed = {
            "w1": Claim(owned=[("members", 0)], held=[("members", 0, 900)], standbys=1),
            "w2": Claim(owned=[("members", 1)], held=[("members", 1, 900)], standbys=1),
            "w3": Claim(
                owned=[("members", 2)],
                standing=[("members", 1)],
                held=[("members", 1, 890), ("members", 2, 900)],
                standbys=1,
            ),
        }
        assert ("members", 1) in share_out({"members": range(3)}, claimed)["w3"].standbys

    def test_the_former_owner_stands_by_for_what_it_gave_away(self):
        alone = [("members", number) for number in range(2)]
        claimed = {
            "w1": Claim(owned=alone, held=[(*unit, 900) for unit in alone], standbys=1),
            "w2": Claim(standbys=1),
        }
        shares = share_out({"members": range(2)}, claimed)
        assert shares["w2"].owned == shares["w1"].standbys != []


class TestWarmingUp:
    def claims(self, *, behind: int, standbys: int = 1) -> dict[str, Claim]:
        """One owns everything, a second comes with a state that is so far behind."""
        alone = flat({"members": range(4)})
        return {
            "w1": Claim(owned=alone, held=[(*unit, 3 * FAR) for unit in alone], standbys=standbys),
            "w2": Claim(held=[(*unit, 3 * FAR - behind) for unit in alone], standbys=standbys),
        }

    def test_a_worker_with_a_long_restore_ahead_warms_up_while_the_owner_goes_on(self):
        shares = share_out({"members": range(4)}, self.claims(behind=FAR))
        assert shares["w1"].owned == flat({"members": range(4)})
        assert len(shares["w2"].warming) == 2
        assert set(shares["w2"].warming) <= set(shares["w2"].standbys)

    def test_one_with_a_short_restore_ahead_takes_over_at_once(self):
        shares = share_out({"members": range(4)}, self.claims(behind=SHORT_OFFSETS))
        assert (len(shares["w2"].owned), shares["w2"].warming) == (2, [])

    def test_where_nobody_stands_by_nobody_warms_up(self):
        shares = share_out({"members": range(4)}, self.claims(behind=FAR, standbys=0))
        assert (len(shares["w2"].owned), shares["w2"].warming) == (2, [])

    def test_when_an_owner_is_gone_its_standby_has_the_unit_though_another_should(self):
        """w2 alone holds the state of three units, of which w1 is to have one: not before it can go on with it."""
        held = [("members", number, 3 * FAR) for number in range(4)]
        claimed = {
            "w1": Claim(owned=[("members", 0)], held=held[:1], standbys=1),
            "w2": Claim(standing=[("members", number) for number in (1, 2, 3)], held=held[1:], standbys=1),
        }
        shares = share_out({"members": range(4)}, claimed)
        assert shares["w2"].owned == [("members", 1), ("members", 2), ("members", 3)]
        assert len(shares["w1"].warming) == 1

    def test_a_state_that_nobody_has_is_restored_by_whoever_is_to_have_it(self):
        shares = share_out({"members": range(2)}, {"w1": Claim(standbys=1), "w2": Claim(standbys=1)})
        assert [len(share.owned) for share in shares.values()] == [1, 1]
        assert not any(share.warming for share in shares.values())


class GroupMachine(RuleBasedStateMachine):
    """One to five workers that join, leave and lose their disks; standbys follow, or have come so far when the next comes."""

    def __init__(self) -> None:
        super().__init__()
        self.shares: dict[str, Share] = {}
        self.disks: dict[str, dict[Unit, int]] = {}
        self.written = 10 * FAR

    def rebalance(self) -> None:
        claimed = {
            worker: Claim(
                share.owned,
                share.standbys,
                [(*unit, offset) for unit, offset in sorted(self.disks[worker].items())],
                1,
            )
            for worker, share in self.shares.items()
        }
        before = self.shares
        self.shares = share_out(UNITS, claimed)
        assert_whole(self.shares, flat(UNITS))
        for worker, share in self.shares.items():
            for name, numbers in UNITS.items():
                own = [unit for unit in before[worker].owned if unit[0] == name]
                least = len(numbers) // len(self.shares)
                assert len(set(own) & set(share.owned)) >= min(len(own), least), "moved more than must"
        self.nobody_waits(claimed)
        for worker, share in self.shares.items():
            self.disks[worker] |= dict.fromkeys(share.owned, self.written)

    def nobody_waits(self, claimed: dict[str, Claim]) -> None:
        for worker, share in self.shares.items():
            for unit in share.owned:
                found = {
                    w: offset for w, claim in claimed.items() for *u, offset in claim.held if tuple(u) == unit
                }
                best = max(found.values(), default=0)
                assert found.get(worker, 0) >= best - SHORT_OFFSETS, "another could have gone on at once"

    def settle(self) -> None:
        """All standbys catch up; those that warmed up ask for their units."""
        for _ in range(4):
            for worker, share in self.shares.items():
                self.disks[worker] |= dict.fromkeys(share.standbys, self.written)
            if not any(share.warming for share in self.shares.values()):
                break
            self.rebalance()
        assert not any(share.warming for share in self.shares.values())
        assert_owned_evenly(self.shares, flat(UNITS))
        if len(self.shares) > 1:
            counts = Counter(unit for share in self.shares.values() for unit in share.standbys)
            assert counts == dict.fromkeys(flat(UNITS), 1)

    @rule(worker=workers, disk=st.booleans())
    def join(self, worker: str, disk: bool) -> None:
        if worker not in self.shares:
            self.shares[worker] = Share()
            self.disks[worker] = self.disks.get(worker, {}) if disk else {}
            self.rebalance()

    @precondition(lambda self: len(self.shares) > 1)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        gone = data.draw(st.sampled_from(sorted(self.shares)))
        left = self.shares.pop(gone)
        self.rebalance()
        for unit in left.owned:
            holders = [w for w, disk in self.disks.items() if w in self.shares and unit in disk]
            owner = next(worker for worker, share in self.shares.items() if unit in share.owned)
            assert not holders or owner in holders

    @precondition(lambda self: self.shares)
    @rule()
    def time_goes_by(self) -> None:
        self.written += 2 * FAR
        for worker, share in self.shares.items():
            self.disks[worker] |= dict.fromkeys(share.owned, self.written)

    @precondition(lambda self: self.shares)
    @rule()
    def come_to_rest(self) -> None:
        self.settle()
        settled = self.shares
        self.rebalance()
        assert self.shares == settled, "what is settled stays"


TestGroup = GroupMachine.TestCase
TestGroup.settings = settings(max_examples=100, stateful_step_count=20)
