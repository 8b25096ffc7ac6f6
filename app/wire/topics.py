"""The topics of contract 2 as `topics/*.toml` declare them, and the order in which their records are merged.

All of them use LogAppendTime. Inputs must: their records may carry event times of long ago, which a retention in days
would delete at once, and the append time is what contract 5 merges by. Outputs do too, although they have an event
time of their own (`occurred_at`): a broker refuses a CreateTime more than an hour ahead of its clock, which a replay
into the future or a dead letter may have, and append times on both sides tell how long a decision took.
"""

import tomllib
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args

import msgspec

from app.domain.errors import UserError, UserErrors

JOURNAL = "internal-journal"
REROUTED = "internal-rerouted"
DESK_REROUTED = "internal-desk-rerouted"
COMPANIES_REROUTED = "internal-companies-rerouted"
REROUTES = (REROUTED, DESK_REROUTED, COMPANIES_REROUTED)
"""Where records wait that lay in another partition than their key's; each processor reads one of its own."""

INPUTS_IN_ORDER: tuple[str, ...] = (
    "command",
    "profile",
    "company",
    "capacity",
    "campaign",
    "engagement",
    "transfer",
    "score",
    "activity",
)
"""All input topics, in the order of their rank."""

MEMBER_INPUTS: tuple[str, ...] = tuple(
    name for name in INPUTS_IN_ORDER if name not in {"company", "capacity"}
)
"""The input topics keyed by member_id, in the order of their rank."""

CROSSINGS: tuple[str, ...] = (
    COMPANIES_REROUTED,
    "internal-company-up",
    "internal-company-wait",
    DESK_REROUTED,
    "internal-digest-item",
    "internal-member-moved",
    REROUTED,
    "internal-transfer-answer",
    "internal-transfer-queued",
    "internal-transfer-withdrawn",
)
"""The internal topics that processors read as inputs, in the order of their rank."""

RANK: dict[str, int] = {name: rank for rank, name in enumerate((*CROSSINGS, *INPUTS_IN_ORDER))}
"""Topic rank of contract 5, by name without prefix: of two records appended in one millisecond, the lower goes first."""


Processor = Literal["members", "companies", "desk", "digests"]

PROCESSORS: tuple[str, ...] = get_args(Processor)
"""Names of the processors, as topics and the journal have them."""


@dataclass(frozen=True)
class Topic:
    """One declared topic.

    Attributes:
        name: without prefix.
        description: one sentence for people.
        role: `input`: written by other systems; `output`: for them; `internal`: neither.
        processor: the processor that reads or keeps it (for an output, the one that writes it): its partition p is the
            topic's partition p, so all topics of a processor have equally many.
        key: what the record key is, in words.
        schema: name of the record, None for a changelog, whose bytes are the worker's own.
        partitions: how many it is created with, unless told otherwise.
        cleanup_policy, retention_ms, delete_retention_ms, timestamp_type: Kafka's; retention -1 is for ever, and
            `delete_retention_ms`, how long a tombstone can still be read, is only there for a compacted topic.
    """

    name: str
    description: str
    role: Literal["input", "output", "internal"]
    processor: Processor
    key: str
    partitions: int
    cleanup_policy: Literal["delete", "compact"]
    retention_ms: int
    timestamp_type: Literal["LogAppendTime", "CreateTime"]
    schema: str | None = None
    delete_retention_ms: int | None = None

    def full_name(self, prefix: str) -> str:
        """Its name in Kafka under REENGAGE_TOPIC_PREFIX."""
        return prefix + self.name

    def configs(self) -> dict[str, str]:
        """What it must be set to in Kafka, by Kafka's names; anything else is left to the cluster."""
        configs = {
            "cleanup.policy": self.cleanup_policy,
            "retention.ms": str(self.retention_ms),
            "message.timestamp.type": self.timestamp_type,
        }
        if self.retention_ms == -1:
            # For ever is for ever: a cluster's default limit in bytes would delete too.
            configs["retention.bytes"] = "-1"
        if self.delete_retention_ms is not None:
            configs["delete.retention.ms"] = str(self.delete_retention_ms)
        return configs


def changelog_of(processor: str) -> str:
    """Name of the topic that keeps a processor's state."""
    return f"internal-{processor}-changelog"


def topics_folder() -> Path:
    """Where the declarations lie: in the installed package, or beside it in a checkout."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "_data" / "topics"
    return installed if installed.is_dir() else package.parent / "topics"


def load_topics(folder: Path | None = None) -> dict[str, Topic]:
    """All declared topics by name, sorted; a file's stem is its topic's name.

    Reads files, each folder once. Raises UserErrors with one `bad-topic-file` for each file that cannot be used.
    """
    return dict(_load(folder or topics_folder()))


@cache
def _load(folder: Path) -> dict[str, Topic]:
    topics, errors = {}, []
    for path in sorted(folder.glob("*.toml")):
        try:
            topics[path.stem] = _read(path)
        except (ValueError, msgspec.ValidationError) as error:
            errors.append(UserError("bad-topic-file", str(path), str(error), "see the other files beside it"))
    if errors:
        raise UserErrors(errors)
    return topics


def _read(path: Path) -> Topic:
    declared: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    unknown = declared.keys() - {field.name for field in fields(Topic)} | declared.keys() & {"name"}
    if unknown:
        raise ValueError(f"has unknown keys: {', '.join(sorted(unknown))}")
    topic = msgspec.convert(declared | {"name": path.stem}, Topic)
    if topic.partitions < 1:
        raise ValueError("partitions must be at least 1")
    if (topic.cleanup_policy == "compact") != (topic.delete_retention_ms is not None):
        raise ValueError("delete_retention_ms belongs to cleanup_policy compact, and to no other")
    return topic
