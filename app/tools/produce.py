"""`reengage produce`: JSON lines into the input topics (contract 7).

Whatever the lines' order, the worker merges them in it: see `app.tools.ordered_send`.
"""

import asyncio
import os
import secrets
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaProducer, TopicPartition

from app.broker.rights import Operation
from app.domain.errors import UserError, UserErrors
from app.playbooks.unreadable import unreadable
from app.service.client import broker_errors, make_codec, partition_counts
from app.service.settings import Settings
from app.tools.event_file import check_input
from app.tools.ordered_send import OrderedSender, Outgoing
from app.wire.bad_record import BadRecord
from app.wire.codec import Codec
from app.wire.lines import Clock, Line, parse_line
from app.wire.partitioner import murmur2_partition
from app.wire.topics import INPUTS_IN_ORDER, RANK, load_topics

# What Kafka takes by default, less the frame around a record.
MAX_RECORD_BYTES = 1_000_000
_BATCH_BYTES = 256 * 1024
_CHUNK_BYTES = 64 * 1024
_CHUNKS_AHEAD = 4
# A file that is no JSON at all has as many bad lines as it has lines.
_MOST_NAMED = 10
_LONGEST_LINE_BYTES = 16 * 1024 * 1024


def run(settings: Settings, source: Path | str) -> int:
    """Send the lines of a file, or of standard input for `-`, and print how many; 0 when all were sent.

    Blocks until every line is acknowledged. Settings name a broker.

    Raises:
        UserError: `unreadable-file`; `not-in-order` and `no-append-time` when the order cannot be vouched for; what
            `broker_errors` raises.
        UserErrors: `bad-line` (exit code 1) for each of the first ten lines not sent, after the others were;
            `missing-topic` for each input topic that is not there.
    """
    report = Report(secrets.token_hex(4), "standard input" if source == "-" else str(source))
    with _descriptor(source) as descriptor:
        asyncio.run(_produce(settings, descriptor, report))
    report.raise_problem()
    return 0


@dataclass
class Report:
    """What became of the lines. `run` begins the ids of records that came without one."""

    run: str
    source: str
    sent: dict[str, int] = field(default_factory=dict)
    clocks: int = 0
    bad: int = 0
    named: list[tuple[int, BadRecord]] = field(default_factory=list)
    unacknowledged: int | None = None
    problem: UserError | None = None

    def refuse(self, number: int, bad: BadRecord) -> None:
        """Note a line that is not sent."""
        self.bad += 1
        if len(self.named) < _MOST_NAMED:
            self.named.append((number, bad))

    def raise_problem(self) -> None:
        """Raise what the exit code must tell, if anything."""
        if self.problem is not None:
            raise self.problem
        if self.named:
            errors = [
                UserError("bad-line", f"{self.source}, line {number}", f"{bad.message} ({bad.error})")
                for number, bad in self.named
            ]
            for error in errors:
                error.exit_code = 1
            # Once, for the whole file: with ids of the next run, what went through today would count twice.
            errors[
                -1
            ].hint = "correct these lines and send them alone: lines without an event_id get a new one from each run"
            raise UserErrors(errors)

    def __str__(self) -> str:
        topics = ", ".join(f"{topic} {self.sent[topic]}" for topic in INPUTS_IN_ORDER if topic in self.sent)
        text = f"run {self.run}: {_count(sum(self.sent.values()), 'record')} sent"
        text += f" ({topics})" if topics else ""
        if self.clocks:
            text += f", {_count(self.clocks, 'clock line')} skipped"
        if self.bad:
            text += f", {_count(self.bad, 'bad line')} not sent"
        if self.unacknowledged is not None:
            text += f"; line {self.unacknowledged} is the first without an acknowledgement"
        return text


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


async def _produce(settings: Settings, descriptor: int, report: Report) -> None:
    producer = AIOKafkaProducer(
        **settings.client_options(), enable_idempotence=True, max_batch_size=_BATCH_BYTES
    )
    with broker_errors(settings):
        try:
            partitions = await partition_counts(settings, INPUTS_IN_ORDER, Operation.WRITE)
            await producer.start()
            reader = _Reader(make_codec(settings), partitions, report)
            await _send(_Wire(producer, settings.topic_prefix), reader, descriptor, report)
        finally:
            await producer.stop()


async def _send(wire: "_Wire", reader: "_Reader", descriptor: int, report: Report) -> None:
    sender = None
    try:
        async with asyncio.TaskGroup() as lanes:
            sender = OrderedSender(wire, lambda: time.monotonic() * 1000, lanes)
            async for lines in read_lines(descriptor, report.source):
                for line in lines:
                    if (record := reader.read(line)) is not None:
                        await sender.put(record)
            await sender.finish()
    except BaseExceptionGroup as group:
        raise group.exceptions[0] from None
    finally:
        if sender is not None:
            report.sent = sender.acknowledged
            report.unacknowledged = sender.first_unacknowledged
            print(report)
    report.problem = _order_problem(sender, report)


