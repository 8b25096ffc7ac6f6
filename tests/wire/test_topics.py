"""The declared topics are those of the contract, and merge in its order."""

import pytest

from app.domain.crossings import INTERNALS
from app.domain.errors import UserErrors
from app.domain.events import INPUTS
from app.domain.outputs import OUTPUTS
from app.wire.schemas import SchemaStore
from app.wire.topics import (
    CROSSINGS,
    JOURNAL,
    MEMBER_INPUTS,
    RANK,
    Topic,
    changelog_of,
    load_topics,
)

TOPICS = load_topics()
PROCESSORS = ("members", "companies", "desk", "digests")
CHANGELOGS = {changelog_of(processor) for processor in PROCESSORS}
GOOD = """
description = "d"
role = "input"
processor = "members"
key = "member_id"
partitions = 4
cleanup_policy = "delete"
retention_ms = -1
timestamp_type = "LogAppendTime"
"""


def names(role):
    return {topic.name for topic in TOPICS.values() if topic.role == role}


def test_every_record_has_its_topic_and_every_topic_but_the_changelogs_its_record():
    assert names("input") == set(INPUTS)
    assert names("output") == set(OUTPUTS)
    assert names("internal") == set(INTERNALS) | CHANGELOGS


def test_a_topic_names_the_schema_of_its_record():
    records = {**INPUTS, **OUTPUTS, **INTERNALS}
    assert {name: topic.schema for name, topic in TOPICS.items() if topic.schema} == {
        name: record.__name__ for name, record in records.items()
    }
    assert {topic.schema for topic in TOPICS.values()} - {None} <= set(SchemaStore().names())


def test_a_topic_is_keyed_by_the_field_its_record_says():
    for name, record in {**INPUTS, **INTERNALS}.items():
        if record.key_field is not None:
            assert TOPICS[name].key == record.key_field, name


def test_all_topics_of_a_processor_have_equally_many_partitions_and_none_more_than_the_members():
    counts = {
        processor: {topic.partitions for topic in TOPICS.values() if topic.processor == processor}
        for processor in PROCESSORS
    }
    assert all(len(partitions) == 1 for partitions in counts.values())
    assert all(partitions <= counts["members"] for partitions in counts.values())
    assert TOPICS[JOURNAL].processor == "members"


def test_inputs_internal_topics_and_outputs_are_kept_for_ever_and_carry_append_times():
    assert {topic.retention_ms for topic in TOPICS.values()} == {-1}
    assert {topic.timestamp_type for topic in TOPICS.values()} == {"LogAppendTime"}


def test_only_changelogs_and_snapshots_are_compacted_and_keep_tombstones_for_seven_days():
    compacted = {topic.name for topic in TOPICS.values() if topic.cleanup_policy == "compact"}
    assert compacted == CHANGELOGS | {"member-snapshot"}
    assert {TOPICS[name].delete_retention_ms for name in compacted} == {7 * 24 * 3600 * 1000}


def test_internal_topics_rank_by_name_before_the_inputs_as_contract_5_lists_them():
    ranked = sorted(RANK, key=RANK.__getitem__)
    inputs = "command, profile, company, capacity, campaign, engagement, transfer, score, activity"
    assert ranked[-9:] == inputs.split(", ")
    assert ranked[:-9] == sorted(CROSSINGS)
    assert set(CROSSINGS) == set(INTERNALS) - {JOURNAL}
    assert len(set(RANK.values())) == len(RANK)


def test_member_inputs_are_the_inputs_keyed_by_member_id():
    assert set(MEMBER_INPUTS) == {name for name in INPUTS if TOPICS[name].key == "member_id"}


def test_a_prefix_stands_before_the_name():
    assert TOPICS["activity"].full_name("eu-") == "eu-activity"
    assert TOPICS["activity"].full_name("") == "activity"


def test_kept_for_ever_also_means_whatever_the_cluster_allows_in_bytes():
    assert TOPICS["activity"].configs() == {
        "cleanup.policy": "delete",
        "retention.ms": "-1",
        "retention.bytes": "-1",
        "message.timestamp.type": "LogAppendTime",
    }
    assert "retention.bytes" not in Topic(**{**vars(TOPICS["activity"]), "retention_ms": 1000}).configs()


def test_a_compacted_topic_says_how_long_tombstones_stay():
    assert TOPICS["member-snapshot"].configs()["delete.retention.ms"] == "604800000"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("not toml", "Expected '='"),
        (GOOD + "retention_days = 3\n", "unknown keys: retention_days"),
        (GOOD + 'name = "x"\n', "unknown keys: name"),
        (GOOD.replace("partitions = 4\n", ""), "missing required field `partitions`"),
        (GOOD.replace("= 4", "= 0"), "at least 1"),
        (GOOD.replace('"delete"', '"forget"'), "Invalid enum value 'forget'"),
        (GOOD.replace('"delete"', '"compact"'), "delete_retention_ms"),
        (GOOD + "delete_retention_ms = 1\n", "delete_retention_ms"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_with_what_is_wrong(tmp_path, text, problem):
    (tmp_path / "odd.toml").write_text(text)
    (tmp_path / "good.toml").write_text(GOOD)
    with pytest.raises(UserErrors) as caught:
        load_topics(tmp_path)
    (error,) = caught.value.errors
    assert error.reference == "bad-topic-file"
    assert error.place.endswith("odd.toml")
    assert problem in error.problem
