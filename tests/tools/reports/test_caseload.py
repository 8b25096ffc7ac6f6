"""`reengage caseload` and `reengage failed-transfers`: what a care team reads in the morning, from outputs alone."""

import csv
import io
import json

import pytest

from app.domain.outputs import MemberSnapshot, TransferFailed
from app.playbooks.loader import load_playbooks
from app.tools.reports import caseload, failed_transfers
from app.tools.reports.form import Form
from app.wire.codec import shipped_codec
from app.wire.partitioner import murmur2_partition
from tests.tools.conftest import PARTITIONS
from tests.tools.story import activity, clock, command, play, profile, set_up, transfer


@pytest.fixture
def told(write_records, tmp_path):
    """Five members as a worker's outputs tell of them, pages that were replaced or deleted included."""
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "r.toml").write_text(
        'kind = "reengager"\ntransfer = { slots_per_day = 0, time_zone = "UTC" }\n'
    )
    lines = (
        activity(0.2, "waits"),
        activity(0.1, "failed"),
        profile(0, "failed", owner_id="o1", program="yoga"),
        activity(0, "by-hand"),
        activity(0, "forgotten"),
        profile(0, "quiet"),
        set_up(0.2, "failed"),
        set_up(2, "waits"),
        set_up(0.2, "by-hand"),
        transfer(3, "by-hand", mode="MANUAL"),
        command(3, "forgotten"),
        clock(3),
    )
    result = play(load_playbooks(tmp_path / "p"), *lines)
    earlier = play(load_playbooks(tmp_path / "p"), *lines[:7]).snapshots
    encode = shipped_codec().encode
    records = [
        (output.topic, output.member_id.encode(), encode(output))
        for output in (*earlier, *result.snapshots, *result.outputs)
        if isinstance(output, (MemberSnapshot, TransferFailed))
    ]
    records.append((MemberSnapshot.topic, b"forgotten", None))
    write_records(*((topic, murmur2_partition(key, PARTITIONS), key, value) for topic, key, value in records))
    return result


def rows_of(report, settings, capsys):
    assert report.run(settings, Form.JSON) == 0
    return json.loads(capsys.readouterr().out)


def test_the_caseload_has_a_row_for_each_open_workflow_the_longest_open_first(settings, told, capsys):
    rows = rows_of(caseload, settings, capsys)
    assert [row["member_id"] for row in rows] == ["failed", "waits"]
    assert rows[0] == {
        "member_id": "failed",
        "workflow_id": "r:failed:1",
        "kind": "reengager",
        "reason": "first_activity",
        "opened_at": "2026-01-05T12:24:00.000Z",
        "tags": [],
        "inactive_since": None,
        "last_in_app_activity": "2026-01-05T12:24:00.000Z",
        "setup_completed_at": "2026-01-05T14:48:00.000Z",
        "transfer": {"state": "FAILED", "pool": "default", "program": "yoga", "attempts": 3},
        "owner_id": "o1",
        "coach_id": None,
        "company_id": None,
        "location_id": None,
    }


def test_failed_transfers_are_those_no_coach_was_found_for_and_nobody_else_has_taken_up(
    settings, told, capsys
):
    assert rows_of(failed_transfers, settings, capsys) == [
        {
            "member_id": "failed",
            "pool": "default",
            "program": "yoga",
            "attempts": 3,
            "failed_at": "2026-01-06T17:00:00.000Z",
            "workflows": ["r:failed:1"],
            "owner_id": "o1",
            "coach_id": None,
        }
    ]


@pytest.mark.parametrize("report", [caseload, failed_transfers])
def test_csv_and_table_say_the_same(settings, told, capsys, report):
    wanted = rows_of(report, settings, capsys)
    report.run(settings, Form.CSV)
    found = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["member_id"] for row in found] == [row["member_id"] for row in wanted]
    report.run(settings, Form.TABLE)
    printed = capsys.readouterr().out
    assert all(row["member_id"] in printed for row in wanted)


@pytest.mark.parametrize("form", [Form.TABLE, Form.CSV])
@pytest.mark.parametrize("report", [caseload, failed_transfers])
def test_when_there_is_nobody_it_says_so(settings, capsys, report, form):
    assert report.run(settings, form) == 0
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.strip()
    assert rows_of(report, settings, capsys) == []
