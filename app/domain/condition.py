"""Conditions on a score (contract 6.2): one, or several that must all hold."""

from __future__ import annotations

from dataclasses import dataclass

from app.domain.scores import HIGHEST, LOWEST


@dataclass(frozen=True)
class Condition:
    """Any of the eight conditions, or several together, as a set of whole numbers and of being empty.

    Attributes:
        shown: as it was written, several joined by ` and `.
        on_empty: whether an empty score satisfies it; only `is empty` does.
        low, high: the numbers that satisfy it, both ends included, except for
        excluded: these. `low` > `high`: no number does.
    """

    shown: str
    on_empty: bool = False
    low: int = LOWEST
    high: int = HIGHEST
    excluded: frozenset[int] = frozenset()

    def holds(self, value: int | None) -> bool:
        """Whether a score satisfies it; None: an empty one."""
        if value is None:
            return self.on_empty
        return self.low <= value <= self.high and value not in self.excluded

    @property
    def edges(self) -> set[int]:
        """The numbers at which it may become another: between two of them, all numbers satisfy it or none does."""
        return {self.low, self.high + 1, *self.excluded, *(number + 1 for number in self.excluded)}

    @property
    def is_possible(self) -> bool:
        """Whether any score satisfies it."""
        if self.on_empty:
            return True
        # Only a stretch no longer than what is excluded can be excluded whole.
        return self.high - self.low >= len(self.excluded) or any(
            number not in self.excluded for number in range(self.low, self.high + 1)
        )


def single(operator: str, number: int | None, shown: str) -> Condition:
    """One condition: `=`, `!=`, `>`, `>=`, `<`, `<=` with a number, or `is empty`, `is not empty` without."""
    if number is None:
        return Condition(shown, on_empty=True, low=1, high=0) if operator == "is empty" else Condition(shown)
    if operator == "!=":
        return Condition(shown, excluded=frozenset({number}))
    low, high = {
        "=": (number, number),
        ">": (number + 1, HIGHEST),
        ">=": (number, HIGHEST),
        "<": (LOWEST, number - 1),
        "<=": (LOWEST, number),
    }[operator]
    return Condition(shown, low=low, high=high)


def together(conditions: list[Condition]) -> Condition:
    """Holds where every one of these holds; there is at least one."""
    return Condition(
        shown=" and ".join(condition.shown for condition in conditions),
        on_empty=all(condition.on_empty for condition in conditions),
        low=max(condition.low for condition in conditions),
        high=min(condition.high for condition in conditions),
        excluded=frozenset().union(*(condition.excluded for condition in conditions)),
    )
