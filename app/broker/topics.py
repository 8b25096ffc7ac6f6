"""The declared topics as a Kafka cluster has them (contract 2).

Everything here talks to Kafka and is awaited; nothing blocks. `client_options` are `Settings.client_options()`. Errors
of Kafka's client pass through: call these within `app.service.client.broker_errors`.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import UnknownTopicOrPartitionError, for_code

from app.broker.rights import Right, require
from app.broker.topic_differences import Found, compare
from app.domain.errors import UserError
from app.wire.topics import load_topics

log = logging.getLogger(__name__)

SILENCE_S = 5.0
"""How long the first answer may take before it is said that it is being waited for: no command asks anybody else first."""

SET_FOR_TOPIC = 1
"""`config_source` of a setting made for the topic itself, in Kafka's DescribeConfigs."""


async def verify_topics(
    client_options: Mapping[str, Any], prefix: str, needed: Iterable[Right] = ()
) -> list[UserError]:
    """What keeps a worker from starting on the topics under `prefix`: one error for each difference from what is
    declared, by topic, each naming `reengage topics apply`; empty: all is well.

    Raises UserErrors `missing-rights` for those of the `needed` rights that this client lacks.
    """
    async with admin_client(client_options) as admin:
        await require(admin, client_options, needed)
        differences = compare(load_topics().values(), prefix, await find_topics(admin, prefix))
    return [difference.error() for difference in differences]


async def partition_counts(
    client_options: Mapping[str, Any], prefix: str, needed: Iterable[Right] = ()
) -> dict[str, int]:
    """How many partitions each declared topic has, by its name without prefix; a missing one is left out.

    Raises UserErrors `missing-rights` for those of the `needed` rights that this client lacks.
    """
    async with admin_client(client_options) as admin:
        await require(admin, client_options, needed)
        found = await _listed(admin, prefix)
    return {name.removeprefix(prefix): len(topic["partitions"]) for name, topic in found.items()}


@asynccontextmanager
async def admin_client(client_options: Mapping[str, Any]) -> AsyncIterator[AIOKafkaAdminClient]:
    """A connected admin client, closed at the end. Says in the log when the broker takes long to answer at all."""
    admin = AIOKafkaAdminClient(**client_options)
    silence = asyncio.get_running_loop().call_later(
        SILENCE_S, _say_waiting, client_options["bootstrap_servers"]
    )
    try:
        try:
            await admin.start()
        finally:
            silence.cancel()
        yield admin
    finally:
        await admin.close()


def _say_waiting(servers: str) -> None:
    # What accepts connections and never answers is given up after the client's timeout, which is most of a minute.
    log.warning("%s has not answered for %g s; still waiting for it", servers, SILENCE_S)


async def find_topics(admin: AIOKafkaAdminClient, prefix: str) -> dict[str, Found]:
    """Those of the declared topics that exist, by full name."""
    listed = await _listed(admin, prefix)
    if not listed:
        return {}
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in listed]
    (answer,) = await admin.describe_configs(resources)
    found = {}
    for each in answer.to_object()["resources"]:
        name, error_code = each["resource_name"], each["error_code"]
        if error_code == 0:
            found[name] = _as_found(listed[name]["partitions"], each["config_entries"])
        # One may be deleted between the two questions.
        elif error_code != UnknownTopicOrPartitionError.errno:
            raise for_code(error_code)(name)
    return found


async def _listed(admin: AIOKafkaAdminClient, prefix: str) -> dict[str, dict[str, Any]]:
    declared = {topic.full_name(prefix) for topic in load_topics().values()}
    # All of the cluster's: asking for a missing one by name creates it where the cluster creates topics by itself.
    return {
        listed["topic"]: listed
        for listed in await admin.describe_topics()
        if listed["topic"] in declared and listed["error_code"] == 0
    }


def _as_found(partitions: list[dict[str, Any]], entries: list[dict[str, Any]]) -> Found:
    configs = {entry["config_names"]: entry["config_value"] for entry in entries}
    own = {entry["config_names"] for entry in entries if entry["config_source"] == SET_FOR_TOPIC}
    copies = min((len(partition["replicas"]) for partition in partitions), default=1)
    return Found(len(partitions), configs, {name: configs[name] for name in own}, copies)
