"""`reengage outcomes` on a real Kafka, and what it says of its arguments."""

import csv
import io
import json

import pytest

from app.domain.errors import UserError
from app.domain.events import Activity
from app.domain.outputs import MemberSnapshot
from app.tools.reports.form import Form
from app.tools.reports.outcomes import parse_dimensions, run
from app.wire.codec import shipped_codec
from app.wire.partitioner import murmur2_partition
from tests.domain.conftest import Story, days
from tests.domain.scoring import HELLO, OPEN, on_score, policy
from tests.tools.conftest import PARTITIONS


@pytest.fixture
def told(write_records):
    """A story of 40 members, half of them held out, as a worker writes it, and what became of two nudges."""
    story = Story(on_score("p", "< 20", OPEN, HELLO), policy=policy(hold_out_percent=50))
    for number in range(40):
        story.score(0, f"m{number}", operation="SET", points=5)
        if number % 4 == 0:
            story.score(1, f"m{number}", operation="SET", points=50)
    outputs = [output for output in story.outputs if not isinstance(output, MemberSnapshot)]
    sent = [output for output in outputs if output.topic == "nudge"]
    activities = [
        Activity(
            event_id=f"f{place}",
            member_id=nudge.member_id,
            occurred_at=days(1),
            type=type_,
            channel="EMAIL",
            attributes={"nudge_id": nudge.nudge_id},
        )
        for place, (nudge, type_) in enumerate(
            [(sent[0], "nudge.opened"), (sent[1], "nudge.opened"), (sent[0], "article.read")]
        )
    ]
    encode = shipped_codec().encode
    records = []
    for record in (*outputs, *activities):
        key = record.member_id.encode()
        records.append((record.topic, murmur2_partition(key, PARTITIONS), key, encode(record)))
    broken = ("activity", 0, b"m1", b"\x00nudge.")
    write_records(*records, broken)
    return sent


def test_json_csv_and_table_say_the_same(settings, told, capsys):
    assert run(settings, "playbook", Form.JSON) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["workflows_opened"], row["nudged"], row["opened"]) == (40, len(told), 2)
    assert row["suppressed"] == {"held_out": 40 - len(told)}
    assert row["resolved"] == {"condition_false": {"count": 10, "median_ms": 86_400_000}}
    assert row["lift"]["treated"]["trials"] == len(told)
    assert row["lift"]["interval"] == "newcombe"

    run(settings, "playbook", Form.CSV)
    (line,) = csv.DictReader(io.StringIO(capsys.readouterr().out))
    assert line["resolved.condition_false.count"] == "10"
    assert line["lift.held_out.trials"] == str(40 - len(told))

    run(settings, "playbook", Form.TABLE)
    printed = capsys.readouterr()
    assert "condition_false 10 (1d)" in printed.out
    assert "Newcombe" in printed.err


def test_before_anything_happened_it_says_so(settings, capsys):
    run(settings, "playbook,reason,template,channel", Form.TABLE)
    assert "no workflow was opened" in capsys.readouterr().err


def test_dimensions_are_those_asked_for_in_that_order():
    assert parse_dimensions("channel, playbook,channel") == ["channel", "playbook"]


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("chanel", "did you mean channel?"),
        ("", "there are playbook, reason, template, channel, error, company"),
    ],
)
def test_an_unknown_dimension_is_refused(text, hint):
    with pytest.raises(UserError) as caught:
        parse_dimensions(text)
    assert (caught.value.reference, caught.value.hint) == ("unknown-dimension", hint)


def test_dimensions_of_workflows_and_of_errors_are_not_of_one_table():
    with pytest.raises(UserError) as caught:
        parse_dimensions("playbook,error")
    assert caught.value.reference == "mixed-dimensions"
