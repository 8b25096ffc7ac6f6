"""Where a replay goes: topics under a prefix of its own, and a folder that remembers how far it is."""

from __future__ import annotations

import asyncio
import re
import shutil
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec
from aiokafka.admin import NewTopic
from aiokafka.errors import KafkaTimeoutError, TopicAlreadyExistsError

from app.broker.topics import admin_client, find_topics
from app.domain.errors import UserError, UserErrors
from app.service.folder import held
from app.tools.replay.options import Run
from app.tools.replay.order import Order
from app.tools.topics import created_as, refused, usual_copies
from app.wire.instants import format_instant
from app.wire.topics import JOURNAL, Topic, changelog_of, load_topics

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from aiokafka.admin import AIOKafkaAdminClient

    from app.service.settings import Settings

RUN_FILE = "run.json"
SETTLED_S = 30.0
POLL_S = 0.05
_LEGAL = re.compile(r"[A-Za-z0-9._-]{1,150}")


def target_topics() -> dict[str, Topic]:
    """The topics a replay writes, by the contract's names: outputs, its journal, and where it keeps its positions."""
    declared = load_topics()
    positions = {changelog_of(topic.processor) for topic in declared.values()}
    return {
        name: topic
        for name, topic in declared.items()
        if topic.role == "output" or name == JOURNAL or name in positions
    }


def check_prefix(into: str, live: str) -> None:
    """Raises UserError `bad-prefix` for one that topics cannot have, `live-prefix` for that of the live topics."""
    if not _LEGAL.fullmatch(into):
        hint = "letters, digits, dots, dashes and underscores, 150 at most: --into replay-1-"
        raise UserError("bad-prefix", f"--into {into!r}", "is no prefix of topic names", hint)
    if into == live:
        hint = "name another: a replay never writes the live topics"
        raise UserError("live-prefix", f"--into {into}", "is the prefix of the live topics", hint)


class Place:
    """The folder of one replay, held by this process."""

    def __init__(self, folder: Path, into: str) -> None:
        self.folder = folder
        self.into = into

    @property
    def states(self) -> Path:
        """Where the states lie."""
        return self.folder / "states"

    def run(self) -> Run | None:
        """What the folder remembers; None when no replay has begun here."""
        try:
            return msgspec.json.decode((self.folder / RUN_FILE).read_bytes(), type=Run)
        except FileNotFoundError:
            return None
        except msgspec.DecodeError as error:
            hint = "remove the folder and the topics under the prefix, or choose another prefix"
            raise UserError("replay-folder", str(self.folder / RUN_FILE), "cannot be read", hint) from error

    def remember(self, run: Run) -> None:
        """Write it down, whole or not at all."""
        path = self.folder / RUN_FILE
        temporary = path.with_suffix(".new")
        temporary.write_bytes(msgspec.json.encode(run))
        temporary.replace(path)

    def clear(self) -> None:
        """Forget everything: the topics are gone, so the replay begins anew."""
        shutil.rmtree(self.states, ignore_errors=True)
        (self.folder / RUN_FILE).unlink(missing_ok=True)


@contextmanager
def held_place(settings: Settings, into: str) -> Iterator[Place]:
    """The place of the replay into a prefix, made if need be; no other process has it meanwhile.

    Raises UserError `replay-running` when another process is at it, `data-folder` when the folder cannot be written.
    """
    folder = settings.data / "replay" / into
    try:
        with held(folder):
            yield Place(folder, into)
    except UserError as error:
        if error.reference != "data-folder-in-use":
            raise
        hint = "wait for it, or choose another prefix"
        raise UserError("replay-running", f"--into {into}", "another process replays into it", hint) from None


async def prepare(settings: Settings, place: Place, wanted: Run, counts: Mapping[str, int]) -> Run:
    """Have the topics there, and the folder say what is being done; returns what it says.

    `counts`: partitions by topic, as the live ones have. Raises UserError `foreign-topics` when topics under the
    prefix are not of the replay this folder remembers, `other-replay` when that one was asked for differently.
    """
    topics = target_topics()
    async with admin_client(settings.client_options()) as admin:
        there = {name for name in await admin.list_topics() if name.startswith(place.into)}
        run = place.run()
        if run is not None and not there:
            place.clear()
            run = None
        _refuse_foreign(place, there, topics, known=run is not None)
        if run is None:
            place.clear()
            run = wanted
            place.remember(run)
        _refuse_other(place.into, run, wanted)
        await _create(admin, place.into, topics, counts)
    return run


def _refuse_foreign(place: Place, there: set[str], topics: Mapping[str, Topic], *, known: bool) -> None:
    ours = {place.into + name for name in topics}
    foreign = sorted(there - ours) if known else sorted(there)
    if foreign:
        more = f" and {len(foreign) - 1} more" if len(foreign) > 1 else ""
        problem = f"holds {foreign[0]}{more}, which no replay of this folder ({place.folder}) made"
        hint = "choose a prefix that no topic has; a replay is carried on from the machine that began it"
        raise UserError("foreign-topics", f"--into {place.into}", problem, hint)


def _shown(instant_ms: int | None) -> str:
    return "" if instant_ms is None else str(format_instant(instant_ms))


def _refuse_other(into: str, run: Run, wanted: Run) -> None:
    asked = {
        "the live topics' prefix": (run.source, wanted.source),
        "--order": (run.order.value, wanted.order.value),
        "--from": (_shown(run.since_ms), _shown(wanted.since_ms)),
        "--until": (_shown(run.until_ms), _shown(wanted.until_ms)),
        "playbooks": (run.playbooks_hash, wanted.playbooks_hash),
    }
    errors = [
        UserError(
            "other-replay",
            f"--into {into}: {name}",
            f"this replay was begun with {was or 'none'}, now it is {now or 'none'}",
            "ask for the same to carry it on, or choose another prefix",
        )
        for name, (was, now) in asked.items()
        if was != now
    ]
    if errors:
        raise UserErrors(errors)


async def _create(
    admin: AIOKafkaAdminClient, into: str, topics: Mapping[str, Topic], counts: Mapping[str, int]
) -> None:
    """Create what is missing, as declared, with as many partitions as the live ones have."""
    deadline = time.monotonic() + SETTLED_S
    while True:
        found = await find_topics(admin, into)
        missing = [topic for topic in topics.values() if topic.full_name(into) not in found]
        if not missing:
            return
        if time.monotonic() > deadline:
            raise KafkaTimeoutError("the topics of the replay did not appear")
        copies = await usual_copies(admin)
        answer = await admin.create_topics(
            [
                NewTopic(
                    topic.full_name(into), counts[topic.name], copies, topic_configs=created_as(topic, copies)
                )
                for topic in missing
            ]
        )
        for each in answer.to_object()["topic_errors"]:
            if each["error_code"] not in (0, TopicAlreadyExistsError.errno):
                raise refused(each["topic"], each["error_code"], each["error_message"])
        await asyncio.sleep(POLL_S)


def wanted_run(
    source: str, order: Order, since_ms: int | None, until_ms: int | None, playbooks_hash: str
) -> Run:
    """What a call asks for; in journal order the playbooks are the journal's, so they do not tell replays apart."""
    return Run(
        source=source,
        order=order,
        since_ms=since_ms,
        until_ms=until_ms,
        playbooks_hash=playbooks_hash if order is Order.EVENT_TIME else "",
    )
