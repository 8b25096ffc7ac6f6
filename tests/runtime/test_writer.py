"""One batch into Kafka: together or not at all, by one owner, and the offset after it (against a real broker)."""

from __future__ import annotations

import asyncio
import gc
from contextlib import suppress
from itertools import groupby
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from aiokafka.errors import KafkaError

from app.runtime import writer as module
from app.runtime.blame import MAX_VALUE_BYTES
from app.runtime.hosting import record_batch
from app.runtime.layout import POSITION_KEY
from app.runtime.writer import Outgoing, Writer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from app.runtime.hosting.record_batch import Row
    from tests.runtime.conftest import Kafka

pytestmark = pytest.mark.broker


class Topics:
    """A changelog and an output topic of two partitions, the changelog's second one being ours."""

    def __init__(self, kafka: Kafka, changelog: str, output: str) -> None:
        self.kafka = kafka
        self.changelog = changelog
        self.output = output

    def batch(self, name: str, outputs: int = 2, states: int = 2, size: int = 10) -> Outgoing:
        """A batch whose rows are called after it: outputs to both partitions, states, and the position."""
        rows: list[Row] = [(f"{name}-{number}".encode(), b"x" * size) for number in range(outputs)]
        return Outgoing(
            {(self.output, 0): rows[::2], (self.output, 1): rows[1::2]},
            [(f"e-{name}-{number}".encode(), b"y" * size) for number in range(states)],
            name.encode(),
        )

    async def outputs(self, isolation: str = "settled") -> list[str]:
        """Keys of the outputs, in the order of each partition; first any commit under way is waited for."""
        found = [await self._read(self.output, number, isolation) for number in (0, 1)]
        return [(key or b"").decode() for rows in found for _, key, _ in rows]

    async def logged(self, isolation: str = "settled") -> list[str]:
        """Keys of the changelog, the position's with what it says."""
        rows = await self._read(self.changelog, 1, isolation)
        return [
            f"position {value.decode()}" if key == POSITION_KEY and value else (key or b"").decode()
            for _, key, value in rows
        ]

    async def end_of_last_record(self) -> int:
        return (await self._read(self.changelog, 1, "settled"))[-1][0] + 1

    async def _read(self, topic: str, number: int, isolation: str) -> list[Any]:
        if isolation == "settled":
            await self.kafka.settled(topic, number)
            isolation = "read_committed"
        return await self.kafka.read(topic, number, isolation)


@pytest.fixture
async def topics(kafka: Kafka) -> Topics:
    return Topics(kafka, await kafka.create("changelog", 2), await kafka.create("output", 2))


@pytest.fixture(params=[2, 1], ids=["transactions-2", "transactions-1"])
async def open_writer(
    topics: Topics, request: pytest.FixtureRequest
) -> AsyncIterator[Callable[..., Awaitable[Writer]]]:
    """Opens writers of one partition; all are closed in the end. With either version of transactions, as the cluster has it."""
    opened: list[Writer] = []

    async def open_writer(*, exactly_once: bool = True) -> Writer:
        transactional_id = f"{topics.kafka.prefix}members-1" if exactly_once else None
        writer = Writer(topics.kafka.options, transactional_id, topics.changelog, 1)
        opened.append(writer)
        await writer.open()
        assert writer._producer._joins_by_writing is exactly_once, "the embedded broker has version 2"
        writer._producer._joins_by_writing = exactly_once and request.param == 2
        return writer

    yield open_writer
    for writer in opened:
        await writer.close()


OpenWriter = "Callable[..., Awaitable[Writer]]"


