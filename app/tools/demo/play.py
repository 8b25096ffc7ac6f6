"""`reengage demo`: the story, played through a real broker and worker, and held against `simulate`."""

from __future__ import annotations

import asyncio
import os
import signal
import tempfile
import time
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from aiokafka import AIOKafkaProducer

from app.domain.errors import UserError
from app.domain.instants import iso_instant
from app.playbooks.loader import load_playbooks
from app.service.client import broker_errors
from app.service.worker import free_port
from app.tools.demo.children import Producer, Worker, producer, worker
from app.tools.demo.closing import conclude, invite, suggest
from app.tools.demo.outputs import Follower, answers, difference, follower
from app.tools.demo.place import place_for
from app.tools.demo.screen import Live, Screen
from app.tools.demo.script import deliveries
from app.tools.demo.story import POOLS, STORY, WEEKS
from app.tools.simulate import simulate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.service.settings import Settings
    from app.tools.demo.script import Character, Delivery, Pool

SECONDS_A_WEEK = 0.7
"""How long a week of the story takes: slow enough to see it happen."""

DEADLINE_S = 90.0
"""How long worker and story may take; and, the story being history, how long the wall clock leaves time alone."""

_CHECK_S = 1.0
_WEEK_MS = 7 * 24 * 3_600_000


def run(settings: Settings, keep: bool) -> int:
    """Play the story and print what happens; 0 when it is over and came out as `simulate` says.

    Blocks: about 20 s; with `keep` until Ctrl-C. Everything it started is ended when it returns or raises.

    Raises:
        UserError: with exit code 1 `worker-ended`, `worker-late`, `produce-failed`, `demo-differs`; and what
            `EmbeddedBroker.start`, `apply_topics` and `broker_errors` raise.
    """
    terminated = False

    def terminate(_number: int, _frame: object) -> None:
        # The way of Ctrl-C is the one on which asyncio too lets everything be ended in order.
        nonlocal terminated
        terminated = True
        signal.raise_signal(signal.SIGINT)

    before = signal.signal(signal.SIGTERM, terminate)
    try:
        return Demo(settings, STORY, POOLS, keep=keep, seconds_a_week=SECONDS_A_WEEK).play()
    except KeyboardInterrupt:
        if terminated:
            raise SystemExit(128 + signal.SIGTERM) from None
        raise
    finally:
        signal.signal(signal.SIGTERM, before)


class Demo:
    """One run of one story; `settings` are the user's, of which the broker, its security and the guarantee count."""

    def __init__(
        self,
        settings: Settings,
        story: Sequence[Character],
        pools: Sequence[Pool] = (),
        *,
        seconds_a_week: float,
        keep: bool = False,
    ) -> None:
        self._settings = replace(settings, idle_ms=round(DEADLINE_S * 1000))
        self._screen = Screen(story)
        self._sent = deliveries(story, pools)
        self._expected = simulate([delivery.line for delivery in self._sent], load_playbooks(None))
        self._answers = answers(self._expected, self._sent)
        self._keep = keep
        self._seconds_a_ms = seconds_a_week / _WEEK_MS
        self._over = False

    def play(self) -> int:
        """See `run`."""
        handle, name = tempfile.mkstemp(prefix="reengage-demo-worker-", suffix=".log")
        os.close(handle)
        log, failed = Path(name), False
        try:
            self._play(log)
        except KeyboardInterrupt:
            if not self._over:
                raise
        except UserError as error:
            failed = log.stat().st_size > 0
            error.exit_code = 1
            raise
        finally:
            if not failed:
                log.unlink()
        return 0

    def _play(self, log: Path) -> None:
        """The whole of it. `log` takes what the worker prints."""
        screen = self._screen
        screen.heading("Reengage: who went quiet, who came back, and what should happen next")
        screen.say(
            f"{len(self._sent)} events of {WEEKS} weeks go through a real Kafka broker and a real worker. Who does nothing"
            " in the app for seven days gets the tag `inactive`; who comes back, or comes for the first time, gets a"
            " workflow, a piece of work for the care team, until a coach takes over; who has completed the set-up is given"
            " one, as far as the coaches' day goes.\n"
        )
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="reengage-demo-")))
            settings = stack.enter_context(place_for(self._settings, folder, screen))
            running = stack.enter_context(worker(settings, folder, log, free_port()))
            with broker_errors(settings):
                asyncio.run(self._tell(settings, running, folder))

    async def _tell(self, settings: Settings, running: Worker, folder: Path) -> None:
        """From a worker that starts to the end of the story and, to be kept, on until interrupted."""
        screen = self._screen
        async with (
            producer(settings, folder) as known,
            AIOKafkaProducer(**settings.client_options()) as unknown,
            follower(settings) as outputs,
        ):
            try:
                async with asyncio.timeout(DEADLINE_S):
                    with screen.step("starting a worker") as step:
                        count = await running.ready()
                        guarantee = settings.guarantee.replace("_", " ")
                        step.result = f"a worker of {count} partitions, {guarantee}"
                    screen.heading("What comes out while the events go in")
                    with screen.live(len(self._sent), self._sent[0].arrived_ms) as live:
                        await self._story(
                            running, outputs, live, Mouths(known, unknown, settings.topic_prefix)
                        )
            except TimeoutError:
                raise running.failure(
                    "worker-late", f"the story was not over after {DEADLINE_S:g} s"
                ) from None
            wrong = difference(self._expected, outputs.came)
            if wrong is not None:
                raise running.failure("demo-differs", f"the outputs are not those of `simulate`: {wrong}")
            conclude(screen, self._sent, outputs.came)
            self._over = True
            if not self._keep:
                suggest(screen)
                return
            invite(screen, settings, self._settings, running.port, iso_instant(time.time_ns() // 1_000_000))
            outputs.go_on()
            await outputs.follow(screen.output)

    async def _story(self, running: Worker, outputs: Follower, live: Live, mouths: Mouths) -> None:
        """Send the events, showing what comes out, until the worker has nothing left to do and all is shown."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(outputs.follow(live.came))
                began_s, began_ms = time.monotonic(), self._sent[0].arrived_ms
                for delivery in self._sent:
                    due_s = began_s + (delivery.arrived_ms - began_ms) * self._seconds_a_ms
                    await asyncio.sleep(max(0.0, due_s - time.monotonic()))
                    await mouths.send(delivery)
                    live.sent(delivery)
                    await self._hear_answers(delivery, running, outputs)
                await running.caught_up(await mouths.finish())
                await outputs.stop_at_end()
        except BaseExceptionGroup as group:
            raise group.exceptions[0] from None

    async def _hear_answers(self, delivery: Delivery, running: Worker, outputs: Follower) -> None:
        """Wait for what a desk answers upon an event."""
        awaited = self._answers.get(str(delivery.fields["event_id"]), frozenset())
        while True:
            running.check()
            with suppress(TimeoutError):
                await asyncio.wait_for(outputs.seen(awaited), _CHECK_S)
                return


class Mouths:
    """Who sends the events: `produce`, which knows the schemas, and for what breaks them a program that does not."""

    def __init__(self, known: Producer, unknown: AIOKafkaProducer, prefix: str) -> None:
        self._known = known
        self._unknown = unknown
        self._prefix = prefix

    async def send(self, delivery: Delivery) -> None:
        """Send one event; what `produce` sends is acknowledged by `finish` only."""
        if delivery.readable:
            await self._known.send(delivery.line)
        else:
            topic = self._prefix + delivery.topic
            await self._unknown.send_and_wait(topic, delivery.value, delivery.key.encode())

    async def finish(self) -> int:
        """See `Producer.finish`."""
        return await self._known.finish()
