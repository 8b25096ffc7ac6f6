"""What a comparison came to, for people and for machines: counts first, then examples with reasons."""

from __future__ import annotations

import csv
import sys
from typing import TYPE_CHECKING, Any

import msgspec

from app.domain.instants import iso_instant
from app.domain.outputs import DeadLetter
from app.tools.reports.form import Form
from app.tools.reports.printing import print_table
from app.wire.codec import shipped_codec

if TYPE_CHECKING:
    from app.tools.replay.comparison import Found
    from app.tools.replay.differences import Difference

_WORDS = {"different": "different", "only_in_live": "only in live", "only_in_replay": "only in the replay"}


def print_found(found: Found, form: Form) -> None:
    """Print it: a table, one JSON object, or the counts as CSV."""
    if form is Form.JSON:
        print(msgspec.json.encode(_as_json(found)).decode())
    elif form is Form.CSV:
        rows = [msgspec.to_builtins(count) for count in found.counts.values()]
        writer = csv.DictWriter(sys.stdout, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    else:
        _print_tables(found)


def _as_json(found: Found) -> dict[str, Any]:
    return {
        "equal": found.equal,
        "members": found.members,
        "counts": [msgspec.to_builtins(count) for count in found.counts.values()],
        "examples": [
            {
                "topic": each.record.topic,
                "change": each.change,
                "reason": each.reason,
                "fields": each.fields,
                "live": _fields(each.live),
                "replay": _fields(each.replay),
            }
            for each in found.examples
        ],
    }


def _fields(record: Any) -> dict[str, Any] | None:
    return None if record is None else shipped_codec().to_json(record)


def _print_tables(found: Found) -> None:
    rows = [
        [
            count.topic,
            *(
                f"{number:,}"
                for number in (
                    count.live,
                    count.replay,
                    count.same,
                    count.different,
                    count.only_in_live,
                    count.only_in_replay,
                )
            ),
        ]
        for count in found.counts.values()
        if count.live or count.replay
    ]
    print_table(["output", "live", "replay", "same", *_WORDS.values()], rows)
    if found.equal:
        print("equal")
        return
    print(f"opened, resolved or nudged differently: {found.members:,} members")
    examples = [_example(each) for each in found.examples]
    print_table(["output", "", "member", "at", "playbook", "why"], examples)


def _example(each: Difference) -> list[str]:
    record = each.record
    at = "" if record.occurred_at is None else iso_instant(record.occurred_at)
    if isinstance(record, DeadLetter):
        place = f"{record.source_topic} {record.source_partition}/{record.source_offset}"
        return [record.topic, _WORDS[each.change], place, at, "", each.reason]
    playbook = getattr(record, "playbook", None) or ""
    return [record.topic, _WORDS[each.change], record.member_id, at, playbook, each.reason]
