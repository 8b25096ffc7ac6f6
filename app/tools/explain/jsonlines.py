"""A timeline for machines: one JSON object a line.

The first says `"what":"member"`, the last `"what":"standing"`; between them each is an `input` or a `timer`.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import msgspec

from app.domain.explain.registry import decided_by
from app.wire.codec import shipped_codec
from app.wire.instants import format_instant

if TYPE_CHECKING:
    from app.domain.explain.considered import Condition, Considered
    from app.domain.explain.standing import Standing
    from app.domain.explain.step import Step
    from app.domain.timers import Timer
    from app.playbooks.sources import Place
    from app.tools.explain.telling import Subject


class JsonTeller:
    """Satisfies `telling.Teller`. Standard output."""

    def __init__(self, subject: Subject) -> None:
        self._subject = subject

    def begin(self) -> None:
        """Whose timeline it is, and by which playbooks it is explained."""
        subject = self._subject
        _print(
            {
                "what": "member",
                "member_id": subject.member_id,
                "source": subject.source,
                "why_not": subject.why_not,
                "playbooks_hash": subject.playbooks.hash,
            }
        )

    def step(self, step: Step) -> None:
        """Everything that is known of a step; with a focus, what concerns the playbook."""
        concerns = self._subject.concerns
        outputs = [self._output(output) for output in step.outputs if concerns(output.playbook)]
        considered = [self._considered(each) for each in step.considered if concerns(each.playbook)]
        armed = [_timer(timer) for timer in step.armed if concerns(timer[2])]
        if self._subject.why_not is not None and not (outputs or considered or armed):
            return
        line: dict[str, Any] = {
            "what": "input" if step.timer is None else "timer",
            "at": format_instant(step.at_ms),
            "now": format_instant(step.now_ms),
            "late": step.late,
            "recorded": step.recorded,
            "other_playbooks_hash": step.under or None,
        }
        if step.timer is None:
            record = {"topic": step.record.topic, **shipped_codec().to_json(step.record)}
            fate = {"fate": step.fate, "detail": step.detail or None, "from_member": step.from_member}
            line |= {"record": record, "place": step.place or None, **fate}
        else:
            line |= {"timer": _timer(step.timer)}
        line |= {
            "outputs": outputs,
            "asked": step.asked,
            "considered": considered,
            "changes": {path: {"before": old, "after": new} for path, (old, new) in step.changes.items()},
            "timers_set": armed,
        }
        _print(line)

    def end(self, standing: Standing) -> None:
        """How the member stands."""
        concerns = self._subject.concerns
        _print(
            {
                "what": "standing",
                "at": format_instant(standing.at_ms),
                "known": standing.known,
                "merged_into": standing.merged_into,
                "workflows": {name: format_instant(ms) for name, ms in standing.workflows.items()},
                "facts": standing.facts,
                "wakes": [
                    {**_timer(wake.timer), "purpose": wake.purpose}
                    for wake in standing.wakes
                    if concerns(wake.timer[2])
                ],
                "waiting": [self._considered(each) for each in standing.waiting if concerns(each.playbook)],
            }
        )

    def _output(self, output: Any) -> dict[str, Any]:
        place = None
        playbook = self._subject.playbooks.by_name.get(output.playbook or "")
        if playbook is not None:
            place = self._subject.sources.of_playbook(playbook.name, decided_by(playbook, output))
        record = shipped_codec().to_json(output)
        return {"topic": output.topic, **record, "decided_by": _place(place)}

    def _considered(self, considered: Considered) -> dict[str, Any]:
        failed = considered.failed
        return {
            "playbook": considered.playbook,
            "outcome": considered.outcome.says,
            "topic": considered.outcome.topic or None,
            "concerned": considered.concerned,
            "happened": considered.happened,
            "effect": considered.effect or None,
            "failed": None if failed is None else failed.name,
            "conditions": [self._condition(considered, each) for each in considered.conditions],
        }

    def _condition(self, considered: Considered, condition: Condition) -> dict[str, Any]:
        return {
            "name": condition.name,
            "holds": condition.holds,
            "says": condition.says,
            "value": condition.value,
            "needed": condition.needed,
            "decided_by": _place(self._subject.place_of(considered.playbook, condition)),
        }


def _timer(timer: Timer) -> dict[str, Any]:
    due_ms, name, playbook, ref = timer
    return {"due": format_instant(due_ms), "name": name, "playbook": playbook or None, "ref": ref or None}


def _place(place: Place | None) -> dict[str, Any] | None:
    return None if place is None else place._asdict()


def _print(line: dict[str, Any]) -> None:
    sys.stdout.write(msgspec.json.encode(line).decode() + "\n")
    sys.stdout.flush()
