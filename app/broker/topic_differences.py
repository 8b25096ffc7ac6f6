"""How the topics in Kafka differ from the declared ones: pure comparison, no Kafka."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from app.domain.errors import TopicError
from app.wire.topics import Topic

MEMBERS = "members"
MISSING = "missing"
PARTITIONS = "partitions"
MIN_IN_SYNC = "min.insync.replicas"
# Inputs cannot be had again, so deleting is only for a topic in which there is nothing.
_OTHER_TOPICS = (
    "the number cannot change any more, or keys would be parted from their state: make topics under another"
    " REENGAGE_TOPIC_PREFIX with `reengage topics apply`, and produce the events again there; only a topic into which"
    " nothing was ever written can be deleted and made anew instead"
)


@dataclass(frozen=True)
class Found:
    """A topic as Kafka has it.

    Attributes:
        partitions: how many.
        configs: every setting that holds for it, by Kafka's name.
        own: those of them that were set for this topic, and are no default of the cluster.
        copies: of each of its records, its own among them.
    """

    partitions: int
    configs: Mapping[str, str]
    own: Mapping[str, str]
    copies: int = 1


@dataclass(frozen=True)
class Difference:
    """One thing that is not as declared.

    Attributes:
        topic: full name, with prefix.
        setting: `missing`, `partitions`, or Kafka's name of a setting such as `retention.ms`.
        declared: what it should be; of a missing topic, how many partitions it would get.
        actual: what it is; empty for a missing topic.
    """

    topic: str
    setting: str
    declared: str
    actual: str

    def error(self, partitions_hint: str = _OTHER_TOPICS) -> TopicError:
        """The difference as an error for the person who starts a worker; `partitions_hint`: what to do about a count."""
        if self.setting == MISSING:
            return missing_topic(self.topic)
        if self.setting == PARTITIONS:
            problem = f"there are {self.actual} partitions where {self.declared} are needed"
            return TopicError("partition-count", self.topic, problem, partitions_hint)
        return TopicError(
            "topic-setting",
            f"{self.topic}: {self.setting}",
            f"is {self.actual}, declared is {self.declared}",
            "set it with `reengage topics apply`",
        )


def missing_topic(topic: str) -> TopicError:
    """The error of a command that meets a topic which is not there; `topic`: its full name."""
    return TopicError(
        "missing-topic",
        topic,
        "there is no such topic",
        "`reengage topics apply` makes it; if it was made before, REENGAGE_TOPIC_PREFIX is not that of then",
    )


def count_kept_hint(asked: int, differences: Iterable[Difference]) -> str:
    """What to do where a person asked for `asked` partitions of topics that have others: to keep what there is."""
    counts = {each.actual for each in differences if each.setting == PARTITIONS}
    there_are = f", or give {counts.pop()}, which is what there is" if len(counts) == 1 else ""
    return (
        f"leave --partitions out{there_are}: the number cannot change any more;"
        f" topics with {asked} can be made under another REENGAGE_TOPIC_PREFIX"
    )


def compare(
    topics: Iterable[Topic], prefix: str, found: Mapping[str, Found], asked: int | None = None
) -> list[Difference]:
    """All differences, by topic name.

    `found` holds what exists, by full name; other topics in it are ignored. `asked` is the partition count a person
    asked for. Without it the topics that exist decide, since no count can be changed: one declared with 4 partitions
    is right with 12 if those of its processor have 12.
    """
    topics = sorted(topics, key=lambda topic: topic.name)
    needed = _needed_partitions(topics, prefix, found, asked)
    differences = []
    for topic in topics:
        name = topic.full_name(prefix)
        if name not in found:
            differences.append(Difference(name, MISSING, str(needed[topic.name]), ""))
            continue
        actual = found[name]
        if actual.partitions != needed[topic.name]:
            differences.append(Difference(name, PARTITIONS, str(needed[topic.name]), str(actual.partitions)))
        differences += [
            Difference(name, setting, declared, actual.configs.get(setting, "unknown"))
            for setting, declared in sorted(topic.configs().items())
            if actual.configs.get(setting) != declared
        ]
        in_sync = str(copies_in_sync(actual.copies))
        if int(actual.configs.get(MIN_IN_SYNC, in_sync)) < int(in_sync):
            differences.append(Difference(name, MIN_IN_SYNC, in_sync, actual.configs[MIN_IN_SYNC]))
    return differences


def copies_in_sync(copies: int) -> int:
    """How many of a topic's copies must have a record before its sender is told that it is kept, at least.

    Two of three: what is committed outlives the loss of any broker, and any broker may be away meanwhile. Of two copies
    one, or nothing could be written while one of both is away.
    """
    return 2 if copies > 2 else 1  # noqa: PLR2004  as said


def _needed_partitions(
    topics: list[Topic], prefix: str, found: Mapping[str, Found], asked: int | None
) -> dict[str, int]:
    """How many partitions each topic needs, by name: all of one processor equally many (contract 2).

    No processor may have more than that of the members has: they share its journal and its rerouted records, partition
    by partition.
    """
    if asked is not None:
        return {topic.name: asked for topic in topics}
    counts: dict[str, int] = {}
    for processor in sorted({topic.processor for topic in topics}, key=lambda name: name != MEMBERS):
        # Inputs first: where counts are split evenly, the side that others have written to decides.
        of_processor = sorted(
            (topic for topic in topics if topic.processor == processor),
            key=lambda topic: topic.role != "input",
        )
        existing = [
            found[name].partitions for topic in of_processor if (name := topic.full_name(prefix)) in found
        ]
        usual = Counter(existing).most_common(1)[0][0] if existing else None
        most = counts.get(MEMBERS)
        counts[processor] = usual or most or of_processor[0].partitions
        if most is not None:
            counts[processor] = min(counts[processor], most)
    return {topic.name: counts[topic.processor] for topic in topics}
