"""The other contenders' rules, in Python and in Java, against the oracle; and what is the same for all of them."""

from __future__ import annotations

import itertools
import shutil
import struct
import subprocess
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import astuple

from app.domain.events import Activity
from app.domain.outputs import MemberSnapshot, TagChanged, WorkflowOpened
from app.service.worker import CONSUMER_OPTIONS
from app.wire.codec import Codec
from app.wire.schemas import shipped_schemas
from bench.contenders import ENTRIES, Guarantee, System
from bench.generate import QUALIFYING, Workload
from bench.inactivity import STEP, Member
from bench.oracle import Expected, expect
from bench.records import outputs
from bench.rules import Rules
from bench.site import HEARTBEAT_MS, SESSION_TIMEOUT_MS
from bench.streams import SOURCES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from bench.records import Record

START_MS = 1_767_225_600_000
HOUR_MS = 3_600_000
CODEC = Codec()

javac = pytest.mark.skipif(
    shutil.which("javac") is None, reason="no JDK on the path, and only the bench wants one"
)

steps = st.tuples(
    st.sampled_from(["m1", "m2"]),
    st.sampled_from([1, 2_500, 4_999, 5_000, HOUR_MS, 7 * 24 * HOUR_MS - 5_000, 7 * 24 * HOUR_MS]),
    st.sampled_from([*QUALIFYING, STEP, "page.viewed"]),
    st.sampled_from(["APP", "WEB"]),
)


def history(drawn: Iterable[tuple[str, int, str, str]]) -> list[Activity]:
    """Activities so long after one another."""
    drawn = list(drawn)
    instants = itertools.accumulate((wait_ms for _, wait_ms, _, _ in drawn), initial=START_MS)
    return [
        Activity(event_id=f"e{number}", member_id=member_id, occurred_at=at_ms, type=kind, channel=channel)
        for number, ((member_id, _, kind, channel), at_ms) in enumerate(
            zip(drawn, itertools.islice(instants, 1, None), strict=True)
        )
    ]


def long_history() -> list[Activity]:
    """The bench's events, at a slower pace, so that members fall inactive and come back."""
    made = list(Workload(events=3_000, members=300).activities(START_MS))
    return [
        msgspec.structs.replace(each, occurred_at=START_MS - (START_MS - each.occurred_at) * 1_000)
        for each in made
    ]


def by_rules(activities: list[Activity]) -> Iterator[Record]:
    rules, kept = Rules(CODEC), dict[str, bytes]()
    for activity in activities:
        key, value = activity.member_id.encode(), CODEC.encode(activity)
        made, kept[activity.member_id] = rules.apply(key, value, 1 << 60, kept.get(activity.member_id))
        yield from made


def taken(records: Iterable[Any]) -> Expected:
    found = Expected()
    found.take(records)
    return found


def without_growth(expected: Expected) -> Expected:
    return Expected(expected.sequenced, expected.pages, expected.most_pages)


@given(st.lists(steps, max_size=30))
def test_the_rules_on_state_kept_as_bytes_are_the_oracles(drawn: list[tuple[str, int, str, str]]) -> None:
    """Every output with all it says, as for a contender that looks at a member when its next event comes."""
    activities = history(drawn)
    expected = expect(activities, 4, silent_timers=False)
    assert taken(by_rules(activities)) == without_growth(expected)


@given(st.lists(steps, max_size=20))
def test_a_member_comes_back_from_a_fausts_table_as_it_was(drawn: list[tuple[str, int, str, str]]) -> None:
    """It is kept there as a JSON list."""
    member = Member()
    for activity in history(drawn):
        list(outputs(member, activity))
    restored = Member(*msgspec.json.decode(msgspec.json.encode(astuple(member))))
    assert restored == member


@pytest.fixture(scope="module")
def offline(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Java rules, compiled without Kafka."""
    folder = tmp_path_factory.mktemp("java")
    names = ("Activity", "AvroWriter", "Member", "Offline", "Output", "Rules")
    sources = [str(SOURCES / f"{name}.java") for name in names]
    subprocess.run(["javac", "--release", "17", "-d", str(folder), *sources], check=True)
    return folder


def by_java(offline: Path, activities: list[Activity]) -> Iterator[Record]:
    values = (CODEC.encode(activity) for activity in activities)
    sent = b"".join(struct.pack(">i", len(value)) + value for value in values)
    command = ["java", "-cp", str(offline), "bench.Offline"]
    answer = subprocess.run(command, input=sent, capture_output=True, check=True).stdout
    place = 0

    def next_part() -> bytes:
        nonlocal place
        (length,) = struct.unpack_from(">i", answer, place)
        place += 4 + length
        return answer[place - length : place]

    while place < len(answer):
        topic = next_part().decode()
        yield CODEC.decode(topic, None, next_part(), 1 << 60)


@javac
def test_the_java_rules_are_the_oracles(offline: Path) -> None:
    """Over months of event time: tags that come and go, set-up steps, pages that wait for their rest."""
    activities = long_history()
    expected = expect(activities, 4, silent_timers=False)
    assert taken(by_java(offline, activities)) == without_growth(expected)
    assert {"inactive", "never_active", "activity"} <= {each[1] for each in expected.sequenced.values()}


@pytest.mark.parametrize("record", [Activity, TagChanged, WorkflowOpened, MemberSnapshot])
def test_the_java_records_are_written_for_the_schemas_as_they_are(record: type) -> None:
    """Where a schema has changed, bench/kafka_streams has to follow, then its fingerprint."""
    fingerprint = shipped_schemas().current(record.__name__).fingerprint.hex()
    assert f'FINGERPRINT = "{fingerprint}"' in "".join(each.read_text() for each in SOURCES.glob("*.java"))


def test_every_contender_is_missed_as_soon_as_the_worker() -> None:
    """Their group's session timeout is the worker's."""
    assert CONSUMER_OPTIONS["session_timeout_ms"] == SESSION_TIMEOUT_MS
    assert CONSUMER_OPTIONS["heartbeat_interval_ms"] == HEARTBEAT_MS


def test_each_system_is_measured_under_both_guarantees_and_every_row_has_a_name_of_its_own() -> None:
    """So that no two rows can be taken for each other."""
    assert {(each.system, each.guarantee) for each in ENTRIES} == set(itertools.product(System, Guarantee))
    assert len({(each.name, each.guarantee) for each in ENTRIES}) == len(ENTRIES)