class TestExactlyOnce:
    async def test_a_batch_is_seen_whole_and_in_order(self, topics: Topics, open_writer: OpenWriter):
        writer = await open_writer()
        batch = topics.batch("a", outputs=6, states=3)
        batch.outputs[topics.output, 0].append((b"gone", None))
        await writer.commit(batch)
        assert await topics.outputs() == ["a-0", "a-2", "a-4", "gone", "a-1", "a-3", "a-5"]
        assert await topics.logged() == ["e-a-0", "e-a-1", "e-a-2", "position a"]
        assert (await topics.kafka.read(topics.output))[-1][1:] == (b"gone", None)

    async def test_nothing_is_seen_before_the_commit(
        self, topics: Topics, open_writer: OpenWriter, monkeypatch: pytest.MonkeyPatch
    ):
        writer = await open_writer()
        commit = writer._producer.commit
        seen: list[Any] = []

        async def look_first() -> None:
            seen.extend([await topics.outputs("read_committed"), await topics.logged("read_committed")])
            seen.extend([await topics.outputs("read_uncommitted"), await topics.logged("read_uncommitted")])
            await commit()

        monkeypatch.setattr(writer._producer, "commit", look_first)
        await writer.commit(topics.batch("a"))
        assert seen == [[], [], ["a-0", "a-1"], ["e-a-0", "e-a-1", "position a"]]
        assert await topics.outputs() == ["a-0", "a-1"]

    async def test_batches_follow_one_another(self, topics: Topics, open_writer: OpenWriter):
        writer = await open_writer()
        for name in "abcde":
            await writer.commit(topics.batch(name, outputs=1, states=1))
        assert await topics.outputs() == [f"{name}-0" for name in "abcde"]
        assert await topics.logged() == [
            row for name in "abcde" for row in (f"e-{name}-0", f"position {name}")
        ]

    async def test_the_end_is_the_offset_after_the_last_record(self, topics: Topics, open_writer: OpenWriter):
        """A marker follows, which is no record: who reads on from the end passes over it."""
        writer = await open_writer()
        for name in "ab":
            end = await writer.commit(topics.batch(name))
            assert end == await topics.end_of_last_record()

    async def test_also_when_it_takes_several_record_batches(
        self, topics: Topics, open_writer: OpenWriter, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(record_batch, "MAX_BATCH_BYTES", 500)
        writer = await open_writer()
        for name in "ab":
            end = await writer.commit(topics.batch(name, outputs=40, states=40, size=60))
            assert end == await topics.end_of_last_record()
        written = [row for row in await topics.logged() if row.startswith("e-a-")]
        assert written == [f"e-a-{number}" for number in range(40)]
        assert len(await topics.outputs()) == 80

    async def test_a_position_alone_is_a_batch(self, topics: Topics, open_writer: OpenWriter):
        writer = await open_writer()
        assert await writer.commit(Outgoing({}, [], b"alone")) == 1
        assert await topics.logged() == ["position alone"]

    async def test_connections_closed_for_idleness_are_made_again(self, topics: Topics):
        options = {**topics.kafka.options, "connections_max_idle_ms": 20}
        writer = Writer(options, f"{topics.kafka.prefix}members-1", topics.changelog, 1)
        await writer.open()
        for name in "ab":
            await writer.commit(topics.batch(name, outputs=1, states=1))
            connections = list(writer._producer.brokers.client._conns.values())
            async with asyncio.timeout(20):
                while any(each.connected() for each in connections):  # noqa: ASYNC110  nobody is told of it
                    await asyncio.sleep(0.001)
        await writer.close()
        assert await topics.outputs() == ["a-0", "b-0"]

    async def test_the_largest_records_there_may_be_are_taken(self, topics: Topics, open_writer: OpenWriter):
        writer = await open_writer()
        rows: list[Row] = [(b"k" * 1_024, b"x" * MAX_VALUE_BYTES), (b"k" * 1_024, b"x" * MAX_VALUE_BYTES)]
        await writer.commit(Outgoing({(topics.output, 0): rows}, rows, b"p"))
        assert len(await topics.logged()) == 3
        assert len(await topics.outputs()) == 2
        assert [len(value or b"") for _, _, value in await topics.kafka.read(topics.output)] == [900_000] * 2

    async def test_what_fails_half_way_leaves_nothing(
        self, topics: Topics, open_writer: OpenWriter, monkeypatch: pytest.MonkeyPatch
    ):
        writer = await open_writer()
        append = writer._producer._append

        async def fail_at_the_changelog(batches: Any) -> Any:
            await append({where: batch for where, batch in batches.items() if where[0] != topics.changelog})
            raise KafkaError("lost")

        monkeypatch.setattr(writer._producer, "_append", fail_at_the_changelog)
        with pytest.raises(KafkaError, match="lost"):
            await writer.commit(topics.batch("a"))
        monkeypatch.undo()
        await writer.commit(topics.batch("b"))
        assert await topics.outputs() == ["b-0", "b-1"]
        assert await topics.logged() == ["e-b-0", "e-b-1", "position b"]

    async def test_a_cancelled_commit_leaves_nothing(
        self, topics: Topics, open_writer: OpenWriter, monkeypatch: pytest.MonkeyPatch
    ):
        writer = await open_writer()
        reached = asyncio.Event()

        async def wait_for_ever() -> None:
            reached.set()
            await asyncio.Event().wait()

        with monkeypatch.context() as patched:
            patched.setattr(writer._producer, "commit", wait_for_ever)
            task = asyncio.create_task(writer.commit(topics.batch("a")))
            await reached.wait()
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        await writer.commit(topics.batch("b"))
        assert await topics.outputs() == ["b-0", "b-1"]
        assert "a-0" in await topics.outputs("read_uncommitted")


class TestFencing:
    async def test_a_second_owner_ends_the_first(self, topics: Topics, open_writer: OpenWriter):
        first = await open_writer()
        await first.commit(topics.batch("a"))
        second = await open_writer()
        with pytest.raises(KafkaError):
            await first.commit(topics.batch("b"))
        await second.commit(topics.batch("c"))
        assert await topics.outputs() == ["a-0", "c-0", "a-1", "c-1"]
        assert [row for row in await topics.logged() if row.startswith("position")] == [
            "position a",
            "position c",
        ]

    async def test_an_owner_that_was_fenced_is_told_once(self, topics: Topics, open_writer: OpenWriter):
        """Several record batches fail with it; a traceback for each would drown what matters."""
        complaints: list[Any] = []
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _loop, context: complaints.append(context))
        try:
            first = await open_writer()
            await open_writer()
            with pytest.raises(KafkaError):
                await first.commit(topics.batch("a"))
            await first.close()
            del first
            gc.collect()
            await asyncio.sleep(0)
        finally:
            loop.set_exception_handler(None)
        assert complaints == []

    async def test_what_the_first_had_under_way_is_never_seen(
        self, topics: Topics, open_writer: OpenWriter, monkeypatch: pytest.MonkeyPatch
    ):
        """It has sent everything, and is fenced before it can say so."""
        first = await open_writer()
        commit = first._producer.commit

        async def be_late() -> None:
            second = await open_writer()
            await second.commit(topics.batch("b"))
            await commit()

        monkeypatch.setattr(first._producer, "commit", be_late)
        with pytest.raises(KafkaError):
            await first.commit(topics.batch("a"))
        assert await topics.outputs() == ["b-0", "b-1"]
        assert await topics.logged() == ["e-b-0", "e-b-1", "position b"]

    async def test_an_owner_that_comes_has_nothing_open_before_it(
        self, topics: Topics, open_writer: OpenWriter, monkeypatch: pytest.MonkeyPatch
    ):
        """The log's end is its last stable offset once `open` returns: a restore misses nothing that was committed."""
        first = await open_writer()

        async def vanish() -> None:
            raise KafkaError("gone")

        monkeypatch.setattr(first._producer, "commit", vanish)
        monkeypatch.setattr(first._producer, "abort", vanish)
        with pytest.raises(KafkaError, match="gone"):
            await first.commit(topics.batch("a"))
        assert await topics.kafka.end(topics.changelog, 1) == 0
        await open_writer()
        end = await topics.kafka.end(topics.changelog, 1)
        assert end == await topics.kafka.end(topics.changelog, 1, "read_uncommitted") > 0
        assert await topics.logged() == []


