"""A state that lies in another partition than its key's is found when the partition is opened."""

import pytest

from app.domain.errors import UserError
from app.runtime.placement import refuse_misplaced
from app.wire.partitioner import murmur2_partition

KEYS = [f"m{number}" for number in range(200)]


def belonging(number: int, partitions: int) -> list[str]:
    return [key for key in KEYS if murmur2_partition(key.encode(), partitions) == number]


@pytest.mark.parametrize("partitions", [1, 4, 7])
def test_states_in_their_own_partition_pass(partitions: int):
    for number in range(partitions):
        refuse_misplaced(belonging(number, partitions), "internal-members-changelog", number, partitions)
    refuse_misplaced([], "internal-members-changelog", 0, partitions)


@pytest.mark.parametrize("partitions", [5, 8, 64])
def test_any_other_number_of_partitions_is_refused_with_the_state_it_was_seen_by(partitions: int):
    for number in range(4):
        with pytest.raises(UserError) as refused:
            refuse_misplaced(belonging(number, 4), "p-internal-members-changelog", number, partitions)
        assert refused.value.reference == "partition-count"
        assert f"p-internal-members-changelog-{number}" in str(refused.value)
        assert "REENGAGE_TOPIC_PREFIX" in refused.value.hint
