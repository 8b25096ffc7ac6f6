"""How much more often something succeeds in one group than in another, and how sure that is."""

from __future__ import annotations

from math import sqrt
from typing import NamedTuple

CONFIDENCE = 0.95
_Z = 1.959963984540054
"""Of the normal distribution, 95 % lies within so many standard deviations."""


class Share(NamedTuple):
    """So many successes in so many trials."""

    successes: int
    trials: int

    @property
    def value(self) -> float:
        """The share itself; there is at least one trial."""
        return self.successes / self.trials


class Lift(NamedTuple):
    """Difference of two shares, from -1 to 1, and its 95 % confidence interval."""

    difference: float
    low: float
    high: float


def wilson(share: Share) -> tuple[float, float]:
    """Wilson's score interval for a share: it stays within 0 and 1, and holds for few trials too."""
    value, trials = share.value, share.trials
    middle = (value + _Z**2 / (2 * trials)) / (1 + _Z**2 / trials)
    reach = _Z / (1 + _Z**2 / trials) * sqrt(value * (1 - value) / trials + _Z**2 / (4 * trials**2))
    return max(0.0, middle - reach), min(1.0, middle + reach)


def lift(treated: Share, held_out: Share) -> Lift | None:
    """How much larger the treated group's share is; None where one of the groups is empty.

    The interval is Newcombe's (1998, method 10): made of the two groups' Wilson intervals, without assuming that
    either share is anything like normally distributed.
    """
    if not treated.trials or not held_out.trials:
        return None
    one, two = treated.value, held_out.value
    (low_one, high_one), (low_two, high_two) = wilson(treated), wilson(held_out)
    difference = one - two
    return Lift(
        difference,
        # Rounded, either may lie beyond by the last digit where all of one group succeeded and none of the other.
        max(-1.0, difference - sqrt((one - low_one) ** 2 + (high_two - two) ** 2)),
        min(1.0, difference + sqrt((high_one - one) ** 2 + (two - low_two) ** 2)),
    )