@pytest.mark.soak
async def test_epochs_run_out_and_the_producer_gets_another_id(topics: Topics):
    """Each transaction of the second version takes one of 32,767 epochs: a busy partition has used them up in minutes."""
    writer = Writer(topics.kafka.options, f"{topics.kafka.prefix}members-1", topics.changelog, 1)
    await writer.open()
    first, count = writer._producer._id, 33_000
    for number in range(count):
        await writer.commit(Outgoing({}, [], str(number).encode()))
    assert writer._producer._id != first
    await writer.close()
    assert await topics.logged() == [f"position {number}" for number in range(count)]


class TestClosing:
    @pytest.mark.parametrize("exactly_once", [True, False])
    async def test_a_broker_that_does_not_answer_keeps_nobody(
        self, topics: Topics, open_writer: OpenWriter, monkeypatch: pytest.MonkeyPatch, exactly_once: bool
    ):
        """Nor does it get afterwards what was not sent by then."""
        monkeypatch.setattr(module, "CLOSE_TIMEOUT_S", 0.2)
        writer = await open_writer(exactly_once=exactly_once)
        await writer.commit(topics.batch("a"))
        connections, asked = list(writer._producer.brokers.client._conns.values()), asyncio.Event()
        for connection in connections:
            monkeypatch.setattr(connection._writer, "write", lambda _lost: asked.set())
        commit = asyncio.create_task(writer.commit(topics.batch("b")))
        async with asyncio.timeout(20):
            await asked.wait()
            commit.cancel()
            with pytest.raises(asyncio.CancelledError):
                await commit
            await writer.close()
        assert not any(connection.connected() for connection in connections)
        assert "b-0" not in await topics.outputs()

    async def test_a_second_time_it_does_nothing(self, open_writer: OpenWriter):
        writer = await open_writer()
        await writer.close()
        await writer.close()


