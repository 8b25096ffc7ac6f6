"""The first word with a broker."""

import asyncio

import pytest
from aiokafka.errors import KafkaConnectionError

from app.broker import topics


async def test_a_broker_that_never_answers_is_said_to_be_waited_for(monkeypatch, caplog):
    monkeypatch.setattr(topics, "SILENCE_S", 0.05)
    hold = asyncio.Event()

    async def say_nothing(_reader, writer):
        await hold.wait()
        writer.close()

    server = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    address = "127.0.0.1:{1}".format(*server.sockets[0].getsockname())
    try:
        with pytest.raises(KafkaConnectionError):
            async with topics.admin_client({"bootstrap_servers": address, "request_timeout_ms": 500}):
                pytest.fail("it answered")
    finally:
        hold.set()
        server.close()
    assert f"{address} has not answered for 0.05 s; still waiting for it" in caplog.messages
