"""A company against a second implementation that is as plain as can be, and under any order, repetition and restart."""

from __future__ import annotations

from collections import Counter
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.company_state import offset_ms, rank_of
from tests.domain.firm import Firm, told, wait
from tests.domain.intents import instant, minutes

MEMBERS = [f"m{number}" for number in range(6)]
SPANS = ["0s", "2m", "15m"]
SPAN_MS = {"0s": 0, "2m": 120_000, "15m": 900_000}
END = 100_000

Step = tuple[Any, ...]
"""("wait", minute, member, since, number), ("OPERATIONAL" or "UNDER_MAINTENANCE", minute)."""

drawn = st.lists(
    st.one_of(
        st.tuples(st.just("wait"), st.sampled_from(MEMBERS), st.sampled_from([0, 1, 5])),
        st.tuples(st.just("OPERATIONAL")),
        st.tuples(st.just("UNDER_MAINTENANCE")),
    ),
    min_size=1,
    max_size=25,
)
gaps = st.lists(st.sampled_from([0, 1, 1, 3, 10, 40]), min_size=25, max_size=25)


def steps_of(kinds: list[Step], between: list[int]) -> list[Step]:
    """In order of time, as without delays; at one instant the company's records come first (topic ranks)."""
    minute, numbers, found = 0, Counter[str](), []
    for kind, gap in zip(kinds, between, strict=False):
        minute += gap
        if kind[0] == "wait":
            numbers[kind[1]] += 1
            found.append(("wait", minute, kind[1], minute - kind[2], numbers[kind[1]]))
        else:
            found.append((kind[0], minute))
    return sorted(found, key=lambda step: (step[1], step[0] == "wait"))


def play(
    steps: list[Step], release: str, *, restarting: bool = False, wakes: int | None = None
) -> Counter[str]:
    firm = Firm(restarting=restarting, release=release)
    said: list[str] = []
    for step in steps:
        record = (
            wait(step[1], step[2], step[4], since=step[3]) if step[0] == "wait" else told(step[1], step[0])
        )
        said += firm.hear(record)
        if wakes is not None:
            firm.engine.wakes_left = wakes
    firm.engine.wakes_left = 1 << 62
    said += firm.until(END)
    said += firm.until(END + 1)
    return Counter(" ".join(word.split()[:2]) for word in said)


def reference(steps: list[Step], release: str) -> Counter[str]:
    """Each wait by itself: what ends it, when its member is told, and whether a newer wait came before that."""
    found: list[str] = []
    ups = [instant(step[1]) for step in steps if step[0] == "OPERATIONAL"]
    waits = [step for step in steps if step[0] == "wait"]
    for _, minute, member, since, number in waits:
        up_ms = next((up_ms for up_ms in ups if up_ms >= instant(since)), None)
        if up_ms is None:
            continue
        between = up_ms <= instant(minute)
        at_ms = instant(minute) if between else up_ms + offset_ms(rank_of(member), SPAN_MS[release])
        newer = [instant(other[1]) for other in waits if other[2] == member and other[4] > number]
        if between or all(other_ms >= at_ms for other_ms in newer):
            found.append(f"{minutes(at_ms):g} {member}/{number}")
    return Counter(found)


@settings(max_examples=300)
@given(drawn, gaps, st.sampled_from(SPANS), st.booleans())
def test_each_is_told_when_the_reference_says_restarted_or_not(kinds, between, release, restarting):
    steps = steps_of(kinds, between)
    assert play(steps, release, restarting=restarting) == reference(steps, release)


@settings(max_examples=200)
@given(st.permutations(range(25)), drawn, gaps, st.sampled_from(SPANS))
def test_in_whatever_order_a_restart_changes_nothing_and_nobody_is_told_twice(order, kinds, between, release):
    steps = steps_of(kinds, between)
    shuffled = [steps[place] for place in order if place < len(steps)]
    said = play(shuffled, release)
    assert play(shuffled, release, restarting=True) == said
    assert not said or max(Counter(word.split()[1] for word in said.elements()).values()) == 1


@settings(max_examples=200)
@given(drawn, gaps, st.sampled_from(SPANS), st.integers(0, 3))
def test_how_much_is_worked_off_between_two_records_changes_nothing(kinds, between, release, wakes):
    """Without second waits, which may come before or after the first is told."""
    firsts = {}
    for step in steps_of(kinds, between):
        if step[0] != "wait" or step[2] not in firsts.values():
            firsts[step] = step[2] if step[0] == "wait" else None
    steps = list(firsts)
    assert play(steps, release, wakes=wakes) == reference(steps, release)


@settings(max_examples=100)
@given(drawn, gaps, st.sampled_from(SPANS))
def test_nobody_waiting_is_lost(kinds, between, release):
    """After one more coming back, the last wait of everybody has been answered."""
    steps = steps_of(kinds, between)
    said = play([*steps, ("OPERATIONAL", END - 1_000)], release)
    last = {step[2]: step[4] for step in steps if step[0] == "wait"}
    assert {f"{member}/{number}" for member, number in last.items()} <= {word.split()[1] for word in said}


@settings(max_examples=100)
@given(drawn, gaps, st.sampled_from(SPANS))
def test_sent_again_everything_has_the_same_answer(kinds, between, release):
    """At least once: what comes twice in a row is answered as if it came once, or twice alike."""
    steps = steps_of(kinds, between)
    twice = [step for step in steps for _ in range(2)]
    assert set(play(twice, release)) == set(play(steps, release))
