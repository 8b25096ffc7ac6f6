"""`reengage topics apply|diff`: making Kafka's topics what is declared (contract 2).

Everything here talks to Kafka and is awaited; nothing blocks. `client_options` are `Settings.client_options()`. Errors
of Kafka's client pass through: call these within `app.service.client.broker_errors`.
"""

import asyncio
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import (
    InvalidReplicationFactorError,
    KafkaTimeoutError,
    TopicAlreadyExistsError,
    for_code,
)

from app.broker.rights import Operation, require
from app.broker.roles import Names, on_topics, settings_rights
from app.broker.topic_differences import (
    MIN_IN_SYNC,
    MISSING,
    PARTITIONS,
    Difference,
    Found,
    compare,
    copies_in_sync,
    count_kept_hint,
)
from app.broker.topics import admin_client, find_topics
from app.domain.errors import TopicError, UserError, UserErrors
from app.wire.topics import Topic, load_topics

MOST_COPIES = 3
SETTLED_S = 30.0
POLL_S = 0.05


@dataclass(frozen=True)
class Applied:
    """What `apply_topics` changed; both empty when everything was right.

    Attributes:
        created: full names of the topics it created, sorted.
        altered: the settings it changed, with their former values as `actual`.
        copies: how many each created topic has.
    """

    created: list[str]
    altered: list[Difference]
    copies: int


async def diff_topics(
    client_options: Mapping[str, Any], prefix: str, *, partitions: int | None = None
) -> list[Difference]:
    """How Kafka's topics under `prefix` differ from the declared ones, by topic; empty if they do not.

    `partitions`: the count every topic should have; without it, what exists decides (see `compare`). Raises UserErrors
    `missing-rights`.
    """
    async with admin_client(client_options) as admin:
        await require(admin, client_options, settings_rights(Names("", prefix)))
        return compare(load_topics().values(), prefix, await find_topics(admin, prefix), partitions)


async def apply_topics(
    client_options: Mapping[str, Any],
    prefix: str,
    *,
    partitions: int | None = None,
    replication: int | None = None,
) -> Applied:
    """Create the declared topics that are missing and set those that exist as declared; nothing is ever deleted.

    Other settings of an existing topic stay. Returns when Kafka shows it done.

    Args:
        partitions: how many partitions each created topic gets; default as declared, or as those that exist have.
        replication: copies of each created topic; default 3, or the number of running brokers if that is less. Of three
            or more, two must be in sync (`copies_in_sync`).

    Raises:
        UserErrors: `missing-rights` for what this user may not see, or not change and would have to; `partition-count`
            for each topic that exists with another count, before anything is changed; `topic-refused` for each topic
            or setting that Kafka refuses.
    """
    topics = load_topics().values()
    created: list[str] = []
    copies = 0
    altered: dict[tuple[str, str], Difference] = {}
    deadline = time.monotonic() + SETTLED_S
    async with admin_client(client_options) as admin:
        await require(admin, client_options, settings_rights(Names("", prefix)))
        # Again until nothing differs, since brokers show what the controller has acknowledged only a moment later.
        while differences := compare(topics, prefix, found := await find_topics(admin, prefix), partitions):
            _refuse_counts(differences, partitions)
            if time.monotonic() > deadline:
                raise KafkaTimeoutError("the topics did not become as they were set")
            missing = [each for each in differences if each.setting == MISSING]
            wrong = [each for each in differences if each.setting != MISSING]
            changes = [
                *on_topics(Operation.CREATE, (each.topic for each in missing), ""),
                *on_topics(Operation.ALTER_CONFIGS, sorted({each.topic for each in wrong}), ""),
            ]
            await require(admin, client_options, changes)
            if missing:
                copies = replication or await usual_copies(admin)
                created += await _create(admin, prefix, missing, copies)
            if wrong:
                await _alter(admin, found, wrong)
            altered = {(each.topic, each.setting): each for each in wrong} | altered
            await asyncio.sleep(POLL_S)
    return Applied(sorted(created), list(altered.values()), copies)


async def usual_copies(admin: AIOKafkaAdminClient) -> int:
    """How many copies a topic is created with: 3, or one a broker where fewer are running."""
    return min(MOST_COPIES, len((await admin.describe_cluster())["brokers"]))


def created_as(topic: Topic, copies: int) -> dict[str, str]:
    """Kafka's settings of a topic to be created with so many copies."""
    return topic.configs() | {MIN_IN_SYNC: str(copies_in_sync(copies))}


async def _create(
    admin: AIOKafkaAdminClient, prefix: str, missing: list[Difference], copies: int
) -> list[str]:
    """Create what is missing and return the names of those that nobody else had created meanwhile."""
    configs = {topic.full_name(prefix): created_as(topic, copies) for topic in load_topics().values()}
    answer = await admin.create_topics(
        [
            NewTopic(each.topic, int(each.declared), copies, topic_configs=configs[each.topic])
            for each in missing
        ]
    )
    outcomes = answer.to_object()["topic_errors"]
    _refuse(
        refused(each["topic"], each["error_code"], each["error_message"])
        for each in outcomes
        if each["error_code"] not in (0, TopicAlreadyExistsError.errno)
    )
    return [each["topic"] for each in outcomes if each["error_code"] == 0]


async def _alter(admin: AIOKafkaAdminClient, found: Mapping[str, Found], altered: list[Difference]) -> None:
    # What Kafka takes is the whole of a topic's own settings: any left out would go back to the cluster's default.
    settings = {each.topic: dict(found[each.topic].own) for each in altered}
    for each in altered:
        settings[each.topic][each.setting] = each.declared
    (answer,) = await admin.alter_configs(
        [ConfigResource(ConfigResourceType.TOPIC, name, configs) for name, configs in settings.items()]
    )
    _refuse(
        refused(each["resource_name"], each["error_code"], each["error_message"])
        for each in answer.to_object()["resources"]
        if each["error_code"] != 0
    )


def refused(topic: str, error_code: int, message: str | None) -> TopicError:
    """The error of a topic which Kafka will not create, or set, as it should be; with what Kafka says of it."""
    reason = message or for_code(error_code).description
    hint = "the broker's log says more"
    if error_code == InvalidReplicationFactorError.errno:
        hint = (
            "ask for no more copies (--replication) than there are brokers running, or leave that to Reengage"
        )
    return TopicError("topic-refused", topic, f"Kafka would not have it as declared: {reason}", hint)


def _refuse_counts(differences: list[Difference], asked: int | None) -> None:
    counts = [each for each in differences if each.setting == PARTITIONS]
    if asked is None:
        _refuse(each.error() for each in counts)
    else:
        _refuse(each.error(count_kept_hint(asked, counts)) for each in counts)


def _refuse(errors: Iterable[UserError]) -> None:
    found = list(errors)
    if found:
        raise UserErrors(found)
