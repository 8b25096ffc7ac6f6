"""Requests of Kafka's protocol that aiokafka lacks: those of the second version of transactions (KIP-890).

In it a partition joins the transaction by being written to, without a request of its own, and each end of a transaction
gives the producer a new epoch, so that nothing late can get into the next one. Brokers have it since Kafka 4.0, where
the cluster's feature `transaction.version` is 2.
"""

from __future__ import annotations

import io
import struct
from typing import TYPE_CHECKING, Any

from aiokafka.protocol.api import Request, RequestStruct, Response, ResponseHeader_v0
from aiokafka.protocol.types import (
    Boolean,
    CompactArray,
    CompactBytes,
    CompactString,
    Int16,
    Int32,
    Int64,
    Schema,
    TaggedFields,
    UnsignedVarInt32,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Records = Mapping[str, Sequence[tuple[int, bytes | bytearray]]]
    """Record batches by topic: (partition, one batch)."""

FEATURE = "transaction.version"
_FINALIZED_FEATURES = 2
_NO_TAGS = b"\0"


class ProduceResponse_v12(Response):  # noqa: N801  as aiokafka names them
    """What became of each batch."""

    API_KEY = 0
    API_VERSION = 12
    SCHEMA = Schema(
        (
            "topics",
            CompactArray(
                ("topic", CompactString()),
                (
                    "partitions",
                    CompactArray(
                        ("partition", Int32),
                        ("error_code", Int16),
                        ("offset", Int64),
                        ("timestamp", Int64),
                        ("log_start_offset", Int64),
                        (
                            "record_errors",
                            CompactArray(
                                ("batch_index", Int32),
                                ("batch_index_error_message", CompactString()),
                                ("tags", TaggedFields),
                            ),
                        ),
                        ("error_message", CompactString()),
                        ("tags", TaggedFields),
                    ),
                ),
                ("tags", TaggedFields),
            ),
        ),
        ("throttle_time_ms", Int32),
        ("tags", TaggedFields),
    )


class ProduceRequest_v12(RequestStruct):  # noqa: N801
    """One batch for each of some partitions, acknowledged by all in-sync copies."""

    API_KEY = 0
    API_VERSION = 12
    FLEXIBLE_VERSION = True
    RESPONSE_TYPE = ProduceResponse_v12
    SCHEMA = Schema(
        ("transactional_id", CompactString()),
        ("required_acks", Int16),
        ("timeout", Int32),
        (
            "topics",
            CompactArray(
                ("topic", CompactString()),
                (
                    "partitions",
                    CompactArray(("partition", Int32), ("messages", CompactBytes), ("tags", TaggedFields)),
                ),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )

    def encode(self) -> bytes:
        """As by the schema, but each batch is copied once, where that copies it at every level."""
        text, size = CompactString().encode, UnsignedVarInt32.encode
        parts = [
            text(self.transactional_id),
            struct.pack(">hi", self.required_acks, self.timeout),
            size(len(self.topics) + 1),
        ]
        for topic, partitions, _ in self.topics:
            parts += (text(topic), size(len(partitions) + 1))
            for partition, records, _ in partitions:
                parts += (struct.pack(">i", partition), size(len(records) + 1), records, _NO_TAGS)
            parts.append(_NO_TAGS)
        parts.append(_NO_TAGS)
        return b"".join(parts)


class ProduceInTransaction(Request[ProduceRequest_v12]):
    """Write batches, which makes their partitions part of the transaction."""

    API_KEY = 0

    def __init__(self, transactional_id: str, timeout_ms: int, records: Records) -> None:
        self._transactional_id = transactional_id
        self._timeout_ms = timeout_ms
        self._records = records

    def build(self, request_struct_class: type[ProduceRequest_v12]) -> ProduceRequest_v12:
        """Called by aiokafka when the broker's versions are known."""
        topics: list[Any] = [
            (topic, [(partition, records, {}) for partition, records in partitions], {})
            for topic, partitions in self._records.items()
        ]
        return request_struct_class(self._transactional_id, -1, self._timeout_ms, topics, {})


class EndTxnResponse_v5(Response):  # noqa: N801
    """The producer's id and epoch from here on."""

    API_KEY = 26
    API_VERSION = 5
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        ("error_code", Int16),
        ("producer_id", Int64),
        ("producer_epoch", Int16),
        ("tags", TaggedFields),
    )


class EndTxnRequest_v5(RequestStruct):  # noqa: N801
    """Commit, or abort."""

    API_KEY = 26
    API_VERSION = 5
    FLEXIBLE_VERSION = True
    RESPONSE_TYPE = EndTxnResponse_v5
    SCHEMA = Schema(
        ("transactional_id", CompactString()),
        ("producer_id", Int64),
        ("producer_epoch", Int16),
        ("transaction_result", Boolean),
        ("tags", TaggedFields),
    )


class EndTransaction(Request[EndTxnRequest_v5]):
    """Commit or abort the transaction under way."""

    API_KEY = 26

    def __init__(self, transactional_id: str, producer_id: int, producer_epoch: int, *, commit: bool) -> None:
        self._fields: tuple[Any, ...] = (transactional_id, producer_id, producer_epoch, commit, {})

    def build(self, request_struct_class: type[EndTxnRequest_v5]) -> EndTxnRequest_v5:
        """Called by aiokafka when the broker's versions are known."""
        return request_struct_class(*self._fields)


class ApiVersionsResponse_v3(Response):  # noqa: N801
    """What the broker speaks, and the features its cluster has agreed on, among the tags."""

    API_KEY = 18
    API_VERSION = 3
    SCHEMA = Schema(
        ("error_code", Int16),
        (
            "api_versions",
            CompactArray(
                ("api_key", Int16), ("min_version", Int16), ("max_version", Int16), ("tags", TaggedFields)
            ),
        ),
        ("throttle_time_ms", Int32),
        ("tags", TaggedFields),
    )


class ApiVersionsRequest_v3(RequestStruct):  # noqa: N801
    """Who asks is part of it."""

    API_KEY = 18
    API_VERSION = 3
    FLEXIBLE_VERSION = True
    RESPONSE_TYPE = ApiVersionsResponse_v3
    SCHEMA = Schema(("name", CompactString()), ("version", CompactString()), ("tags", TaggedFields))

    def parse_response_header(self, read_buffer: Any) -> ResponseHeader_v0:
        """The old header, also of this version: who asks does not know yet what the broker speaks."""
        header: ResponseHeader_v0 = ResponseHeader_v0.decode(read_buffer)
        return header


class Features(Request[ApiVersionsRequest_v3]):
    """Ask a broker for the features of its cluster."""

    API_KEY = 18

    def build(self, request_struct_class: type[ApiVersionsRequest_v3]) -> ApiVersionsRequest_v3:
        """Called by aiokafka when the broker's versions are known."""
        return request_struct_class("reengage", "1", {})


_FEATURES = CompactArray(
    ("name", CompactString()), ("max_level", Int16), ("min_level", Int16), ("tags", TaggedFields)
)


def feature_level(response: ApiVersionsResponse_v3, name: str) -> int:
    """The level of a feature that the cluster has agreed on; 0 where it has none."""
    found = response.tags.get(_FINALIZED_FEATURES)
    levels = {} if found is None else {each[0]: each[1] for each in _FEATURES.decode(io.BytesIO(found)) or []}
    level: int = levels.get(name, 0)
    return level
