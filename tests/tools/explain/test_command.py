"""`reengage explain --events F`: what is printed, and what is said of wrong use."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from app.cli.root import app

LINES = """
{"topic":"profile","member_id":"m1","email":"a@example.org","occurred_at":"2026-01-05T09:00:00Z"}
{"topic":"activity","member_id":"m1","type":"article.read","channel":"WEB","occurred_at":"2026-01-05T10:00:00Z"}
{"topic":"activity","member_id":"m1","type":"article.read","channel":"APP","occurred_at":"2026-01-05T11:00:00Z"}
{"topic":"activity","member_id":"m1","type":"article.read","channel":"APP","occurred_at":"2026-01-07T14:00:00Z"}
{"topic":"score","member_id":"m1","operation":"SET","points":10,"occurred_at":"2026-01-07T15:00:00Z"}
{"topic":"score","member_id":"m1","operation":"SET","points":100,"occurred_at":"2026-01-07T17:00:00Z"}
{"topic":"activity","member_id":"m1","type":"setup.completed","channel":"WEB","occurred_at":"2026-01-08T14:00:00Z"}
{"topic":"activity","member_id":"m2","type":"article.read","channel":"APP","occurred_at":"2026-01-15T14:00:00Z"}
{"topic":"profile","member_id":"m2","merged_into":"m1","occurred_at":"2026-01-16T14:00:00Z"}
{"topic":"activity","member_id":"m1","type":"article.read","channel":"TV","occurred_at":"2026-01-16T15:00:00Z"}
"""

PLAYBOOK = """\
kind = "reengager"

