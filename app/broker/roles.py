"""Who needs which rights on the cluster: the rights of each command, as few as will do (docs/security.md).

Pure; the topics are those declared in `topics/`. `Role`s are what an administrator grants. Commands ask for their own
share of them before they begin (`rights.require`).
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from app.broker.rights import Operation, Resource, Right
from app.domain.events import Activity
from app.wire.topics import CROSSINGS, INPUTS_IN_ORDER, JOURNAL, PROCESSORS, RANK, changelog_of, load_topics

OUTPUTS: tuple[str, ...] = tuple(name for name, topic in load_topics().items() if topic.role == "output")
CHANGELOGS: tuple[str, ...] = tuple(changelog_of(processor) for processor in sorted(PROCESSORS))


@dataclass(frozen=True)
class Names:
    """What the names of resources are made from: REENGAGE_APP, REENGAGE_TOPIC_PREFIX, and the prefix of a replay."""

    app: str
    prefix: str
    into: str = "replay-1-"


@dataclass(frozen=True)
class Role:
    """Rights that are granted together.

    Attributes:
        name: as in the documents.
        commands: those it suffices for.
        about: who has it, in one sentence.
        rights: all of them.
    """

    name: str
    commands: tuple[str, ...]
    about: str
    rights: Callable[[Names], list[Right]]


def on_topics(operation: Operation, topics: Iterable[str], prefix: str) -> list[Right]:
    """The same right on each of these topics, by the contract's names."""
    return [Right(operation, Resource.TOPIC, prefix + topic) for topic in topics]


def worker_rights(names: Names, *, exactly_once: bool = True) -> list[Right]:
    """What `worker` needs: read the inputs, write the outputs, both with what is internal, and see all settings."""
    rights = [
        *on_topics(Operation.READ, (*INPUTS_IN_ORDER, *CROSSINGS, *CHANGELOGS), names.prefix),
        *on_topics(Operation.WRITE, (*OUTPUTS, *CROSSINGS, *CHANGELOGS, JOURNAL), names.prefix),
        *on_topics(Operation.DESCRIBE_CONFIGS, load_topics(), names.prefix),
        Right(Operation.READ, Resource.GROUP, names.app),
    ]
    if exactly_once:
        ids = tuple(f"{names.app}-{processor}-0" for processor in sorted(PROCESSORS))
        rights.append(
            Right(Operation.WRITE, Resource.TRANSACTIONAL_ID, f"{names.app}-", prefixed=True, examples=ids)
        )
    return rights


def settings_rights(names: Names) -> list[Right]:
    """What it takes to see the topics and their settings: `topics diff`, and `topics apply` to begin with."""
    operations = (Operation.DESCRIBE, Operation.DESCRIBE_CONFIGS)
    return [right for operation in operations for right in on_topics(operation, load_topics(), names.prefix)]


def target_rights(into: str, topics: Iterable[str], app: str) -> list[Right]:
    """What a replay needs under its prefix, where it creates `topics` and writes and reads them."""
    examples = tuple(into + topic for topic in topics)
    operations = (Operation.CREATE, Operation.DESCRIBE_CONFIGS, Operation.READ, Operation.WRITE)
    replays = f"{app}-replay-"
    return [
        *(Right(each, Resource.TOPIC, into, prefixed=True, examples=examples) for each in operations),
        Right(
            Operation.WRITE,
            Resource.TRANSACTIONAL_ID,
            replays,
            prefixed=True,
            examples=(f"{replays}{into}",),
        ),
    ]


def replayer_rights(names: Names, *, diff: bool = True) -> list[Right]:
    """What `replay` needs; the live outputs are read only to compare."""
    return [
        *on_topics(Operation.READ, (*RANK, JOURNAL), names.prefix),
        *on_topics(Operation.READ if diff else Operation.DESCRIBE, OUTPUTS, names.prefix),
        *on_topics(Operation.DESCRIBE, CHANGELOGS, names.prefix),
        *target_rights(names.into, (*OUTPUTS, JOURNAL, *CHANGELOGS), names.app),
    ]


def promoter_rights(names: Names) -> list[Right]:
    """What `replay --promote` needs besides: it writes what a worker does, deletes the old, and sees who reads it."""
    ids = tuple(f"{names.app}-{processor}-0" for processor in sorted(PROCESSORS))
    others = (f"{names.app}-readers",)
    return [
        *on_topics(Operation.READ, CHANGELOGS, names.prefix),
        *on_topics(Operation.WRITE, (*OUTPUTS, *CHANGELOGS, JOURNAL), names.prefix),
        *on_topics(Operation.DELETE, OUTPUTS, names.prefix),
        Right(Operation.DESCRIBE, Resource.GROUP, "*", examples=(names.app, *others)),
        Right(Operation.WRITE, Resource.TRANSACTIONAL_ID, f"{names.app}-", prefixed=True, examples=ids),
    ]


def _admin_rights(names: Names) -> list[Right]:
    changes = (Operation.CREATE, Operation.ALTER_CONFIGS)
    return [
        *on_topics(Operation.DESCRIBE, load_topics(), names.prefix),
        *(right for each in changes for right in on_topics(each, load_topics(), names.prefix)),
    ]


def _producer_rights(names: Names) -> list[Right]:
    return on_topics(Operation.WRITE, INPUTS_IN_ORDER, names.prefix)


def _reader_rights(names: Names) -> list[Right]:
    return on_topics(Operation.READ, (*OUTPUTS, Activity.topic), names.prefix)


def _explainer_rights(names: Names) -> list[Right]:
    return on_topics(Operation.READ, (*RANK, JOURNAL), names.prefix)


ROLES: tuple[Role, ...] = (
    Role(
        "worker",
        ("worker",),
        "The service. With `REENGAGE_GUARANTEE=at_least_once` it needs no transactional id.",
        worker_rights,
    ),
    Role(
        "admin",
        ("topics apply", "topics diff"),
        "Who sets Reengage up. `topics diff` alone needs Describe and DescribeConfigs, which AlterConfigs implies.",
        _admin_rights,
    ),
    Role(
        "producer",
        ("produce",),
        "Who sends events. A system that writes a single input with its own client needs Write on that one only.",
        _producer_rights,
    ),
    Role(
        "reader",
        ("tail", "caseload", "failed-transfers", "engagements", "outcomes"),
        "Who reads what was decided. Only `outcomes` needs `activity`, for its page records and what became of nudges.",
        _reader_rights,
    ),
    Role(
        "explainer",
        ("explain", "tail --inputs"),
        "Who asks why. The inputs hold addresses and whatever else profiles carry, so this is not the reader's.",
        _explainer_rights,
    ),
    Role(
        "replayer",
        ("replay", "replay --diff"),
        "Who decides history again, here with `--into replay-1-`. Nothing of what is live can be written with it.",
        replayer_rights,
    ),
    Role(
        "promoter",
        ("replay --promote",),
        "Who makes a replay the live one. Besides what a replayer has; for the time it takes.",
        promoter_rights,
    ),
)
