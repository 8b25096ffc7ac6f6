"""Rights on a Kafka cluster (ACLs): what one is, which of those a command needs are missing, and how to say so.

A cluster hides from a user what the user may not see: a topic without Describe looks as if it were not there, and some
of Kafka's clients try for ever what they will never be allowed. So a command asks beforehand, once for all topics.
Errors of Kafka's client pass through: call these within `app.service.client.broker_errors`.
"""

import enum
import shlex
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import (
    CoordinatorLoadInProgressError,
    CoordinatorNotAvailableError,
    GroupAuthorizationFailedError,
    NotCoordinatorError,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
    UnknownTopicOrPartitionError,
)
from aiokafka.protocol.admin import DescribeGroupsRequest_v3, DescribeGroupsResponse_v3
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import Array, Boolean, Int16, Int32, Schema, String

from app.domain.errors import UserError, UserErrors

HELP = "docs/security.md lists what each command needs"


class Operation(enum.IntEnum):
    """What may be done, by Kafka's numbers. Read and Write let Describe too, AlterConfigs lets DescribeConfigs."""

    READ = 3
    WRITE = 4
    CREATE = 5
    DELETE = 6
    DESCRIBE = 8
    DESCRIBE_CONFIGS = 10
    ALTER_CONFIGS = 11

    @property
    def word(self) -> str:
        """As Kafka's tools write it: `DescribeConfigs`."""
        return self.name.title().replace("_", "")


class Resource(enum.IntEnum):
    """What it may be done to, by Kafka's numbers."""

    TOPIC = 2
    GROUP = 3
    TRANSACTIONAL_ID = 5

    @property
    def word(self) -> str:
        """As the option of `kafka-acls` that names one: `transactional-id`."""
        return self.name.lower().replace("_", "-")


class Right(NamedTuple):
    """One thing a user must be allowed.

    name: of the resource; of all whose names begin so where it is `prefixed`; `*`: of all there are.
    examples: names that will be used, to ask about where `name` is none itself; empty: `name` is one.
    """

    operation: Operation
    resource: Resource
    name: str
    prefixed: bool = False
    examples: tuple[str, ...] = ()

    def __str__(self) -> str:
        begin = " beginning with" if self.prefixed else ""
        return f"{self.operation.word} on {self.resource.word}{begin} {self.name}"

    def options(self) -> str:
        """As options of `kafka-acls --add`."""
        pattern = " --resource-pattern-type prefixed" if self.prefixed else ""
        return f"--operation {self.operation.word} --{self.resource.word} {shlex.quote(self.name)}{pattern}"


def principal(client_options: Mapping[str, Any]) -> str:
    """Whom the cluster takes a client with these options for, as far as this side knows, in the words of its ACLs."""
    user = client_options.get("sasl_plain_username")
    if user is not None:
        return f"User:{user}"
    return "User:NAME" if client_options.get("ssl_context") is None else "User:<the certificate's subject>"


def missing_right(right: Right, client_options: Mapping[str, Any]) -> UserError:
    """The error of a command whose user lacks a right."""
    who = principal(client_options)
    return UserError(
        "missing-rights",
        f"{right.resource.word} {right.name}",
        f"{who} has no right to {right.operation.word} it",
        f"kafka-acls --add --allow-principal '{who}' {right.options()}; {HELP}",
    )


async def require(
    admin: AIOKafkaAdminClient, client_options: Mapping[str, Any], needed: Iterable[Right]
) -> None:
    """Ask the cluster whether this client has these rights.

    Raises UserErrors with a `missing-rights` for each it lacks; of a topic that is hidden from it, for those that would
    show it. A cluster without an authorizer allows everything; one that does not tell (before Kafka 2.3) is not asked
    further. A topic that does not exist is no error here.
    """
    needed = list(needed)
    missing = await _missing_on_topics(admin, [each for each in needed if each.resource is Resource.TOPIC])
    for right in needed:
        if right.resource is Resource.GROUP and not await _may_use_groups(admin, right):
            missing.append(right)
        if right.resource is Resource.TRANSACTIONAL_ID and not await _may_use_transactions(admin, right):
            missing.append(right)
    if missing:
        raise UserErrors([missing_right(right, client_options) for right in missing])