[inactivity]
after = "3d"
"""


@pytest.fixture
def events(tmp_path: Path) -> str:
    file = tmp_path / "events.jsonl"
    file.write_text(LINES, "utf-8")
    return str(file)


def explain(events: str, *arguments: str) -> tuple[str, str, int]:
    """What is printed, what is said besides, and the exit code."""
    result = CliRunner().invoke(app, ["explain", "--events", events, *arguments])
    return result.stdout, result.stderr, result.exit_code


def as_json(events: str, *arguments: str) -> list[dict[str, Any]]:
    printed, _, code = explain(events, "--format", "json", *arguments)
    assert code == 0
    return [json.loads(line) for line in printed.splitlines()]


def block(printed: str, beginning: str) -> list[str]:
    """The lines of the step that begins so."""
    lines = printed.splitlines()
    first = next(place for place, line in enumerate(lines) if line.startswith(beginning))
    found = [lines[first]]
    for line in lines[first + 1 :]:
        if not line.startswith(" "):
            break
        found.append(line.strip())
    return found


def test_a_decision_names_the_line_of_the_playbook_behind_it(events):
    printed, _, code = explain(events, "m1")
    assert code == 0
    _, removed, opened, timer = block(printed, "2026-01-05T11:00:00.000Z")
    assert removed.startswith("#2 tag-changed inactive REMOVED activity  by re-engager")
    assert re.search(r"\[re-engager/re-engager\.toml:\d+ inactivity\.activities\]$", opened)
    assert timer == "timer inactive of re-engager set to 2026-01-12T11:00:00.000Z"


def test_what_did_not_happen_names_the_condition_that_failed(events):
    printed, _, _ = explain(events, "m1")
    assert 'channel WEB is not in ["APP"]' in block(printed, "2026-01-05T10:00:00.000Z")[1]
    assert "last activity 2 d 3 h ago, needs 7 d" in block(printed, "2026-01-07T14:00:00.000Z")[1]
    assert "cap 1 per 1d reached by nudge engagement-follow-up:m1:1#1" in printed


def test_it_ends_with_the_next_wake_and_what_for(events):
    printed, _, _ = explain(events, "m1")
    assert block(printed, "2026-01-16T14:00:00.000Z  as it stands")[-1] == (
        "wakes next at 2026-01-22T14:00:00.000Z, timer inactive of re-engager:"
        ' adds tag "inactive", unless there is a qualifying activity before'
    )


def test_a_merged_away_member_names_where_it_went(events):
    printed, _, _ = explain(events, "m2")
    assert "merged into m1 at 2026-01-16T14:00:00.000Z: see `reengage explain m1`" in printed


def test_a_line_that_is_no_valid_record_of_the_member_is_said_besides(events):
    _, said, code = explain(events, "m1")
    assert code == 0
    assert said.startswith(f"{events}, line 11 is no valid record: unknown_enum: ")


def test_why_not_shows_every_condition_of_one_playbook_alone(events):
    printed, _, _ = explain(events, "m1", "--why-not", "engagement-reward")
    assert "re-engager" not in printed
    capped = block(printed, "2026-01-07T17:00:00.000Z")
    assert [line.split()[0] for line in capped[-7:]] == [
        "holds",
        "holds",
        "holds",
        "holds",
        "holds",
        "fails",
        "holds",
    ]
    assert capped[-2].endswith("[policy.toml caps.1d (default)]")


def test_json_holds_the_same_for_machines(events):
    lines = as_json(events, "m1")
    assert [line["what"] for line in (lines[0], lines[-1])] == ["member", "standing"]
    web = lines[2]
    assert (web["what"], web["record"]["channel"], web["fate"]) == ("input", "WEB", "applied")
    (tag, opens) = [each for each in web["considered"] if each["playbook"] == "re-engager"]
    assert (opens["topic"], opens["happened"], opens["failed"]) == ("workflow-opened", False, "channel")
    condition = next(each for each in opens["conditions"] if each["name"] == "channel")
    assert (condition["value"], condition["needed"]) == ("WEB", ["APP"])
    assert condition["decided_by"]["key"] == "inactivity.channels"
    sequences = [output["sequence"] for line in lines for output in line.get("outputs", ())]
    assert sequences == list(range(1, len(sequences) + 1))
    assert tag["failed"] == "channel"


def test_at_an_instant_later_lines_are_left_out_and_timers_due_by_then_fire(events):
    lines = as_json(events, "m1", "--at", "2026-01-15T00:00:00Z")
    assert (lines[-2]["what"], lines[-2]["at"]) == ("timer", "2026-01-14T14:00:00.000Z")
    assert lines[-1]["at"] == "2026-01-15T00:00:00.000Z"


def test_playbooks_of_a_folder_are_named_by_file_and_line(events, tmp_path):
    folder = tmp_path / "own"
    folder.mkdir()
    (folder / "mine.toml").write_text(PLAYBOOK)
    (folder / "policy.toml").write_text("caps = {}\n")
    lines = as_json(events, "m1", "--playbooks", str(folder))
    opened = next(o for line in lines for o in line.get("outputs", ()) if o["topic"] == "workflow-opened")
    place = opened["decided_by"]
    assert (Path(place["file"]).name, place["line"], place["key"]) == (
        "mine.toml",
        3,
        "inactivity.activities",
    )
    assert place["is_default"]


def test_lines_of_a_worker_are_applied_as_they_stand_when_asked(tmp_path):
    file = tmp_path / "inputs.jsonl"
    file.write_text(
        '{"topic":"activity","member_id":"m1","type":"article.read","channel":"APP","partition":0,'
        '"occurred_at":"2026-01-05T10:00:00Z"}\n'
        '{"topic":"clock","occurred_at":"2026-02-05T10:00:00Z","partition":0,"processor":"members",'
        '"mark_due":"2026-01-12T10:00:00Z","mark_entity":""}\n'
    )
    assert [line["what"] for line in as_json(str(file), "m1", "--in-order")] == [
        "member",
        "input",
        "standing",
    ]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["\udcff"], "error[bad-member] '\\udcff': is no UTF-8 text\n"),
        (["m11"], "error[unknown-member] m11: no line is about this member\n  hint: did you mean m"),
        (
            ["m1", "--why-not", "reengager"],
            "error[unknown-playbook] --why-not: 'reengager' is no playbook here\n  hint: did you mean re-engager?",
        ),
        (["m1", "--at", "noon"], "error[bad-instant] --at: 'noon' is no instant of the years 1970 to 9999"),
        (["m1", "--at", "99999999999999999"], "error[bad-instant] --at: '99999999999999999' is no instant"),
    ],
)
def test_wrong_use_is_told_with_what_would_be_right(events, arguments, said):
    printed, stderr, code = explain(events, *arguments)
    assert (printed, stderr[: len(said)], code) == ("", said, 2)


def test_an_order_of_lines_needs_a_file(monkeypatch):
    monkeypatch.setenv("REENGAGE_BROKER", "127.0.0.1:1")
    result = CliRunner().invoke(app, ["explain", "m1", "--in-order"])
    assert (result.stderr.startswith("error[explain-what] --in-order: "), result.exit_code) == (True, 2)


def test_a_file_that_is_not_there_is_named(tmp_path):
    _, stderr, code = explain(str(tmp_path / "none.jsonl"), "m1")
    assert (stderr.startswith("error[unreadable-file]"), code) == (True, 2)


def test_a_session_that_is_for_never_is_told_with_its_timer(tmp_path):
    file = tmp_path / "never.jsonl"
    common = '{"topic":"engagement","member_id":"m1","engagement_id":"e1","template":"standard"'
    file.write_text(
        f'{common},"type":"ACTIVATED","occurred_at":"2026-01-05T10:00:00Z"}}\n'
        f'{common},"type":"SESSION_SCHEDULED","session_id":"s1","session_at":"9999-12-31T00:00:00Z",'
        '"occurred_at":"2026-01-05T11:00:00Z"}\n',
        "utf-8",
    )
    printed, _, code = explain(str(file), "m1")
    assert (code, "session_at=9999-12-31T00:00:00.000Z" in printed) == (0, True)
    assert "timer off_track of progress set to an instant after 9999" in printed
    assert "wakes next at an instant after 9999, timer off_track of progress" in printed
    assert "tracks.progress.due_ms = an instant after 9999" in printed


def test_what_a_merge_brings_is_named(tmp_path):
    file = tmp_path / "merged.jsonl"
    file.write_text(
        '{"topic":"engagement","member_id":"m2","engagement_id":"e1","type":"ACTIVATED",'
        '"occurred_at":"2026-01-05T10:00:00Z"}\n'
        '{"topic":"profile","member_id":"m2","merged_into":"m1","occurred_at":"2026-01-05T11:00:00Z"}\n',
        "utf-8",
    )
    printed, _, _ = explain(str(file), "m1")
    assert 'internal-member-moved from_member_id=m2 seen=true engagements=["e1"]' in printed


def test_a_refusal_is_told_and_what_was_never_said_is_not(tmp_path):
    file = tmp_path / "profile.jsonl"
    common = '{"topic":"profile","member_id":"m1","occurred_at":"2026-01-05T1'
    file.write_text(
        f'{common}0:00:00Z","time_zone":"UTC"}}\n{common}1:00:00Z","consents":{{"EMAIL":false}}}}\n', "utf-8"
    )
    printed, _, _ = explain(str(file), "m1")
    assert "    profile.consents.EMAIL = False\n" in printed
    assert "kept: profile.consents.EMAIL\n" in printed
    assert "snoozed" not in printed


@pytest.mark.parametrize("in_order", [True, False])
def test_before_the_first_line_of_a_member_it_is_said_which_that_is(events, in_order):
    options = ["--in-order"] if in_order else []
    _, said, code = explain(events, "m2", "--at", "2026-01-14T00:00:00Z", *options)
    assert (code, said.splitlines()[0]) == (
        2,
        "error[unknown-member] m2: no line about this member is as early as --at; the first is of 2026-01-15T14:00:00.000Z",
    )
    _, said, _ = explain(events, "m22", "--at", "2026-01-16T00:00:00Z", *options)
    assert said.startswith("error[unknown-member] m22: no line is about this member")


def test_spans_and_instants_of_what_is_known_read_as_such(tmp_path):
    file = tmp_path / "coached.jsonl"
    common = '{"topic":"engagement","member_id":"m1","engagement_id":"e1"'
    file.write_text(
        f'{common},"type":"LAUNCHED","template":"standard","occurred_at":"2026-01-05T10:00:00Z"}}\n'
        f'{common},"type":"ACTIVATED","occurred_at":"2026-01-05T11:00:00Z"}}\n',
        "utf-8",
    )
    printed, _, _ = explain(str(file), "m1")
    assert "engagements.e1.tracks.progress.threshold_ms = 21 d" in printed
    assert "engagements.e1.tracks.progress.due_ms = 2026-01-26T11:00:00.000Z" in printed
