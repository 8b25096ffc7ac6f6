"""`/health` says whether a worker works, and `/metrics` what it has done: of intakes made up, and of a real worker."""

import asyncio
import json
import socket
import urllib.error
import urllib.request
from types import SimpleNamespace

import pytest

from app.domain.errors import UserError
from app.runtime import standby
from app.runtime.phase import Phase
from app.runtime.position import Position
from app.service.settings import load_settings
from app.service.web import health
from app.service.worker import free_port, run
from app.tools import produce
from app.tools.demo.children import worker
from app.tools.topics import apply_topics


def partition(number, phase=Phase.READY):
    return SimpleNamespace(
        processor=SimpleNamespace(name="members"),
        number=number,
        phase=phase,
        position=Position(),
        committed_records=0,
        last_commit_ms=0,
    )


def intake(*partitions, joined=True, cut_off=False, restoring=None, standbys=None):
    return SimpleNamespace(
        joined=joined,
        cut_off=cut_off,
        restoring=restoring or {},
        standbys=SimpleNamespace(units=standbys or {}),
        partitions={("members", each.number): each for each in partitions},
        lag=lambda _partition: None,
        caught_up_ms=lambda _partition: None,
    )


def test_a_worker_whose_partitions_are_all_ready_is_ready():
    status, report = health(intake(partition(1), partition(0)))
    assert (status, report["status"]) == (200, "ready")
    assert [each["partition"] for each in report["partitions"]] == [0, 1]


def test_a_worker_that_owns_nothing_is_ready_once_it_has_joined():
    assert health(intake()) == (200, {"status": "ready", "partitions": [], "standbys": []})


def test_a_worker_that_has_not_joined_its_group_is_not():
    status, report = health(intake(joined=False))
    assert (status, report["status"]) == (503, "joining")


@pytest.mark.parametrize("joined", [True, False])
def test_a_worker_its_group_does_not_answer_is_cut_off_whatever_it_believes(joined):
    status, report = health(intake(partition(0), joined=joined, cut_off=True))
    assert (status, report["status"]) == (503, "cut off")
    assert health(intake(joined=joined, cut_off=True))[0] == 503


@pytest.mark.parametrize("phase", [phase for phase in Phase if phase is not Phase.READY])
def test_a_worker_with_a_partition_in_any_other_phase_is_not_ready(phase):
    status, report = health(intake(partition(0), partition(1, phase)))
    assert (status, report["status"]) == (503, "not ready")
    assert report["partitions"][1]["phase"] == phase.value


def test_what_is_not_known_of_a_partition_is_null():
    _, report = health(intake(partition(0)))
    assert report["partitions"] == [
        {
            "processor": "members",
            "partition": 0,
            "phase": "ready",
            "restored_offsets": None,
            "to_restore_offsets": None,
            "records": 0,
            "time": None,
            "lag": None,
            "committed_at": None,
            "caught_up_at": None,
        }
    ]


def test_how_far_a_restore_is_stands_with_its_partition():
    _, report = health(intake(partition(0, Phase.RESTORING), restoring={("members", 0): (40, 100)}))
    (told,) = report["partitions"]
    assert (told["restored_offsets"], told["to_restore_offsets"]) == (40, 100)


def test_standbys_are_told_of_and_hold_up_nobody():
    standing = SimpleNamespace(phase=standby.Phase.FOLLOWING, next_offset=120, lag=3)
    status, report = health(intake(standbys={("members", 3): standing}))
    assert (status, report["status"]) == (200, "ready")
    assert report["standbys"] == [
        {"processor": "members", "partition": 3, "phase": "following", "next_offset": 120, "lag_offsets": 3}
    ]


def test_a_port_that_somebody_has_is_refused_before_anything_is_done(tmp_path):
    settings = load_settings({"REENGAGE_BROKER": "127.0.0.1:9", "REENGAGE_DATA": str(tmp_path / "state")})
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(UserError, match=f"--port {port}: .*port-not-free"):
            run(settings, port=port)
    assert not (tmp_path / "state").exists()


@pytest.fixture
def running(broker, topic_prefix, tmp_path):
    """A real worker on topics of its own; gives its settings and the address of its pages."""
    settings = load_settings(
        {
            "REENGAGE_BROKER": broker,
            "REENGAGE_APP": topic_prefix.rstrip("-"),
            "REENGAGE_TOPIC_PREFIX": topic_prefix,
            "REENGAGE_DATA": str(tmp_path / "state"),
        }
    )
    asyncio.run(apply_topics(settings.client_options(), topic_prefix, partitions=2))
    with worker(settings, tmp_path, tmp_path / "worker.log", free_port()) as started:
        asyncio.run(asyncio.wait_for(started.ready(), 60))
        yield settings, f"http://127.0.0.1:{started.port}"


def get(url, accept="*/*"):
    request = urllib.request.Request(url, headers={"Accept": accept})  # noqa: S310  the worker's own pages
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
        return answer.headers["Content-Type"], answer.read().decode()


@pytest.mark.broker
def test_a_real_worker_tells_of_what_it_has_done(running, tmp_path, eventually, capsys):
    settings, pages = running
    lines = tmp_path / "events.jsonl"
    activity = (
        '{"topic":"activity","member_id":"m%d","type":"article.read","channel":"APP","occurred_at":"%s"}\n'
    )
    lines.write_text("".join(activity % (number, "2026-01-05T10:00:00Z") for number in range(10)))
    produce.run(settings, lines)

    eventually(
        lambda: 'reengage_records_applied_total{processor="members"} 10.0' in get(f"{pages}/metrics")[1]
    )
    content_type, metrics = get(f"{pages}/metrics")
    assert content_type.startswith("text/plain; version=0.0.4")
    assert 'reengage_outputs_total{topic="workflow-opened"} 10.0' in metrics
    assert 'reengage_outputs_total{topic="tag-changed"} 20.0' in metrics
    assert 'reengage_partitions{phase="ready",processor="members"} 2.0' in metrics
    assert "process_resident_memory_bytes" in metrics
    assert "_created" not in metrics

    def at_rest():
        """The report of a worker that has seen nothing more to do since its last commit, else None."""
        report = json.loads(get(f"{pages}/health")[1])
        committed = max(each["committed_at"] or "" for each in report["partitions"])
        return (
            report if all((each["caught_up_at"] or "") > committed for each in report["partitions"]) else None
        )

    eventually(at_rest)
    report = at_rest()
    assert report["application"] == settings.app
    assert report["status"] == "ready"
    members = [each for each in report["partitions"] if each["processor"] == "members"]
    assert sum(each["records"] for each in members) == 10
    assert {each["lag"] for each in report["partitions"]} == {0}
    assert {each["time"] for each in members} == {"2026-01-05T10:00:00.000Z"}


@pytest.mark.broker
def test_openmetrics_is_given_to_whoever_asks_for_it(running):
    _, pages = running
    content_type, metrics = get(f"{pages}/metrics", "application/openmetrics-text")
    assert content_type.startswith("application/openmetrics-text")
    assert metrics.endswith("# EOF\n")


@pytest.mark.broker
def test_the_pages_of_faust_that_speak_of_its_own_tables_are_not_there(running):
    _, pages = running
    for path in ("/router/", "/table/"):
        with pytest.raises(urllib.error.HTTPError, match="404"):
            get(pages + path)
