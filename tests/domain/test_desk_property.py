"""The desk against a second implementation that is as plain as can be, under any interleaving, repetition and restart."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.domain.pool import EVENING, Pool, capacity, request, withdrawal

MAX_ATTEMPTS = 3
HOURS = 1 / 24

Step = tuple[Any, ...]
"""("ask", hour, member, number), ("withdraw", ...), ("capacity", hour, slots, id), ("wait", hour)."""


@dataclass
class Model:
    """A pool as a person would keep it on paper. Hours count from Monday, 10:00; the day ends 7 hours later."""

    slots: int
    now: int = 0
    used: int = 0
    told: int = 0
    waiting: list[list[Any]] = field(default_factory=list)
    done: dict[str, int] = field(default_factory=dict)
    capacities: set[str] = field(default_factory=set)
    said: list[str] = field(default_factory=list)

    def wait(self, hour: int) -> None:
        for now in range(self.now + 1, hour + 1):
            self.now = now
            if now % 24 == 7:
                self.used = 0
                self.attempt(sorted(self.waiting))

    def attempt(self, entries: list[list[Any]]) -> None:
        for entry in entries:
            member = entry[1]
            if self.used < self.slots:
                self.used += 1
                self.waiting.remove(entry)
                self.say(f"{member} transferred")
                continue
            entry[3] += 1
            final = entry[3] == MAX_ATTEMPTS
            if final:
                self.waiting.remove(entry)
            self.say(f"{member} failed {entry[3]}{', final' if final else ''}")

    def ask(self, hour: int, member: str, number: int) -> None:
        if number > self.done.get(member, 0):
            self.wait(hour)
            self.done[member] = number
            self.waiting = [entry for entry in self.waiting if entry[1] != member]
            self.waiting.append([hour, member, number, 0])
            self.attempt(self.waiting[-1:])

    def withdraw(self, hour: int, member: str, number: int) -> None:
        waits = any(entry[1] == member and entry[2] <= number for entry in self.waiting)
        if waits or number > self.done.get(member, 0):
            self.wait(hour)
            self.waiting = [entry for entry in self.waiting if entry[1] != member or entry[2] > number]
            self.done[member] = max(number, self.done.get(member, 0))

    def capacity(self, hour: int, slots: int, event_id: str) -> None:
        if event_id in self.capacities:
            return
        self.capacities.add(event_id)
        self.wait(hour)
        if hour >= self.told:
            self.told, self.slots = hour, slots
            self.attempt(sorted(self.waiting)[: max(0, slots - self.used)])

    def say(self, words: str) -> None:
        self.said.append(f"{self.now * HOURS:g} {words}")


hours = st.integers(0, 6)
members = st.sampled_from("abcdef")


@st.composite
def histories(draw: st.DrawFn, *, late: bool = True) -> list[Step]:
    """Up to 60 steps of a few days: some late, some sent twice, withdrawals of requests that were never made."""
    steps: list[Step] = []
    now = 0
    numbers: Counter[str] = Counter()
    for _ in range(draw(st.integers(1, 60))):
        now += draw(hours)
        at = max(0, now - (draw(st.sampled_from([0, 0, 0, 0, 3, 30])) if late else 0))
        kind = draw(st.sampled_from(["ask"] * 5 + ["withdraw", "capacity", "wait", "repeat"]))
        if kind == "ask":
            member = draw(members)
            numbers[member] += 1
            steps.append(("ask", at, member, numbers[member]))
        elif kind == "withdraw":
            member = draw(members)
            number = max(1, numbers[member] + draw(st.sampled_from([0, 0, 0, -1, 1])))
            numbers[member] = max(number, numbers[member])
            steps.append(("withdraw", at, member, number))
        elif kind == "capacity":
            steps.append(("capacity", at, draw(st.integers(0, 3)), f"c{len(steps)}"))
        elif kind == "repeat" and (lately := [step for step in steps if step[1] > now - 20]):
            # A request is known for a day after it was answered; what at least once repeats comes sooner.
            steps.append(draw(st.sampled_from(lately)))
        else:
            steps.append(("wait", now))
    # The last word is silence, long enough for everybody's fate.
    return [*steps, ("wait", now + 24 * (MAX_ATTEMPTS + 1))]


def play(steps: list[Step], slots: int, *, restarting: bool) -> list[str]:
    pool = Pool(slots_per_day=slots, max_attempts=MAX_ATTEMPTS, restarting=restarting)
    said: list[str] = []
    for kind, hour, *rest in steps:
        at = hour * HOURS
        match kind:
            case "ask":
                said += pool.hear(request(at, *rest))
            case "withdraw":
                said += pool.hear(withdrawal(at, *rest))
            case "capacity":
                said += pool.hear(capacity(at, *rest))
            case _:
                said += pool.until(at)
    return said


def reference(steps: list[Step], slots: int) -> list[str]:
    model = Model(slots)
    now = 0
    for kind, hour, *rest in steps:
        # Time has been there before: what is late does not take it back.
        now = max(now, hour)
        model.wait(now)
        getattr(model, kind)(hour, *rest)
    return model.said


@settings(max_examples=300)
@given(histories(late=False), st.integers(0, 3), st.booleans())
def test_the_desk_says_what_the_reference_says_restarted_or_not(steps, slots, restarting):
    assert play(steps, slots, restarting=restarting) == reference(steps, slots)


@settings(max_examples=300)
@given(histories(), st.integers(0, 3))
def test_with_late_records_too_a_restart_changes_nothing_and_time_never_goes_back(steps, slots):
    said = play(steps, slots, restarting=False)
    assert play(steps, slots, restarting=True) == said
    assert said == sorted(said, key=lambda words: float(words.split(maxsplit=1)[0]))


@given(histories(), st.integers(0, 3))
def test_slots_given_from_one_reset_to_the_next_never_exceed_the_most_there_were(steps, slots):
    most = max([slots, *(step[2] for step in steps if step[0] == "capacity")])
    given_in = Counter(
        day_of(words) for words in play(steps, slots, restarting=False) if "transferred" in words
    )
    assert all(count <= most for count in given_in.values())


@given(histories(), st.integers(0, 3))
def test_nobody_waiting_is_lost_or_served_twice(steps, slots):
    """Without withdrawals and second requests, everybody who asks has exactly one end."""
    asked: dict[str, Step] = {}
    for step in steps:
        if step[0] == "ask":
            asked.setdefault(step[2], step)
    kept = [step for step in steps if step[0] in ("capacity", "wait") or step in asked.values()]
    ends = Counter(
        words.split()[1]
        for words in play(kept, slots, restarting=True)
        if "transferred" in words or "final" in words
    )
    assert ends == Counter(asked.keys())


def day_of(words: str) -> int:
    return int(float(words.split(maxsplit=1)[0]) - EVENING + 1)