async def _missing_on_topics(admin: AIOKafkaAdminClient, needed: list[Right]) -> list[Right]:
    names = sorted({name for right in needed for name in _names(right)})
    if not names:
        return []
    try:
        answer = await admin._send_request(_TopicsRequest(names))  # noqa: SLF001  its public calls do not ask for this
    except NotImplementedError:
        return []
    hidden: set[str] = set()
    allowed: dict[str, int] = {}
    for error_code, name, _, _, operations in answer.topics:
        if error_code in (0, UnknownTopicOrPartitionError.errno):
            allowed[name] = operations
        elif error_code == TopicAuthorizationFailedError.errno:
            hidden.add(name)
    showing = [
        right for right in needed if right.operation in _SHOWING and hidden.intersection(_names(right))
    ]
    shown_by = {name for right in showing for name in _names(right)}
    return [
        right
        for right in needed
        if right in showing
        or any(name in hidden and name not in shown_by for name in _names(right))
        or not all(
            name not in allowed
            or _has(allowed[name], right.operation)
            # Who may create in the whole cluster may create this one.
            or (
                right.operation is Operation.CREATE
                and _has(answer.cluster_authorized_operations, right.operation)
            )
            for name in _names(right)
        )
    ]


def _names(right: Right) -> tuple[str, ...]:
    return right.examples or (right.name,)


async def _may_use_groups(admin: AIOKafkaAdminClient, right: Right) -> bool:
    for group in _names(right):
        try:
            coordinator = await admin.find_coordinator(group)
            answer = await admin._send_request(_GroupRequest(group), coordinator)  # noqa: SLF001  as above
        except GroupAuthorizationFailedError:
            return False
        except (NotImplementedError, *_NOT_YET):
            # Rights are looked at first.
            continue
        ((error_code, *_, operations),) = answer.groups
        if not error_code and not _has(operations, right.operation):
            return False
    return True


async def _may_use_transactions(admin: AIOKafkaAdminClient, right: Right) -> bool:
    """Whether it may be described, which Write implies; that it may be written shows when it is."""
    for name in _names(right):
        try:
            await admin.find_coordinator(name, _TRANSACTION)
        except TransactionalIdAuthorizationFailed:
            return False
        except _NOT_YET:
            continue
    return True


_SHOWING = (Operation.READ, Operation.WRITE, Operation.DELETE, Operation.DESCRIBE)
"""What lets a user see a topic; without any of them the cluster does not tell of the others either."""

_NOT_YET = (CoordinatorNotAvailableError, CoordinatorLoadInProgressError, NotCoordinatorError)
_TRANSACTION = 1
_NOT_TOLD = -(2**31)


def _has(operations: int, operation: Operation) -> bool:
    return operations == _NOT_TOLD or bool(operations >> operation & 1)


class _TopicsResponse(Response):
    """Metadata, version 8: the first that tells what the client may do."""

    API_KEY = 3
    API_VERSION = 8
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "brokers",
            Array(
                ("node_id", Int32),
                ("host", String("utf-8")),
                ("port", Int32),
                ("rack", String("utf-8")),
            ),
        ),
        ("cluster_id", String("utf-8")),
        ("controller_id", Int32),
        (
            "topics",
            Array(
                ("error_code", Int16),
                ("topic", String("utf-8")),
                ("is_internal", Boolean),
                (
                    "partitions",
                    Array(
                        ("error_code", Int16),
                        ("partition", Int32),
                        ("leader", Int32),
                        ("leader_epoch", Int32),
                        ("replicas", Array(Int32)),
                        ("isr", Array(Int32)),
                        ("offline_replicas", Array(Int32)),
                    ),
                ),
                ("topic_authorized_operations", Int32),
            ),
        ),
        ("cluster_authorized_operations", Int32),
    )


class _TopicsRequestStruct(RequestStruct):
    API_KEY = 3
    API_VERSION = 8
    RESPONSE_TYPE = _TopicsResponse
    SCHEMA = Schema(
        ("topics", Array(String("utf-8"))),
        ("allow_auto_topic_creation", Boolean),
        ("include_cluster_authorized_operations", Boolean),
        ("include_topic_authorized_operations", Boolean),
    )


class _TopicsRequest(Request[_TopicsRequestStruct]):
    API_KEY = 3

    def __init__(self, topics: list[str]) -> None:
        self._topics = topics

    def build(self, request_struct_class: type[_TopicsRequestStruct]) -> _TopicsRequestStruct:
        return request_struct_class(self._topics, False, True, True)


class _GroupRequestStruct(RequestStruct):
    """aiokafka's own reads the answer of this version as that of the one before, without the operations."""

    API_KEY = 15
    API_VERSION = 3
    RESPONSE_TYPE = DescribeGroupsResponse_v3
    SCHEMA = DescribeGroupsRequest_v3.SCHEMA


class _GroupRequest(Request[_GroupRequestStruct]):
    API_KEY = 15

    def __init__(self, group: str) -> None:
        self._group = group

    def build(self, request_struct_class: type[_GroupRequestStruct]) -> _GroupRequestStruct:
        return request_struct_class([self._group], True)
