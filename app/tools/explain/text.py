"""A timeline for people."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from app.domain.explain.considered import span_text
from app.domain.explain.registry import decided_by
from app.domain.explain.step import APPLIED
from app.domain.instants import planned_instant
from app.tools.explain.words import record_words

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from app.domain.explain.considered import Condition, Considered
    from app.domain.explain.standing import Standing
    from app.domain.explain.step import Step
    from app.tools.explain.telling import Subject

_INDENT = "    "
_SPANS = (".threshold_ms",)
"""Paths that end like this hold spans; other times kept are instants."""

_NEVER_EMPTY = ("scores.", "profile.consents.")
"""Paths of values of which 0 and False say something too."""

_BUG = "all conditions hold, and yet it did not happen: please report this"


class TextTeller:
    """Satisfies `telling.Teller`. Standard output, a line at a time."""

    def __init__(self, subject: Subject) -> None:
        self._subject = subject

    def begin(self) -> None:
        """One line."""
        subject = self._subject
        focus = f", why not {subject.why_not}" if subject.why_not else ""
        print(f"{subject.member_id}, from {subject.source}{focus}", flush=True)

    def step(self, step: Step) -> None:
        """What came, what it made happen, and what it did not; without a focus, of the latter what was close."""
        body = list(self._body(step))
        if body or self._subject.why_not is None:
            print(self._head(step))
            for line in body or ["nothing comes of it"]:
                print(_INDENT + line)
            sys.stdout.flush()

    def end(self, standing: Standing) -> None:
        """How the member stands, what it is woken for next, and what each outcome still waits for."""
        print(f"{planned_instant(standing.at_ms)}  as it stands then")
        for line in self._standing(standing):
            print(_INDENT + line)
        sys.stdout.flush()

    def _head(self, step: Step) -> str:
        marks = ["late"] if step.late else []
        if not step.recorded:
            marks.append("not decided by a worker yet")
        if step.under:
            marks.append(f"decided under other playbooks, {step.under}")
        if step.late and step.record is not None:
            marks.append(f"now {planned_instant(step.now_ms)}")
        if step.timer is not None:
            what = f"timer {step.timer[1]} of {step.timer[2] or 'the member'}"
        else:
            what = record_words(step.record)
            marks = [f"event_id {step.record.event_id}", *([step.place] if step.place else []), *marks]
        if step.from_member:
            marks.append(f"came to {step.from_member}, merged into this member")
        return f"{planned_instant(step.at_ms)}  {what}" + (f"  ({', '.join(marks)})" if marks else "")

    def _body(self, step: Step) -> Iterator[str]:
        subject = self._subject
        if step.fate != APPLIED:
            yield f"{step.fate.replace('_', ' ')}: {step.detail}"
        elif step.detail and subject.why_not is None:
            yield step.detail
        for output in step.outputs:
            if subject.concerns(output.playbook):
                yield from self._output(step, output)
        yield from self._near(step) if subject.why_not is None else self._missed(step.considered)
        for due_ms, name, playbook, _ in step.armed:
            if subject.concerns(playbook):
                yield f"timer {name} of {playbook or 'the member'} set to {planned_instant(due_ms)}"

    def _output(self, step: Step, output: Any) -> Iterator[str]:
        subject = self._subject
        place = None
        if output.playbook is not None and (playbook := subject.playbooks.by_name.get(output.playbook)):
            place = subject.sources.of_playbook(output.playbook, decided_by(playbook, output))
        by = "" if output.playbook is None else f"  by {output.playbook}"
        at = "" if place is None else f"  [{place}]"
        change = ""
        if output.topic == "score-changed":
            change = f": {_score(output.before)} -> {_score(output.after)}"
        yield f"#{output.sequence} {record_words(output)}{change}{by}{at}"
        because = [
            considered
            for considered in step.considered
            if considered.happened
            and considered.playbook == output.playbook
            and considered.outcome.is_shown_by(output)
        ]
        if subject.why_not is not None:
            for considered in because:
                yield from self._conditions(considered)

    def _considered(self, considered: Considered) -> Iterator[str]:
        """What did not happen, with every condition; or what did, where no output shows it."""
        failed = considered.failed
        if failed is not None:
            yield f"not: {considered.outcome.says}: {failed.says}{_effect(considered)}"
        elif considered.outcome.topic:
            yield f"not: {considered.outcome.says}: {_BUG}"
        else:
            yield considered.outcome.says
        yield from self._conditions(considered)

    def _missed(self, considered: Iterable[Considered]) -> Iterator[str]:
        """What the playbook in focus considered and no output shows."""
        for each in considered:
            if self._subject.concerns(each.playbook) and not each.happened:
                yield from self._considered(each)

    def _near(self, step: Step) -> Iterator[str]:
        """What did not happen, of playbooks that were told, each with the first condition that failed; and what is kept.

        What is kept is told where no output shows it.
        """
        missed: dict[str, list[str]] = {}
        for considered in step.considered:
            failed = considered.failed
            if (
                considered.happened
                or not considered.concerned
                or (failed is None and not considered.outcome.topic)
            ):
                continue
            who = "" if considered.playbook is None else f" ({considered.playbook})"
            reason = _BUG if failed is None else self._condition(considered, failed) + _effect(considered)
            missed.setdefault(f"{who}: {reason}", []).append(considered.outcome.says)
        for reason, outcomes in missed.items():
            yield f"not: {', '.join(outcomes)}{reason}"
        kept = [path for path, values in step.changes.items() if any(_says(path, each) for each in values)]
        if kept and not step.outputs:
            yield f"kept: {', '.join(kept)}"

    def _conditions(self, considered: Considered) -> Iterator[str]:
        for condition in considered.conditions:
            mark = "holds" if condition.holds else "fails"
            yield f"{_INDENT}{mark}  {self._condition(considered, condition)}"

    def _condition(self, considered: Considered, condition: Condition) -> str:
        place = self._subject.place_of(considered.playbook, condition)
        return condition.says + ("" if place is None else f"  [{place}]")

    def _standing(self, standing: Standing) -> Iterator[str]:
        subject = self._subject
        if standing.merged_into is not None:
            yield (
                f"merged into {standing.merged_into} at {planned_instant(standing.merged_ms)}:"
                f" see `reengage explain {standing.merged_into}`"
            )
        elif not standing.known:
            yield "no member: nothing is kept of it"
        if subject.why_not is None:
            yield from _facts(standing)
        wakes = [wake for wake in standing.wakes if subject.concerns(wake.timer[2])]
        for place, (due_ms, name, playbook, _) in enumerate(wake.timer for wake in wakes):
            when = "wakes next" if place == 0 else "then"
            purpose = f": {wakes[place].purpose}" if wakes[place].purpose else ""
            yield f"{when} at {planned_instant(due_ms)}, timer {name} of {playbook or 'the member'}{purpose}"
        if not wakes:
            yield "waits for no timer"
        if subject.why_not is not None:
            yield from self._missed(standing.waiting)


def _facts(standing: Standing) -> Iterator[str]:
    for workflow_id, opened_ms in standing.workflows.items():
        yield f"workflow {workflow_id} open since {planned_instant(opened_ms)}"
    for path, value in standing.facts.items():
        if _says(path, value):
            yield f"{path} = {_value(path, value)}"


def _says(path: str, value: Any) -> bool:
    """Whether a value kept is more than the absence of one."""
    return bool(value) or (value is not None and path.startswith(_NEVER_EMPTY))


def _effect(considered: Considered) -> str:
    return f", {considered.effect}" if considered.effect else ""


def _score(value: int | None) -> str:
    return "empty" if value is None else str(value)


def _value(path: str, value: Any) -> str:
    if path.endswith(_SPANS):
        return span_text(value)
    is_instant = path.startswith(("tags.", "sent.")) or path.endswith("_ms") or ".steps." in path
    return planned_instant(value) if is_instant and isinstance(value, int) and value > 0 else str(value)
