"""What the bench makes of its measurements: ratios, guarantees kept, and what is measured at all."""

from __future__ import annotations

import pytest

from bench.__main__ import Measure, Part, _Plan
from bench.contenders import ENTRIES, Guarantee, System
from bench.drain import Drain
from bench.kills import Kills
from bench.outputs import Verdict
from bench.targets import drain_targets, kill_targets


def drain(system: str, guarantee: str, core_s: float) -> Drain:
    return Drain(
        system=system,
        guarantee=guarantee,
        events=100_000,
        members=10_000,
        outputs=1,
        steady_events=90_000,
        seconds=2.0,
        wall_s=3.0,
        core_s=core_s,
        peak_rss_mb=100.0,
        wrong=(),
    )


def kills(guarantee: str, verdict: Verdict, *recovered_s: float | None) -> Kills:
    return Kills("Reengage", guarantee, 1_000, recovered_s, 1, 1, verdict)


def test_ratios_are_to_those_measured_and_to_the_faster_setting_of_one() -> None:
    """By processor time, so that a figure does not depend on who else had the machine."""
    drains = [
        drain("Reengage", "exactly_once", 2.0),
        drain("Reengage", "at_least_once", 1.0),
        drain("Quix Streams", "exactly_once", 5.0),
        drain("Quix Streams, 100 ms", "exactly_once", 8.0),
        drain("Kafka Streams", "exactly_once", 1.0),
    ]
    found = {target.name: (target.value, target.reached) for target in drain_targets(drains)}
    assert found["Reengage / Quix Streams (exactly_once), events/core-s"] == (2.5, True)
    assert found["Reengage / Kafka Streams (exactly_once), events/core-s"] == (0.5, False)
    assert found["the guarantees apart, events/core-s, %"] == (50.0, False)
    assert not any("Faust" in name for name in found)
    assert list(drain_targets(drains[1:])) == []


def test_the_slowest_recovery_counts() -> None:
    """A kill after which nothing was left to put out says nothing."""
    (target,) = kill_targets([kills("exactly_once", Verdict(), 3.0, 12.5, None)])
    assert (target.value, target.reached) == (12.5, False)
    assert list(kill_targets([kills("exactly_once", Verdict(), None)])) == []


@pytest.mark.parametrize(
    ("guarantee", "verdict", "kept"),
    [
        ("exactly_once", Verdict(), True),
        ("exactly_once", Verdict(repeated=1), False),
        ("exactly_once", Verdict(pages=1), False),
        ("at_least_once", Verdict(repeated=7, pages=3), True),
        ("at_least_once", Verdict(missing=1), False),
        ("at_least_once", Verdict(wrong=1), False),
        ("at_least_once", Verdict(members=1), False),
    ],
)
def test_at_least_once_may_repeat_and_nothing_else(guarantee: str, verdict: Verdict, kept: bool) -> None:
    """A repeat says the same once more; another answer is a wrong one."""
    assert kills(guarantee, verdict).kept is kept


def test_only_names_contenders_measures_or_both() -> None:
    """Of a kind that is not named all are taken."""
    everything = _Plan.of(set(), set(Guarantee))
    assert list(everything.entries) == list(ENTRIES)
    assert list(everything.measures) == list(Measure)
    quick = _Plan.of({Part("reengage"), Part("drain")}, {Guarantee.EXACTLY_ONCE})
    assert [(each.system, each.guarantee) for each in quick.entries] == [
        (System.REENGAGE, Guarantee.EXACTLY_ONCE)
    ]
    assert list(quick.measures) == [Measure.DRAIN]
    assert _Plan.of({Part("kills")}, set(Guarantee)).named == frozenset()
