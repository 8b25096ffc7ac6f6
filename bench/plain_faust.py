"""Plain Faust as a contender: the ordinary agent with a RocksDB table, one event at a time, doing the same job.

Run as a program it is the Faust worker. What it does not do, and Reengage does: remember event ids, take timers of
members whose events have stopped (here a silent member is looked at when its next event comes), keep a deadline
index, a journal, or a place to restart from that belongs to its outputs.
"""

from __future__ import annotations

import asyncio
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import faust
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import GroupCoordinatorNotAvailableError, NotCoordinatorForGroupError
from msgspec.structs import astuple

from app.broker.topics import admin_client
from app.domain.instants import iso_instant
from app.domain.outputs import MemberSnapshot, TagChanged, WorkflowOpened, WorkflowView
from app.service.settings import load_settings
from app.wire.codec import Codec
from bench.inactivity import Member, act
from bench.process import Contender
from bench.site import PARTITIONS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.domain.events import Activity
    from app.domain.outputs import AnyOutput
    from bench.inactivity import Effect
    from bench.site import Site

NAME = "plain Faust"
PLAYBOOK = "re-engager"
POLL_S = 0.25
PATIENCE_S = 120
SLOWEST_EVENTS_PER_S = 50


def drain(site: Site, events: int) -> Contender:
    """Run the Faust worker until its group has committed every event; returns the ended process. Blocks until then.

    Raises UserError `contender-failed` when it fails, or is slower than anything worth measuring.
    """
    command = [sys.executable, "-m", "bench.plain_faust", "--loop", "uvloop", "worker", "-l", "warn"]
    with Contender(site, [*command, "--without-web"]) as running:
        asyncio.run(_until_committed(site, running, PATIENCE_S + events / SLOWEST_EVENTS_PER_S))
        running.stop()
    return running


async def _until_committed(site: Site, running: Contender, timeout_s: float) -> None:
    """Faust has no end of its own: what it has committed is what it has done."""
    settings = site.settings
    places = [TopicPartition(f"{site.prefix}activity", number) for number in range(PARTITIONS)]
    consumer = AIOKafkaConsumer(**settings.client_options())
    await consumer.start()
    try:
        ends = {place: end for place, end in (await consumer.end_offsets(places)).items() if end}
    finally:
        await consumer.stop()
    deadline_s = time.monotonic() + timeout_s
    async with admin_client(settings.client_options()) as admin:
        while True:
            # A broker that has just started has no coordinator until its own topics are made.
            with suppress(GroupCoordinatorNotAvailableError, NotCoordinatorForGroupError):
                committed = await admin.list_consumer_group_offsets(settings.app)
                if all(place in committed and committed[place].offset >= end for place, end in ends.items()):
                    return
            running.check()
            if time.monotonic() > deadline_s:
                raise running.failed(f"was not done after {timeout_s:.0f} s")
            await asyncio.sleep(POLL_S)


def make_app() -> faust.App:
    """The Faust application of a site, from the environment the site gives."""
    settings = load_settings()
    prefix = settings.topic_prefix
    app = faust.App(
        settings.app,
        broker="kafka://" + ";".join(str(settings.broker).split(",")),
        store="rocksdb://",
        datadir=str(settings.data),
        processing_guarantee=settings.guarantee,
        topic_partitions=PARTITIONS,
        topic_replication_factor=1,
        consumer_auto_offset_reset="earliest",
    )
    codec = Codec()
    members = app.Table("members", partitions=PARTITIONS, options={"driver": "rocksdict"})
    activity_topic = _topic(app, f"{prefix}activity")
    topics = {
        record.topic: _topic(app, prefix + record.topic)
        for record in (TagChanged, WorkflowOpened, MemberSnapshot)
    }

    @app.agent(activity_topic)  # type: ignore[untyped-decorator]  # faust has no types
    async def reengage(stream: Any) -> None:
        """One activity after the other: state from the table, the rules, outputs sent, state back."""
        async for event in stream.events():
            activity = codec.decode("activity", event.key, event.value, int(event.message.timestamp * 1000))
            kept = members.get(activity.member_id)
            member = Member(*kept[:-1]) if kept else Member()
            sequence = kept[-1] if kept else 0
            effects = list(act(member, activity))
            for output in _outputs(activity, member, sequence, effects):
                await topics[output.topic].send(key=event.key, value=codec.encode(output))
            sequence += sum(effect.kind != MemberSnapshot.topic for effect in effects)
            members[activity.member_id] = [*astuple(member), sequence]

    return app


def _topic(app: faust.App, name: str) -> Any:
    return app.topic(name, key_serializer="raw", value_serializer="raw", partitions=PARTITIONS)


def _outputs(activity: Activity, member: Member, sequence: int, effects: list[Effect]) -> Iterator[AnyOutput]:
    """The records of contract 4 for what the rules brought about."""
    member_id = activity.member_id
    for effect in effects:
        if effect.kind == MemberSnapshot.topic:
            yield _page(member_id, member, effect.at_ms)
            continue
        sequence += 1
        common: dict[str, Any] = {
            "event_id": f"{member_id}/{sequence}",
            "sequence": sequence,
            "member_id": member_id,
            "occurred_at": effect.at_ms,
            "playbook": PLAYBOOK,
            "playbook_version": "1",
            "cause": activity.event_id,
            "reason": effect.reason,
        }
        if effect.kind == TagChanged.topic:
            yield TagChanged(tag="inactive", action=effect.what, **common)
        else:
            workflow_id = f"{PLAYBOOK}:{member_id}:1"
            context = {"activity": activity.type, "inactive_since": iso_instant(effect.since_ms)}
            yield WorkflowOpened(workflow_id=workflow_id, kind="reengager", context=context, **common)


def _page(member_id: str, member: Member, at_ms: int) -> MemberSnapshot:
    workflows = []
    if member.opened_ms is not None:
        workflow_id = f"{PLAYBOOK}:{member_id}:1"
        workflows = [
            WorkflowView(
                workflow_id=workflow_id,
                kind="reengager",
                reason="first_activity",
                opened_at=member.opened_ms,
            )
        ]
    return MemberSnapshot(
        member_id=member_id,
        occurred_at=at_ms,
        tags=["inactive"] if member.tag_ms is not None else [],
        inactive_since=member.tag_ms,
        last_in_app_activity=member.in_app_ms,
        workflows=workflows,
    )


if __name__ == "__main__":
    make_app().main()
