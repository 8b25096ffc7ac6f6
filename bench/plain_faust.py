"""Plain Faust as a contender: the ordinary agent with a RocksDB table, one event at a time, doing the same job.

Run as a program it is the Faust worker. What it does not do, and Reengage does: remember event ids, take timers of
members whose events have stopped (here a silent member is looked at when its next event comes), keep a deadline
index, a journal, or a place to restart from that belongs to its outputs.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import faust
from msgspec.structs import astuple

from app.domain.outputs import MemberSnapshot, TagChanged, WorkflowOpened
from app.service.settings import load_settings
from app.wire.codec import Codec
from bench.inactivity import Member
from bench.process import Contender
from bench.records import outputs
from bench.site import HEARTBEAT_MS, PARTITIONS, SESSION_TIMEOUT_MS

if TYPE_CHECKING:
    from bench.site import Site

NAME = "plain Faust"


def worker(site: Site) -> Contender:
    """The Faust worker of a site, not yet started."""
    command = [sys.executable, "-m", "bench.plain_faust", "--loop", "uvloop", "worker", "-l", "warn"]
    return Contender(site, [*command, "--without-web"])


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
        broker_session_timeout=SESSION_TIMEOUT_MS / 1000,
        broker_heartbeat_interval=HEARTBEAT_MS / 1000,
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
            member = Member(*kept) if kept else Member()
            for output in outputs(member, activity):
                await topics[output.topic].send(key=event.key, value=codec.encode(output))
            members[activity.member_id] = astuple(member)

    return app


def _topic(app: faust.App, name: str) -> Any:
    return app.topic(name, key_serializer="raw", value_serializer="raw", partitions=PARTITIONS)


if __name__ == "__main__":
    make_app().main()
