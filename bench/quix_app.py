"""The Quix Streams application: the job as a StreamingDataFrame with state, run as a program.

It runs in an environment of its own (`bench.quix`), which has Quix Streams and what the shared code imports; hence
the settings come from the process environment and the command line, not from `app.service`.

One stateful `apply` takes an activity, reads and writes the member's state, and is expanded into the outputs, each of which
goes to the topic it names. State is kept as bytes of our own making (`get_bytes`, `set_bytes`), which the library's
documentation offers beside JSON and which takes less time.
"""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING, Any

from quixstreams import Application
from quixstreams.models.serializers import Serializer

from app.domain.outputs import MemberSnapshot, TagChanged, WorkflowOpened
from app.wire.codec import Codec
from bench.rules import Rules

if TYPE_CHECKING:
    from quixstreams import State

    from bench.records import Record

STATE_KEY = "member"


class RecordSerializer(Serializer):
    """Writes outputs as everybody does: single-object Avro."""

    def __init__(self, codec: Codec) -> None:
        super().__init__()
        self._encode = codec.encode

    def __call__(self, value: Record, ctx: Any) -> bytes:  # noqa: ARG002  the library's interface
        """The bytes of one output."""
        return self._encode(value)


class Reengager:
    """What is applied to each activity."""

    def __init__(self, codec: Codec) -> None:
        self._rules = Rules(codec)

    def apply(self, value: bytes, key: bytes, timestamp: int, _headers: Any, state: State) -> list[Record]:
        """The outputs of one activity, its member's state moved on."""
        made, kept = self._rules.apply(key, value, timestamp, state.get_bytes(STATE_KEY))
        state.set_bytes(STATE_KEY, kept)
        return made


def make_app(options: argparse.Namespace) -> Application:
    """The application of a site, from the environment the site gives."""
    environ = os.environ
    app = Application(
        environ["REENGAGE_BROKER"],
        consumer_group=environ["REENGAGE_APP"],
        auto_offset_reset="earliest",
        commit_interval=options.commit_ms / 1000,
        state_dir=environ["REENGAGE_DATA"],
        processing_guarantee=environ["REENGAGE_GUARANTEE"].replace("_", "-"),
        consumer_extra_config={
            "session.timeout.ms": options.session_timeout_ms,
            "heartbeat.interval.ms": options.heartbeat_ms,
        },
        loglevel="WARNING",
    )
    prefix, codec = environ["REENGAGE_TOPIC_PREFIX"], Codec()
    topics = {
        record.topic: app.topic(prefix + record.topic, value_serializer=RecordSerializer(codec))
        for record in (TagChanged, WorkflowOpened, MemberSnapshot)
    }
    activities = app.dataframe(app.topic(f"{prefix}activity", value_deserializer="bytes"))
    records = activities.apply(Reengager(codec).apply, stateful=True, expand=True, metadata=True)
    records.to_topic(lambda record, *_: topics[record.topic])
    return app


def parse_options() -> argparse.Namespace:
    """The command line: milliseconds all."""
    parser = argparse.ArgumentParser()
    for name in ("commit-ms", "session-timeout-ms", "heartbeat-ms"):
        parser.add_argument(f"--{name}", type=int, required=True)
    return parser.parse_args()


if __name__ == "__main__":
    make_app(parse_options()).run()
