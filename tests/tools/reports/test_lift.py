import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.tools.reports.lift import Share, lift, wilson


@pytest.mark.parametrize(
    ("share", "low", "high"),
    [
        # Newcombe (1998), "Two-sided confidence intervals for the single proportion", table I, method 3.
        (Share(81, 263), 0.2553, 0.3662),
        (Share(15, 148), 0.0624, 0.1605),
        (Share(0, 20), 0.0, 0.1611),
        (Share(1, 29), 0.0061, 0.1718),
    ],
)
def test_wilsons_interval_is_the_published_one(share, low, high):
    assert wilson(share) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize(
    ("one", "two", "low", "high"),
    [
        # Newcombe (1998), "Interval estimation for the difference between independent proportions", table II, method 10.
        (Share(56, 70), Share(48, 80), 0.0524, 0.3339),
        (Share(9, 10), Share(3, 10), 0.1705, 0.8090),
        (Share(6, 7), Share(2, 7), 0.0582, 0.8062),
        (Share(5, 56), Share(0, 29), -0.0381, 0.1926),
        (Share(0, 10), Share(0, 20), -0.1611, 0.2775),
        (Share(10, 10), Share(0, 20), 0.6791, 1.0),
    ],
)
def test_the_interval_of_a_difference_is_the_published_one(one, two, low, high):
    found = lift(one, two)
    assert found is not None
    assert (found.low, found.high) == pytest.approx((low, high), abs=5e-5)


def test_without_a_group_to_compare_with_there_is_no_lift():
    assert lift(Share(1, 2), Share(0, 0)) is None
    assert lift(Share(0, 0), Share(1, 2)) is None


shares = st.integers(1, 500).flatmap(lambda trials: st.builds(Share, st.integers(0, trials), st.just(trials)))


@given(shares, shares)
@example(Share(10, 10), Share(0, 83))
def test_the_difference_lies_within_its_interval_and_turns_with_the_groups(one, two):
    there, back = lift(one, two), lift(two, one)
    assert -1 <= there.low <= there.difference <= there.high <= 1
    assert (back.low, back.high) == pytest.approx((-there.high, -there.low))
