"""The worker against its oracle: on the records in the order it took them, `simulate` gives what it gave."""

import pytest

from tests.integration.history import History
from tests.integration.oracle import assert_equals_simulate

pytestmark = pytest.mark.broker


def test_a_drained_worker_has_put_out_what_simulate_gives(deploy):
    deployment = deploy()
    deployment.produce(History(1, records=2_000))
    deployment.drain()
    assert_equals_simulate(deployment)
