"""What keeps a worker from working ends it with one clear message and an exit code, never with a traceback."""

import asyncio
import re
import socket

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, RecordsToDelete

from app.broker.topics import admin_client
from app.wire.topics import load_topics
from tests.integration.history import History

pytestmark = pytest.mark.broker


def refusal(deployment, *arguments, data="data"):
    """Run a worker that cannot start; returns what it prints for its user."""
    return ending(deployment.start_worker(*arguments, data=data))


def ending(worker):
    """What a worker prints for its user that ends by itself."""
    assert worker.exit_code() == 2, worker.log()
    printed = worker.log()
    assert "Traceback" not in printed
    errors = [line for line in printed.splitlines() if not re.match(r"\d{4}-\d\d-\d\dT\S+ ", line)]
    assert errors[0].startswith("error["), printed
    return "\n".join(errors)


def test_an_unreachable_broker_is_named(deploy):
    deployment = deploy(topics=False)
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{closed.getsockname()[1]}"
        deployment.more["REENGAGE_BROKER"] = address
        printed = refusal(deployment)
    assert printed.startswith(f"error[broker-unreachable] {address}")
    assert printed.count("error[") == 1


def test_missing_topics_are_told_at_once_with_the_command_that_makes_them(deploy):
    deployment = deploy(topics=False)
    printed = refusal(deployment)
    named = ", ".join(f"{deployment.prefix}{name}" for name in sorted(load_topics())[:3])
    assert f"error[missing-topic] {named} and {len(load_topics()) - 3} more: " in printed
    assert printed.count("error[") == 1
    assert "reengage topics apply" in printed


def test_inputs_with_different_partition_counts_are_refused(deploy):
    deployment = deploy()

    async def widen():
        admin = AIOKafkaAdminClient(bootstrap_servers=deployment.broker)
        await admin.start()
        try:
            await admin.create_partitions({f"{deployment.prefix}activity": NewPartitions(3)})
        finally:
            await admin.close()

    asyncio.run(widen())
    printed = refusal(deployment)
    assert "partitions" in printed
    assert f"{deployment.prefix}activity" in printed


def test_every_mistake_in_the_playbooks_is_named_with_its_place(deploy):
    deployment = deploy()
    folder = deployment.folder / "playbooks"
    folder.mkdir()
    (folder / "mine.toml").write_text('kind = "reengager"\n[inactivity]\naftr = "7d"\nchannels = ["FAX"]\n')
    deployment.more["REENGAGE_PLAYBOOKS"] = str(folder)
    printed = refusal(deployment)
    assert "mine.toml" in printed
    assert "inactivity.aftr" in printed
    assert "did you mean" in printed
    assert "FAX" in printed


def test_a_state_folder_another_worker_holds_is_refused(deploy):
    deployment = deploy()
    holder = deployment.start_worker()
    holder.wait_until_ready()
    printed = refusal(deployment)
    assert printed.startswith(f"error[data-folder-in-use] {deployment.folder / 'data'}")
    assert "REENGAGE_DATA" in printed
    holder.stop()


def test_an_unknown_setting_is_refused_with_the_nearest_name(deploy):
    deployment = deploy(topics=False, REENGAGE_GUARANTY="exactly_once")
    printed = refusal(deployment)
    assert "error[unknown-setting]" in printed
    assert "did you mean REENGAGE_GUARANTEE?" in printed


def cut(deployment, where, before_offset):
    """Have the broker delete what an input holds before an offset."""

    async def delete():
        admin = AIOKafkaAdminClient(bootstrap_servers=deployment.broker)
        await admin.start()
        try:
            await admin.delete_records({where: RecordsToDelete(before_offset)})
        finally:
            await admin.close()

    asyncio.run(delete())


def test_an_input_that_lost_records_not_applied_yet_is_refused_and_not_skipped(deploy):
    deployment = deploy(partitions=1)
    activity = TopicPartition(f"{deployment.prefix}activity", 0)
    deployment.produce(History(41, records=200, partitions=1))
    deployment.drain()
    applied = deployment.end_offsets([activity])[activity]
    deployment.produce(History(42, records=200, partitions=1))
    cut(deployment, activity, applied + 5)
    printed = refusal(deployment)
    assert printed.startswith(f"error[input-truncated] {activity.topic}-0 offset {applied}:")
    assert f"the first it still holds is {applied + 5}" in printed
    assert "reengage topics diff" in printed


def test_an_input_cut_before_it_was_ever_read_is_read_from_what_is_left(deploy):
    deployment = deploy(partitions=1)
    deployment.produce(History(43, records=200, partitions=1))
    cut(deployment, TopicPartition(f"{deployment.prefix}activity", 0), 3)
    deployment.drain()


def widen_all(deployment, partitions):
    """Give every topic so many partitions, as an operator may who means well."""

    async def create():
        async with admin_client({"bootstrap_servers": deployment.broker}) as admin:
            names = [name for name in await admin.list_topics() if name.startswith(deployment.prefix)]
            await admin.create_partitions({name: NewPartitions(partitions) for name in names})

    asyncio.run(create())


def test_topics_given_more_partitions_after_they_were_used_are_refused(deploy):
    """All alike, so that nothing differs from what is declared: without this, members would be met as new ones."""
    deployment = deploy(partitions=1)
    deployment.produce(History(43, records=200, partitions=1))
    deployment.drain()
    widen_all(deployment, 3)
    printed = refusal(deployment)
    assert f"error[partition-count] {deployment.prefix}internal-" in printed
    assert "-changelog-0: holds the state of" in printed
    assert "another REENGAGE_TOPIC_PREFIX" in printed


def delete(deployment, *topics):
    async def ask():
        async with admin_client({"bootstrap_servers": deployment.broker}) as admin:
            await admin.delete_topics([deployment.prefix + topic for topic in topics])

    asyncio.run(ask())


FIRST = "internal-company-up"
"""The members' input by which the group's leader counts their partitions: without it there are none to be given."""


@pytest.mark.parametrize("topics", [("activity",), (FIRST, "score")])
def test_inputs_that_are_deleted_under_a_running_worker_end_it_and_are_each_named(deploy, topics):
    deployment = deploy()
    worker = deployment.start_worker()
    worker.wait_until_ready()
    delete(deployment, *topics)
    printed = ending(worker)
    named = ", ".join(f"{deployment.prefix}{topic}" for topic in topics)
    assert f"error[missing-topic] {named}: there is no such topic" in printed
    assert printed.count("error[") == 1


def test_an_input_that_is_deleted_and_made_anew_has_lost_its_records(deploy):
    """Made anew at once, as by a script that does both: it is not missing, but what was in it is."""
    deployment = deploy(partitions=1)
    deployment.produce(History(45, records=200, partitions=1))
    deployment.drain()
    worker = deployment.start_worker()
    worker.wait_until_ready()
    delete(deployment, "activity")
    deployment.create_topics()
    assert ending(worker).startswith(f"error[input-truncated] {deployment.prefix}activity-0 offset ")
