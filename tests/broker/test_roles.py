"""The lists of rights: complete, without one twice, and as an administrator would type them."""

import pytest

from app.broker.rights import Operation, Resource, Right, missing_right, principal
from app.broker.roles import ROLES, Names, worker_rights
from app.wire.topics import INPUTS_IN_ORDER, load_topics

NAMES = Names("care", "eu-", "again-")


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_no_right_is_listed_twice_nor_with_another_that_implies_it(role):
    rights = role.rights(NAMES)
    assert len(set(rights)) == len(rights)
    for right in rights:
        if right.operation is Operation.DESCRIBE:
            implying = {right._replace(operation=each) for each in (Operation.READ, Operation.WRITE)}
            assert not implying & set(rights)
        if right.operation is Operation.DESCRIBE_CONFIGS:
            assert right._replace(operation=Operation.ALTER_CONFIGS) not in rights


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_every_name_has_the_prefix_of_the_deployment_or_of_the_replay(role):
    for right in role.rights(NAMES):
        prefixes = ("eu-", "again-") if right.resource is Resource.TOPIC else ("care", "*")
        assert right.name.startswith(prefixes)


def test_a_worker_uses_every_topic_and_writes_no_input():
    rights = worker_rights(NAMES)
    used = {right.name for right in rights if right.operation in (Operation.READ, Operation.WRITE)}
    assert used - {"care", "care-"} == {f"eu-{name}" for name in load_topics()}
    written = {right.name for right in rights if right.operation is Operation.WRITE}
    assert not written & {f"eu-{name}" for name in INPUTS_IN_ORDER}


def test_at_least_once_needs_no_transactions():
    kinds = {right.resource for right in worker_rights(NAMES, exactly_once=False)}
    assert kinds == {Resource.TOPIC, Resource.GROUP}


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_nobody_but_the_worker_and_who_promotes_writes_what_is_live_but_the_inputs(role):
    outputs = {f"eu-{name}" for name, topic in load_topics().items() if topic.role != "input"}
    if role.name not in ("worker", "promoter"):
        assert not [r for r in role.rights(NAMES) if r.operation is Operation.WRITE and r.name in outputs]


@pytest.mark.parametrize(
    ("right", "options"),
    [
        (
            Right(Operation.DESCRIBE_CONFIGS, Resource.TOPIC, "eu-score"),
            "--operation DescribeConfigs --topic eu-score",
        ),
        (Right(Operation.READ, Resource.GROUP, "care"), "--operation Read --group care"),
        (
            Right(Operation.WRITE, Resource.TRANSACTIONAL_ID, "care-", prefixed=True),
            "--operation Write --transactional-id care- --resource-pattern-type prefixed",
        ),
    ],
)
def test_the_error_of_a_missing_right_says_how_to_give_it(right, options):
    error = missing_right(right, {"sasl_plain_username": "ada"})
    assert (error.reference, error.place) == ("missing-rights", f"{right.resource.word} {right.name}")
    assert error.problem == f"User:ada has no right to {right.operation.word} it"
    assert f"kafka-acls --add --allow-principal 'User:ada' {options};" in error.hint


def test_who_shows_a_certificate_is_called_by_its_subject():
    assert principal({"ssl_context": object()}) == "User:<the certificate's subject>"
    assert principal({}) == "User:NAME"
