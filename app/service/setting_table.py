"""Every setting (contract 9): one table feeds reading, validation, `reengage settings` and the documents."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import platformdirs

from app.service import setting_kinds as kinds

PREFIX = "REENGAGE_"


@dataclass(frozen=True)
class Setting:
    """One row of the table.

    Attributes:
        name: as in the environment.
        default: as it would be written; None where leaving it out has a meaning of its own, said in `unset`.
        kind: how its text is read and shown.
        help: one line.
        unset: what holds without a value, for people; empty when there is a default.
        fallback: makes the value on this machine where there is none and no default could be written down.
    """

    name: str
    default: str | None
    kind: kinds.Kind
    help: str
    unset: str = ""
    fallback: Callable[[], Any] | None = None

    @property
    def attribute(self) -> str:
        """Its name on `Settings`; a duration and a size carry their unit there."""
        stem = self.name.removeprefix(PREFIX).lower()
        if self.kind is kinds.SIZE:
            return f"{stem}_bytes"
        return f"{stem}_ms" if self.kind is kinds.DURATION else stem

    @property
    def secret(self) -> bool:
        """Whether its value is never shown."""
        return self.kind is kinds.SECRET


SETTINGS: tuple[Setting, ...] = (
    Setting(
        "REENGAGE_BROKER",
        None,
        kinds.SERVERS,
        "Bootstrap servers of the Kafka cluster",
        "the broker kept by `reengage broker start`, if it runs",
    ),
    Setting(
        "REENGAGE_SECURITY_PROTOCOL",
        "PLAINTEXT",
        kinds.one_of("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"),
        "How the brokers are spoken to",
    ),
    Setting(
        "REENGAGE_SASL_MECHANISM",
        None,
        kinds.one_of("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"),
        "How a client proves who it is, with SASL_PLAINTEXT or SASL_SSL",
        "none",
    ),
    Setting("REENGAGE_SASL_USERNAME", None, kinds.TEXT, "User name for SASL", "none"),
    Setting("REENGAGE_SASL_PASSWORD", None, kinds.SECRET, "Password for SASL", "none"),
    Setting(
        "REENGAGE_SSL_CAFILE",
        None,
        kinds.FILE,
        "Certificates of the authorities that vouch for the brokers (PEM)",
        "those of this system",
    ),
    Setting(
        "REENGAGE_SSL_CERTFILE",
        None,
        kinds.FILE,
        "Client certificate for mutual TLS (PEM; may hold the key too)",
        "none",
    ),
    Setting("REENGAGE_SSL_KEYFILE", None, kinds.FILE, "Key of the client certificate (PEM)", "none"),
    Setting("REENGAGE_SSL_KEY_PASSWORD", None, kinds.SECRET, "Password of that key", "none: it has none"),
    Setting(
        "REENGAGE_SCHEMA_REGISTRY",
        None,
        kinds.URL,
        "URL of a schema registry; switches the written encoding to Confluent's",
        "none: Avro single-object encoding",
    ),
    Setting(
        "REENGAGE_APP",
        "reengage",
        kinds.KAFKA_NAME,
        "Consumer group, client id, and prefix of every transactional id",
    ),
    Setting("REENGAGE_TOPIC_PREFIX", "", kinds.KAFKA_NAME, "Prefix of every topic"),
    Setting(
        "REENGAGE_PLAYBOOKS",
        None,
        kinds.EXISTING_FOLDER,
        "Folder of playbooks and policy.toml",
        "the shipped set",
    ),
    Setting(
        "REENGAGE_DATA",
        None,
        kinds.FOLDER,
        "State folder; one worker at a time holds it",
        "a per-user data folder",
        lambda: platformdirs.user_data_path("reengage", appauthor=False),
    ),
    Setting(
        "REENGAGE_GUARANTEE",
        "exactly_once",
        kinds.one_of("exactly_once", "at_least_once"),
        "What a crash may do to outputs: nothing, or repeat some with the same sequence",
    ),
    Setting(
        "REENGAGE_GRACE",
        "2s",
        kinds.DURATION,
        "How far a partition's time must pass a silent member's timer before it fires",
    ),
    Setting(
        "REENGAGE_IDLE",
        "10s",
        kinds.DURATION,
        "How long after the last old record history counts as being loaded, so that the wall clock moves no time",
    ),
    Setting(
        "REENGAGE_STANDBYS",
        "1",
        kinds.count(0, 9),
        "How many other workers keep a copy of each partition's state, ready to take over; 0: restored when taken over",
    ),
    Setting(
        "REENGAGE_CACHED_STATES",
        "200000",
        kinds.count(1, 100_000_000),
        "Decoded states kept in memory, of each processor; about 1.5 KB each, 50,000 of a partition at most",
    ),
    Setting(
        "REENGAGE_BLOCK_CACHE",
        "64MiB",
        kinds.SIZE,
        "Blocks of stored states that RocksDB keeps in memory, for all partitions and standbys together",
    ),
    Setting(
        "REENGAGE_WRITE_BUFFERS",
        "128MiB",
        kinds.SIZE,
        "Written states that RocksDB gathers in memory before it writes files, for all partitions and standbys together",
    ),
)
