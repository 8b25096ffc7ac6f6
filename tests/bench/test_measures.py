"""Every contender at a small job on a real broker: exact when left alone, and Reengage exact under kills."""

from __future__ import annotations

import shutil
import time
from typing import TYPE_CHECKING

import pytest

from bench.contenders import ENTRIES, Entry, Guarantee, System, prepare
from bench.drain import measure_drain
from bench.generate import Workload
from bench.kills import measure_kills
from bench.outputs import Verdict
from bench.site import opened_site

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.broker, pytest.mark.soak]

SMALL = Workload(events=10_000, members=2_000)
LARGER = Workload(events=200_000, members=100_000)

no_maven = pytest.mark.skipif(
    shutil.which("mvn") is None, reason="Kafka Streams is measured where Maven and a JDK are"
)


def named(entry: Entry) -> str:
    return f"{entry.name}, {entry.guarantee}"


def now_ms() -> int:
    return time.time_ns() // 1_000_000


@pytest.mark.parametrize(
    "entry",
    [
        pytest.param(each, marks=[no_maven] if each.system is System.KAFKA_STREAMS else [], id=named(each))
        for each in ENTRIES
    ],
)
def test_each_contender_does_the_whole_job(broker: str, tmp_path: Path, entry: Entry) -> None:
    """Every output once, with all it says, and every member's last page."""
    prepare(entry.system)
    with opened_site(broker, tmp_path, "small", entry.guarantee) as site:
        drain = measure_drain(
            site, entry.name, SMALL, entry.drain, print, silent_timers=entry.silent_timers, end_ms=now_ms()
        )
    assert drain.wrong == ()


@pytest.mark.parametrize("guarantee", Guarantee)
def test_reengage_keeps_its_guarantee_under_three_kills(
    broker: str, tmp_path: Path, guarantee: Guarantee
) -> None:
    """Started again at once, on the same folder."""
    (entry,) = (each for each in ENTRIES if each.system is System.REENGAGE and each.guarantee is guarantee)
    with opened_site(broker, tmp_path, "kills", guarantee) as site:
        kills = measure_kills(site, entry, LARGER, now_ms(), print)
    assert kills.kept
    assert guarantee is Guarantee.AT_LEAST_ONCE or kills.verdict == Verdict()
    assert len(kills.recovered_s) == 3
