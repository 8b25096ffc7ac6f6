"""The rights in the documents: each is asked for, each is needed, and taken away it is told by its name."""

import asyncio
import sys
from pathlib import Path

import pytest

from app.broker.rights import Operation, Resource, missing_right
from app.broker.roles import CHANGELOGS, ROLES, Names, worker_rights
from app.broker.topics import admin_client
from app.wire.topics import changelog_of
from tests.integration.history import History
from tests.integration.secured import lacking, settled

pytestmark = pytest.mark.broker


@pytest.mark.parametrize(
    "role",
    [pytest.param(role, marks=pytest.mark.soak) if role.name == "admin" else role for role in ROLES],
    ids=lambda role: role.name,
)
async def test_each_right_taken_away_is_told_and_given_back_is_enough(people, role):
    rights, options = role.rights(people.names), people.user(role.name).settings().client_options()
    async with people.broker.acls() as acls, admin_client(options) as client:
        await acls.grant(role.name, rights)
        await settled(client, options, rights, [])
        for right in rights:
            await acls.revoke(role.name, [right])
            await settled(client, options, rights, [str(missing_right(right, options))])
            await acls.grant(role.name, [right])
            await settled(client, options, rights, [])


async def test_who_has_no_right_at_all_is_told_of_each_that_would_show_a_topic(people):
    rights, options = worker_rights(people.names), people.user("nobody").settings().client_options()
    async with admin_client(options) as client:
        told = await lacking(client, options, rights)
    assert len(told) == len([right for right in rights if right.operation != Operation.DESCRIBE_CONFIGS])


async def test_a_user_who_shows_a_certificate_has_the_rights_of_its_name(people):
    rights, options = worker_rights(people.names), people.by_certificate("worker").settings().client_options()
    await people.broker.grant("worker", rights)
    async with admin_client(options) as client:
        await settled(client, options, rights, [])


async def test_who_is_asked_nothing_may_do_everything(people):
    options = people.everyone.settings().client_options()
    async with admin_client(options) as client:
        for role in ROLES:
            assert await lacking(client, options, role.rights(people.names)) == []


UNASKED = Path(__file__).with_name("unasked.py")
READ = [
    number
    for number, right in enumerate(worker_rights(Names("", "")))
    if (right.operation is Operation.READ or right.resource is Resource.TRANSACTIONAL_ID)
    # The others hold nothing to restore here, so that they are not read.
    and (right.name not in CHANGELOGS or right.name == changelog_of("members"))
]
"""Places in the list of a worker's rights; the names differ by deployment, their order does not."""


@pytest.mark.soak
@pytest.mark.parametrize("number", READ, ids=lambda number: str(worker_rights(Names("app", ""))[number]))
def test_a_worker_that_does_not_ask_is_refused_by_the_cluster_and_does_not_try_for_ever(people, number):
    """The rights are needed indeed; and where one goes while it works, the worker ends."""
    people.everyone.create_topics()
    people.everyone.produce(History(63, records=100))
    people.everyone.drain()
    rights = worker_rights(people.names)
    right = rights.pop(number)
    rights.append(right._replace(operation=Operation.DESCRIBE))
    asyncio.run(people.broker.grant("worker", rights))
    worker = people.user("worker").start_worker(data="fresh", launcher=[sys.executable, UNASKED])
    assert worker.exit_code() == 2, worker.log()
    assert "error[missing-rights]" in worker.log()
    assert right.name in worker.log()
    assert "Traceback" not in worker.log()
    asyncio.run(people.broker.revoke("worker", rights))


@pytest.mark.soak
def test_a_worker_whose_group_is_taken_away_ends(people):
    people.everyone.create_topics()
    rights = worker_rights(people.names)
    asyncio.run(people.broker.grant("worker", rights))
    worker = people.user("worker").start_worker()
    worker.wait_until_ready()
    (group,) = [right for right in rights if right.resource is Resource.GROUP]
    asyncio.run(people.broker.revoke("worker", [group]))
    assert worker.exit_code() == 2, worker.log()
    assert f"error[missing-rights] group {group.name}:" in worker.log()