def _order_problem(sender: OrderedSender, report: Report) -> UserError | None:
    """The error to report when the merge may take the records in another order than the lines'."""
    error = None
    if sender.untimed is not None:
        error = UserError(
            "no-append-time",
            sender.untimed,
            "the topic keeps the sender's time, so the order of the lines is not that of the merge",
            "set it to LogAppendTime with `reengage topics apply`",
        )
    elif sender.overtaken is not None:
        error = UserError(
            "not-in-order",
            f"{report.source}, line {sender.overtaken.line}",
            "was appended at an earlier time than a line before it: a broker's clock was set back meanwhile",
            "keep the brokers' clocks in step",
        )
    if error is not None:
        error.exit_code = 1
    return error


class _Reader:
    """Makes lines into records to send."""

    def __init__(self, codec: Codec, partitions: dict[str, int], report: Report) -> None:
        self._codec = codec
        self._partitions = partitions
        self._report = report
        self._number = 0
        self._processors = {name: topic.processor for name, topic in load_topics().items()}

    def read(self, text: bytes) -> Outgoing | None:
        """The record of the next line; None for one that is not sent, which is noted in the report."""
        self._number += 1
        try:
            line = parse_line(
                text,
                self._number,
                codec=self._codec,
                run=self._report.run,
                append_ms=time.time_ns() // 1_000_000,
            )
            if isinstance(line, Line):
                return self._outgoing(line)
        except BadRecord as bad:
            self._report.refuse(self._number, bad)
            return None
        if isinstance(line, Clock):
            self._report.clocks += 1
        return None

    def _outgoing(self, line: Line) -> Outgoing:
        value = self._codec.encode(line.record)
        if len(value) > MAX_RECORD_BYTES:
            raise BadRecord(
                "too_large", f"the record takes {len(value)} bytes, {MAX_RECORD_BYTES} at most are taken"
            )
        partition = murmur2_partition(line.key, self._partitions[line.topic])
        return Outgoing(
            line=line.number,
            topic=line.topic,
            rank=RANK[line.topic],
            lane=(self._processors[line.topic], partition),
            partition=partition,
            key=line.key,
            value=value,
        )


class _Wire:
    """The idempotent producer, as the ordered sender sees it."""

    def __init__(self, producer: AIOKafkaProducer, prefix: str) -> None:
        self._producer = producer
        self._prefix = prefix

    async def send(self, record: Outgoing) -> "asyncio.Future[Any]":
        future: asyncio.Future[Any] = await self._producer.send(
            self._prefix + record.topic, record.value, record.key, record.partition
        )
        return future

    def leader(self, record: Outgoing) -> int:
        place = TopicPartition(self._prefix + record.topic, record.partition)
        leader = self._producer.client.cluster.leader_for_partition(place)
        return -1 if leader is None else leader


@contextmanager
def _descriptor(source: Path | str) -> Iterator[int]:
    if source == "-":
        check_input()
        yield sys.stdin.fileno()
        return
    if Path(source).is_dir():
        raise UserError("unreadable-file", str(source), "is a folder", "name a file of JSON lines")
    try:
        descriptor = os.open(source, os.O_RDONLY)
    except OSError as error:
        raise unreadable(str(source), error) from None
    try:
        yield descriptor
    finally:
        os.close(descriptor)


async def read_lines(descriptor: int, name: str) -> AsyncIterator[list[bytes]]:
    """The lines of a file or pipe, without their ends, as they come; never waits for more than the next one.

    Raises UserError `unreadable-file` when reading fails, and `long-line` beyond 16 MiB.
    """
    loop = asyncio.get_running_loop()
    chunks: asyncio.Queue[bytes | OSError] = asyncio.Queue()
    room = threading.Semaphore(_CHUNKS_AHEAD)

    def read() -> None:
        # A thread of its own, and on the descriptor: an interrupted command must not wait for a terminal or a pipe
        # in which nothing comes, neither in the event loop's end nor in the interpreter's.
        chunk: bytes | OSError = b"-"
        while chunk and not isinstance(chunk, OSError):
            room.acquire()
            try:
                chunk = os.read(descriptor, _CHUNK_BYTES)
            except OSError as error:
                chunk = error
            with suppress(RuntimeError):  # the loop was closed: nobody listens any more
                loop.call_soon_threadsafe(chunks.put_nowait, chunk)

    threading.Thread(target=read, daemon=True).start()
    rest = b""
    while chunk := await chunks.get():
        room.release()
        if isinstance(chunk, OSError):
            raise unreadable(name, chunk)
        *lines, rest = (rest + chunk).split(b"\n")
        if len(rest) > _LONGEST_LINE_BYTES:
            raise UserError("long-line", name, "a line is longer than 16 MiB", "is it a file of JSON lines?")
        yield lines
    if rest:
        yield [rest]