class TestAtLeastOnce:
    async def test_outputs_come_first_then_states_then_the_position(
        self, topics: Topics, open_writer: OpenWriter, monkeypatch: pytest.MonkeyPatch
    ):
        """Each is acknowledged before the next is sent: what a state has seen is out already."""
        monkeypatch.setattr(record_batch, "MAX_BATCH_BYTES", 500)
        writer = await open_writer(exactly_once=False)
        append, sent = writer._producer._append, []

        async def note(batches: Any) -> Any:
            sent.append(set(batches))
            return await append(batches)

        monkeypatch.setattr(writer._producer, "_append", note)
        end = await writer.commit(topics.batch("a", outputs=20, states=20, size=60))
        outputs, states = {(topics.output, 0), (topics.output, 1)}, {(topics.changelog, 1)}
        assert [each for each, _ in groupby(sent)] == [outputs, states]
        assert len(sent) > 4, "several batches of each"
        assert (await topics.logged())[-1] == "position a"
        assert end == await topics.kafka.end(topics.changelog, 1) == 21

    async def test_the_position_waits_for_the_states(
        self, topics: Topics, open_writer: OpenWriter, monkeypatch: pytest.MonkeyPatch
    ):
        writer = await open_writer(exactly_once=False)
        send = writer._producer.send

        async def fail_at_the_position(rows: Any) -> Any:
            if any(listed[-1][0] == POSITION_KEY for listed in rows.values() if listed):
                raise KafkaError("killed")
            return await send(rows)

        monkeypatch.setattr(writer._producer, "send", fail_at_the_position)
        with pytest.raises(KafkaError, match="killed"):
            await writer.commit(topics.batch("a"))
        assert await topics.outputs() == ["a-0", "a-1"]
        assert await topics.logged() == ["e-a-0", "e-a-1"]


@pytest.mark.parametrize(
    ("end_ms", "spacing_ms"),
    [(0.1, 2), (1, 2), (3, 6), (10, 20), (400, 20)],
    ids=["quick", "as here", "slower", "slow", "a pause"],
)
async def test_the_next_transaction_waits_as_long_as_the_markers_of_the_last_may_take(
    end_ms: float, spacing_ms: float, monkeypatch: pytest.MonkeyPatch
):
    clock_s = [0.0]

    class Slow:
        async def send(self, rows: dict[Any, Any]) -> dict[Any, int]:
            clock_s[0] += 1
            return dict.fromkeys(rows, 1)

        async def commit(self) -> None:
            clock_s[0] += end_ms / 1000

    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: clock_s[0]))
    monkeypatch.setattr(module, "Producer", lambda *_: Slow())
    writer = Writer({}, "t", "changelog", 0)
    assert writer.spacing_s == module.LEAST_SPACING_S
    await writer.commit(Outgoing({}, [], b""))
    assert writer.spacing_s == pytest.approx(spacing_ms / 1000)
