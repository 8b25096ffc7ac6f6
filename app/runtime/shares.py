"""Who owns what, and who stands by: the plan that the leader of the group makes at every rebalance.

A unit, (processor, partition), is given out whole. Four aims, the first before the second and so on: no unit waits for a
long restore while another worker holds its state; each processor's units are spread evenly, and all together too; what a
worker has, it keeps; what has to move goes to whoever holds its state already. Pure and deterministic: what each worker
claims goes in, what each gets comes out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

Unit = tuple[str, int]
"""(processor's name, partition number)."""

SHORT_OFFSETS = 100_000
"""A state that lacks no more of its changelog than this is as good as there: catching up takes about a second."""


class Claim(msgspec.Struct, array_like=True, frozen=True):
    """What a worker tells the group's leader.

    owned: units it works on. standing: units it stands by for. held: (processor, partition, next changelog offset) of
    every state that lies in its folder. standbys: by its settings, how many workers should stand by for each unit; 0:
    this one does for none.
    """

    owned: list[Unit] = []
    standing: list[Unit] = []
    held: list[tuple[str, int, int]] = []
    standbys: int = 0


class Share(msgspec.Struct, array_like=True, frozen=True):
    """What a worker is given, each sorted: units to own, units to stand by for, and those of the latter it is to own
    as soon as it has caught up, when it asks for the next rebalance.
    """

    owned: list[Unit] = []
    standbys: list[Unit] = []
    warming: list[Unit] = []


def share_out(units: Mapping[str, Collection[int]], claims: Mapping[str, Claim]) -> dict[str, Share]:
    """Give every unit to exactly one worker, and to others that stand by for it.

    Args:
        units: partition numbers by processor. Those named first are the last to move.
        claims: by worker, at least one.

    Of each processor, and of all units together, what two workers own differs by one at most; but while one that is to
    take a unit over has a long restore ahead, and another holds its state, that other one (first of all its owner) has
    the unit, and the first warms up, if by its settings it stands by at all.
    """
    states = _States(claims)
    targets = _even_owners(units, claims, states)
    owners, warming = _without_waiting(targets, claims, states)
    standing = _stand_by(units, owners, warming, claims, states)
    return {
        worker: Share(
            owned=sorted(unit for unit, owner in owners.items() if owner == worker),
            standbys=sorted(unit for unit, workers in standing.items() if worker in workers),
            warming=sorted(unit for unit, target in warming.items() if target == worker),
        )
        for worker in sorted(claims)
    }


class _States:
    """Which worker holds how much of which unit's state, by the claims."""

    def __init__(self, claims: Mapping[str, Claim]) -> None:
        self._offsets: dict[Unit, dict[str, int]] = {}
        for worker in sorted(claims):
            for name, number, offset in claims[worker].held:
                self._offsets.setdefault((name, number), {})[worker] = offset
        self.keepers: dict[Unit, str] = {}
        for worker in sorted(claims):
            for unit in claims[worker].owned:
                # Two that claim it: one of them is back after others took it for dead. The one that is further on owns it.
                if unit not in self.keepers or self.lag(worker, unit) < self.lag(self.keepers[unit], unit):
                    self.keepers[unit] = worker

    def lag(self, worker: str, unit: Unit) -> int:
        """Changelog offsets that the worker's state lacks of the most advanced one; all of them where it has none."""
        held = self._offsets.get(unit)
        return 0 if not held else max(held.values()) - held.get(worker, 0)

    def caught_up(self, worker: str, unit: Unit) -> bool:
        """Nobody is ahead of this worker by more than a short restore."""
        return self.lag(worker, unit) <= SHORT_OFFSETS

    def ready(self, unit: Unit) -> list[str]:
        """The workers that hold the unit's state and have caught up, by name."""
        return [worker for worker in self._offsets.get(unit, ()) if self.caught_up(worker, unit)]


class _Room(NamedTuple):
    """How many units of one processor each worker may own, and how many of them it owns now."""

    most: dict[str, int]
    kept: dict[str, list[Unit]]

    def left(self, worker: str) -> int:
        return self.most[worker] - len(self.kept[worker])


def _even_owners(
    units: Mapping[str, Collection[int]], claims: Mapping[str, Claim], states: _States
) -> dict[Unit, str]:
    """The owner that each unit should have, its state apart."""
    totals = dict.fromkeys(sorted(claims), 0)
    owners: dict[Unit, str] = {}
    for name, numbers in units.items():
        room = _keep([(name, number) for number in sorted(set(numbers))], totals, states)
        for worker, kept in room.kept.items():
            totals[worker] += len(kept)
            owners |= dict.fromkeys(kept, worker)
    return owners


def _keep(units: Sequence[Unit], totals: Mapping[str, int], states: _States) -> _Room:
    """Share out one processor's units; what a worker has beyond its share, and what nobody has, goes to the others."""
    owned: dict[str, list[Unit]] = {worker: [] for worker in totals}
    for unit in units:
        if unit in states.keepers:
            owned[states.keepers[unit]].append(unit)
    fewest, extra = divmod(len(units), len(totals))
    # One more for those that have the least of what was shared out before; among these, for those that have it already.
    larger = sorted(totals, key=lambda worker: (totals[worker], -len(owned[worker]), worker))[:extra]
    room = _Room(
        {worker: fewest + (worker in larger) for worker in totals}, {worker: [] for worker in totals}
    )
    takers = [worker for worker in totals if len(owned[worker]) < room.most[worker]]
    free = [unit for unit in units if unit not in states.keepers]
    for worker, mine in owned.items():
        # What others could go on with at once is given away first.
        mine.sort(key=lambda unit: (-min((states.lag(taker, unit) for taker in takers), default=0), unit))
        room.kept[worker].extend(mine[: room.most[worker]])
        free += mine[room.most[worker] :]
    # Those that few could go on with choose first.
    free.sort(key=lambda unit: (len(states.ready(unit)) or len(totals), unit))
    for unit in free:
        taker = min(
            (worker for worker in totals if room.left(worker) > 0),
            key=lambda worker: (states.lag(worker, unit), -room.left(worker), worker),
        )
        room.kept[taker].append(unit)
    return room


def _without_waiting(
    targets: Mapping[Unit, str], claims: Mapping[str, Claim], states: _States
) -> tuple[dict[Unit, str], dict[Unit, str]]:
    """(owner by unit, and by unit whoever warms up to own it): nobody is given what another could go on with sooner."""
    owners, warming = dict(targets), {}
    loads = dict.fromkeys(claims, 0)
    for unit, target in targets.items():
        if claims[target].standbys and not states.caught_up(target, unit):
            keeper = states.keepers.get(unit)
            owners[unit] = min(
                states.ready(unit),
                key=lambda worker: (worker != keeper, states.lag(worker, unit), loads[worker], worker),
            )
            warming[unit] = target
        loads[owners[unit]] += 1
    return owners, warming


def _stand_by(
    units: Mapping[str, Collection[int]],
    owners: Mapping[Unit, str],
    warming: Mapping[Unit, str],
    claims: Mapping[str, Claim],
    states: _States,
) -> dict[Unit, list[str]]:
    """Who stands by for each unit: never its owner, those that warm up among them."""
    willing = [worker for worker in sorted(claims) if claims[worker].standbys]
    wanted = max((claim.standbys for claim in claims.values()), default=0)
    totals = dict.fromkeys(willing, 0)
    standing: dict[Unit, list[str]] = {}
    for name, numbers in units.items():
        mine = [(name, number) for number in sorted(set(numbers))]
        pool = _Pool(
            willing, owners, totals, wanted, {unit: warming[unit] for unit in mine if unit in warming}
        )
        pool.keep(mine, claims, states)
        pool.fill(mine)
        pool.even_out()
        standing |= pool.standing
        for worker, count in pool.counts.items():
            totals[worker] += count
    return standing


class _Pool:
    """The standbys of one processor's units."""

    def __init__(
        self,
        willing: Sequence[str],
        owners: Mapping[Unit, str],
        totals: Mapping[str, int],
        wanted: int,
        warming: Mapping[Unit, str],
    ) -> None:
        self.counts = dict.fromkeys(willing, 0)
        self.standing: dict[Unit, list[str]] = {}
        self._owners = owners
        self._totals = totals
        self._wanted = wanted
        self._warming = warming
        for unit, worker in warming.items():
            self._add(unit, worker)

    def keep(self, units: Sequence[Unit], claims: Mapping[str, Claim], states: _States) -> None:
        """Whoever stands by for a unit goes on, then whoever has its state stands by, up to an even share."""
        if not self.counts:
            return
        share = -(-len(units) * self._wanted // len(self.counts))
        standing_by = {worker: set(claims[worker].standing) for worker in self.counts}
        for unit in units:
            holders = sorted(
                states.ready(unit),
                key=lambda worker: (
                    unit not in standing_by.get(worker, ()),
                    states.lag(worker, unit),
                    worker,
                ),
            )
            for worker in holders:
                if self._may(worker, unit) and self.counts[worker] < share:
                    self._add(unit, worker)

    def fill(self, units: Sequence[Unit]) -> None:
        """Whoever stands by for the fewest takes what is left, spread over the workers that would take it over."""
        for unit in units:
            while able := [worker for worker in self.counts if self._may(worker, unit)]:
                self._add(
                    unit, min(able, key=lambda worker: (self.counts[worker], self._weight(worker, unit)))
                )

    def even_out(self) -> None:
        """Move standbys until nobody has two more than another that could take one."""
        while self._move_one():
            pass

    def _move_one(self) -> bool:
        upwards = sorted(self.counts, key=lambda worker: (self.counts[worker], worker))
        for low in upwards:
            for high in reversed(upwards):
                if self.counts[high] - self.counts[low] < 2:  # noqa: PLR2004  that is what even means
                    break
                if self._move(self._movable(high, low), high, low):
                    return True
                # The low one may own all that the high one stands by for: then through a third.
                for middle in upwards:
                    through = self._movable(high, middle)
                    if through is not None and self._move(self._movable(middle, low), middle, low):
                        return self._move(through, high, middle)
        return False

    def _movable(self, source: str, target: str) -> Unit | None:
        """A unit that the source stands by for and the target could."""
        for unit, workers in self.standing.items():
            if (
                source in workers
                and target not in workers
                and self._owners[unit] != target
                and self._warming.get(unit) != source
            ):
                return unit
        return None

    def _move(self, unit: Unit | None, source: str, target: str) -> bool:
        if unit is None:
            return False
        self.standing[unit][self.standing[unit].index(source)] = target
        self.counts[source] -= 1
        self.counts[target] += 1
        return True

    def _may(self, worker: str, unit: Unit) -> bool:
        """The unit has too few standbys, and this worker, willing, is neither one of them nor its owner."""
        standing = self.standing.get(unit, ())
        return (
            worker in self.counts
            and len(standing) < self._wanted
            and worker not in standing
            and self._owners[unit] != worker
        )

    def _weight(self, worker: str, unit: Unit) -> tuple[int, int, str]:
        owner = self._owners[unit]
        same = sum(
            worker in workers for other, workers in self.standing.items() if self._owners[other] == owner
        )
        return same, self._totals[worker] + self.counts[worker], worker

    def _add(self, unit: Unit, worker: str) -> None:
        self.standing.setdefault(unit, []).append(worker)
        self.counts[worker] += 1
