"""The worker's event loop ends a TLS connection though the other side does not say good-bye."""

import asyncio
import contextlib
import socket
import ssl
import threading

import trustme

from app.runtime.hosting.loop import Loop


def test_the_end_of_a_tls_connection_is_not_waited_for():
    """A Kafka broker says nothing while it holds a fetch; the loop's own patience would be 30 s."""
    authority, over = trustme.CA(), threading.Event()
    there, here = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("127.0.0.1").configure_cert(there)
    authority.configure_trust(here)
    listening = socket.create_server(("127.0.0.1", 0))

    def be_silent():
        accepted, _ = listening.accept()
        with there.wrap_socket(accepted, server_side=True):
            over.wait(60)

    async def come_and_go():
        async with asyncio.timeout(20):
            _, writer = await asyncio.open_connection(*listening.getsockname(), ssl=here)
            writer.close()
            # That it was cut off is told as a timeout of its own.
            with contextlib.suppress(TimeoutError):
                await writer.wait_closed()

    silent = threading.Thread(target=be_silent)
    silent.start()
    try:
        with asyncio.Runner(loop_factory=Loop) as runner:
            runner.run(come_and_go())
    finally:
        over.set()
        silent.join()
        listening.close()
