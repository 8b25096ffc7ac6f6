"""`reengage demo`: the story, played through a real broker and worker, and held against `simulate`."""

from __future__ import annotations

import asyncio
import signal
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiokafka import AIOKafkaProducer, TopicPartition

from app.domain.outputs import DeadLetter, MemberSnapshot, Output
from app.playbooks.loader import load_playbooks
from app.service.client import broker_errors, make_codec, partition_counts
from app.service.worker import free_port
from app.tools.committed import committed_reader
from app.tools.demo.children import Producer, Worker, producer, worker
from app.tools.demo.place import broker_for, create_topics
from app.tools.demo.screen import Live, Screen
from app.tools.demo.script import deliveries
from app.tools.demo.story import STORY, WEEKS
from app.tools.simulate import Simulated, simulate
from app.wire.topics import load_topics

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.domain.outputs import AnyOutput
    from app.service.settings import Settings
    from app.tools.committed import CommittedReader
    from app.tools.demo.script import Character, Delivery

SECONDS_A_WEEK = 0.7
"""How long a week of the story takes: slow enough to see it happen."""

DEADLINE_S = 90.0
"""How long worker and story may take; and, the story being history, how long the wall clock leaves time alone."""

_WEEK_MS = 7 * 24 * 3_600_000


def run(settings: Settings, keep: bool) -> int:
    """Play the story and print what happens; 0 when it is over and came out as `simulate` says.

    Blocks: about 20 s; with `keep` until Ctrl-C. Everything it started is ended when it returns or raises.

    Raises:
        UserError: with exit code 1 `worker-ended`, `worker-late`, `produce-failed`, `demo-differs`; and what
            `EmbeddedBroker.start`, `apply_topics` and `broker_errors` raise.
    """
    before = signal.signal(signal.SIGTERM, _terminated)
    try:
        return Demo(settings, STORY, keep=keep).play()
    finally:
        signal.signal(signal.SIGTERM, before)


def _terminated(_number: int, _frame: object) -> None:
    raise SystemExit(128 + signal.SIGTERM)


class Demo:
    """One run of one story; `settings` are the user's, of which the broker, its security and the guarantee count."""

    def __init__(
        self,
        settings: Settings,
        story: Sequence[Character],
        *,
        keep: bool = False,
        seconds_a_week: float = SECONDS_A_WEEK,
    ) -> None:
        self._settings = replace(settings, idle_ms=round(DEADLINE_S * 1000))
        self._screen = Screen(story)
        self._sent = deliveries(story)
        self._keep = keep
        self._seconds_a_ms = seconds_a_week / _WEEK_MS
        self._over = False

    def play(self) -> int:
        """See `run`."""
        screen = self._screen
        screen.heading("Reengage: who went quiet, who came back")
        screen.say(
            f"Ten weeks of {len(self._sent)} member events, played in seconds through a Kafka broker and a worker."
        )
        screen.say("The first time, Apache Kafka is fetched: about 45 MB.\n")
        log = Path(tempfile.mkstemp(prefix="reengage-demo-worker-", suffix=".log")[1])
        try:
            with ExitStack() as stack:
                folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="reengage-demo-")))
                settings = stack.enter_context(broker_for(self._settings, folder, screen))
                with screen.step("creating the topics") as done:
                    done.append(f"{create_topics(settings)} topics")
                running = stack.enter_context(worker(settings, log, free_port()))
                with broker_errors(settings):
                    asyncio.run(self._story(settings, running, folder))
        except KeyboardInterrupt:
            if not self._over:
                raise
        except Exception:
            # The log stays: the error names it.
            raise
        log.unlink(missing_ok=True)
        return 0
