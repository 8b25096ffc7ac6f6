"""Declared topics against those that exist: what differs, and how many partitions are needed."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.broker.topic_differences import Found, compare, count_kept_hint
from app.wire.topics import load_topics

TOPICS_BY_NAME = load_topics()
TOPICS = list(TOPICS_BY_NAME.values())


def existing(partitions=4, prefix="", **changed):
    """Every declared topic as it should be, `partitions` for all, or by processor."""
    counts = partitions if isinstance(partitions, dict) else {}
    found = {
        topic.full_name(prefix): Found(
            counts.get(topic.processor, partitions if not counts else 4), topic.configs(), {}
        )
        for topic in TOPICS
    }
    return found | changed


def brief(differences):
    return [(each.topic, each.setting, each.declared, each.actual) for each in differences]


def test_topics_as_declared_differ_in_nothing():
    assert compare(TOPICS, "", existing()) == []
    assert compare(TOPICS, "eu-", existing(prefix="eu-")) == []


def test_topics_under_another_prefix_do_not_count():
    differences = compare(TOPICS, "eu-", existing())
    assert {each.setting for each in differences} == {"missing"}
    assert [each.topic for each in differences] == sorted(topic.full_name("eu-") for topic in TOPICS)


def test_a_missing_topic_gets_as_many_partitions_as_the_others_of_its_processor_have():
    found = existing(12)
    del found["nudge"]
    assert brief(compare(TOPICS, "", found)) == [("nudge", "missing", "12", "")]


def test_topics_of_a_processor_that_is_new_get_as_many_partitions_as_the_members_have():
    found = {name: topic for name, topic in existing(2).items() if "digest" not in name}
    missing = compare(TOPICS, "", found)
    assert {each.topic for each in missing} == {"internal-digest-item", "internal-digests-changelog"}
    assert {each.declared for each in missing} == {"2"}


def test_without_any_topic_all_get_what_is_declared_or_what_was_asked_for():
    assert {each.declared for each in compare(TOPICS, "", {})} == {"4"}
    assert {each.declared for each in compare(TOPICS, "", {}, asked=7)} == {"7"}


def test_one_topic_with_another_count_than_its_processor_is_named_with_the_count_it_needs():
    found = existing(4)
    found["score"] = replace(found["score"], partitions=3)
    assert brief(compare(TOPICS, "", found)) == [("score", "partitions", "4", "3")]


def test_every_topic_with_another_count_than_asked_for_is_named():
    differences = compare(TOPICS, "", existing(4), asked=8)
    assert {(each.setting, each.declared, each.actual) for each in differences} == {("partitions", "8", "4")}
    assert len(differences) == len(TOPICS)


def test_other_processors_may_have_fewer_partitions_than_the_members():
    assert compare(TOPICS, "", existing({"companies": 1, "desk": 2})) == []


def test_other_processors_may_not_have_more_since_they_share_the_members_journal():
    differences = compare(TOPICS, "", existing({"desk": 6}))
    assert {each.topic for each in differences} == {
        topic.name for topic in TOPICS if topic.processor == "desk"
    }
    assert {(each.declared, each.actual) for each in differences} == {("4", "6")}


@given(members=st.integers(1, 64), others=st.integers(1, 64))
def test_counts_that_are_equal_within_processors_are_right_exactly_up_to_that_of_the_members(members, others):
    counts = {"members": members, "companies": others, "desk": others, "digests": others}
    assert (compare(TOPICS, "", existing(counts)) == []) == (others <= members)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("cleanup.policy", "compact"),
        ("retention.ms", "604800000"),
        ("retention.bytes", "1000"),
        ("message.timestamp.type", "CreateTime"),
    ],
)
def test_a_setting_that_differs_is_named_with_both_values(setting, value):
    found = existing()
    configs = {**found["activity"].configs, setting: value}
    found["activity"] = Found(4, configs, {})
    declared = load_topics()["activity"].configs()[setting]
    assert brief(compare(TOPICS, "", found)) == [("activity", setting, declared, value)]


def test_each_difference_becomes_an_error_that_names_topics_apply():
    found = existing()
    del found["activity"]
    found["nudge"] = replace(found["nudge"], partitions=5)
    found["score"] = Found(4, {**found["score"].configs, "retention.ms": "1"}, {})
    errors = [each.error() for each in compare(TOPICS, "", found)]
    assert [(error.reference, error.place) for error in errors] == [
        ("missing-topic", "activity"),
        ("partition-count", "nudge"),
        ("topic-setting", "score: retention.ms"),
    ]
    assert all("`reengage topics apply`" in error.hint for error in errors)
    assert errors[1].problem == "there are 5 partitions where 4 are needed"
    assert errors[2].problem == "is 1, declared is -1"


def test_where_a_count_is_wrong_other_topics_are_the_way_out_and_nothing_with_records_is_to_be_deleted():
    found = existing(4)
    found["activity"] = replace(found["activity"], partitions=5)
    ((hint),) = [each.error().hint for each in compare(TOPICS, "", found)]
    before, _, after = hint.partition("only a topic into which nothing was ever written")
    assert "another REENGAGE_TOPIC_PREFIX" in before
    assert "delete" not in before
    assert "deleted" in after


def test_where_a_person_asks_for_another_count_the_way_out_is_not_to_ask_for_it():
    found = existing(4)
    hint = count_kept_hint(8, compare(TOPICS, "", found, asked=8))
    assert hint.startswith("leave --partitions out, or give 4, which is what there is: ")
    assert "delete" not in hint
    found["desk"] = replace(found["activity"], partitions=3)
    found["score"] = replace(found["score"], partitions=3)
    assert count_kept_hint(8, compare(TOPICS, "", found, asked=8)).startswith("leave --partitions out: ")


@pytest.mark.parametrize(
    ("copies", "in_sync", "needed"),
    [(1, "1", None), (2, "1", None), (3, "1", "2"), (3, "2", None), (3, "3", None), (5, "1", "2")],
)
def test_of_three_copies_two_must_have_a_record_before_it_counts_as_kept(copies, in_sync, needed):
    configs = TOPICS_BY_NAME["score"].configs() | {"min.insync.replicas": in_sync}
    found = existing(score=Found(4, configs, {}, copies))
    expected = [] if needed is None else [("score", "min.insync.replicas", needed, in_sync)]
    assert brief(compare(TOPICS, "", found)) == expected
