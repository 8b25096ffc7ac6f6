import pytest

from app.domain.inactivity import Verdict, judge

WEEK = 7
RETURN, RETRACT, KEEP_TAG = Verdict.RETURN, Verdict.RETRACT, Verdict.KEEP_TAG


@pytest.mark.parametrize(
    ("at", "now", "last", "verdict"),
    [
        pytest.param(20, 20, 10, RETURN, id="on time"),
        pytest.param(20, 20, None, RETURN, id="on time, the first"),
        pytest.param(20, 20, 15, RETURN, id="on time, with a tag that is younger than it should be"),
        pytest.param(18, 20, None, RETURN, id="late, the first"),
        pytest.param(17, 20, 10, RETURN, id="late, after a gap of exactly the limit"),
        pytest.param(17, 40, 10, RETURN, id="late, after a gap, and over by now"),
        pytest.param(16, 20, 10, RETRACT, id="late, after a shorter gap, and not over by now"),
        pytest.param(14, 20, 10, RETRACT, id="late, over one unit after now"),
        pytest.param(13, 20, 10, KEEP_TAG, id="late, over exactly now"),
        pytest.param(12, 40, 10, KEEP_TAG, id="late, over long ago"),
        pytest.param(9, 20, 10, KEEP_TAG, id="late, older than the last known one"),
        pytest.param(10, 20, 10, KEEP_TAG, id="late, as old as the last known one"),
    ],
)
def test_the_verdict_on_an_inactive_members_activity(at: int, now: int, last: int | None, verdict: Verdict):
    assert judge(at, now, late=at < now, last_ms=last, after_ms=WEEK) is verdict
