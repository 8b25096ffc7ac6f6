"""What a rule looked at, in words and values: the conditions of one possible outcome (contract 7, `explain`)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

if TYPE_CHECKING:
    from collections.abc import Collection

_UNITS = (("d", 86_400_000), ("h", 3_600_000), ("min", 60_000), ("s", 1_000), ("ms", 1))


class Due(NamedTuple):
    """The event that one of a playbook's own timers is due; the fields are those of `timers.Timer`."""

    due_ms: int
    name: str
    playbook: str
    ref: str


class Seen(NamedTuple):
    """The event that a member is seen for the first time, by this record."""

    record: Any


class Condition(msgspec.Struct, frozen=True, kw_only=True):
    """One condition of an outcome, as it stood when it was asked.

    Attributes:
        name: short, the same for the same condition: `channel`, `cap`.
        holds: whether it was met.
        says: a sentence with the value and what it takes: `channel WEB is not in ["APP"]`.
        value, needed: the two by themselves, for machines; None where there is no such thing.
        key: path of the key that asks for it, in the playbook or, `of_policy`, in `policy.toml`; empty: none does.
    """

    name: str
    holds: bool
    says: str
    value: Any = None
    needed: Any = None
    key: str = ""
    of_policy: bool = False


class Outcome(msgspec.Struct, frozen=True):
    """Something a playbook may do.

    Attributes:
        says: in words, as a sentence without its reason: `a workflow opens`.
        topic: of the output record that shows that it was done; empty: none does.
        fields: what that record has to say to be the one.
    """

    says: str
    topic: str = ""
    fields: dict[str, Any] = msgspec.field(default_factory=dict)

    def is_shown_by(self, output: Any) -> bool:
        """Whether the output record is the one."""
        return output.topic == self.topic and all(
            getattr(output, name) == value for name, value in self.fields.items()
        )


class Considered(msgspec.Struct):
    """One outcome a playbook considered, with all its conditions in the order in which the rule asks them.

    Attributes:
        playbook: its name; None: a rule that holds whatever the playbooks are.
        outcome: what it was about.
        conditions: the outcome comes about exactly if all of them hold.
        concerned: whether the playbook was told at all; one that is not concerned is one of many.
        happened: whether it did, as told by what came out, never by the conditions; None until that is known, and
            where no output shows it.
        effect: what came of it beside an output: `waits until ..`; empty: nothing.
    """

    playbook: str | None
    outcome: Outcome
    conditions: list[Condition]
    concerned: bool = True
    happened: bool | None = None
    effect: str = ""

    @property
    def holds(self) -> bool:
        """Whether all conditions do."""
        return all(condition.holds for condition in self.conditions)

    @property
    def failed(self) -> Condition | None:
        """The first condition that does not hold; None: all do."""
        return next((condition for condition in self.conditions if not condition.holds), None)


def is_among(name: str, value: str, known: Collection[str], key: str) -> Condition:
    """The condition that a value stands in a list of the playbook."""
    holds = value in known
    needed = sorted(known)
    text = json.dumps(needed, ensure_ascii=False)
    return Condition(
        name=name,
        holds=holds,
        says=f"{name} {value} is {'' if holds else 'not '}in {text}",
        value=value,
        needed=needed,
        key=key,
    )


def span_text(span_ms: int) -> str:
    """A span in its two largest units, the rest cut off: `2 d 3 h`, `30 min`, `0 ms`."""
    parts: list[str] = []
    rest = abs(span_ms)
    for unit, unit_ms in _UNITS:
        number, rest = divmod(rest, unit_ms)
        if number:
            parts.append(f"{number} {unit}")
        elif parts:
            break
        if len(parts) == 2:  # noqa: PLR2004  the two largest
            break
    text = " ".join(parts) or "0 ms"
    return f"-{text}" if span_ms < 0 else text
