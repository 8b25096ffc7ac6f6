"""Ctrl-C while Python imports."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def ending_at_once() -> Iterator[None]:
    """Ctrl-C ends the process without a word within it, as it does one that knows no Python; after it all is as before.

    For imports only, when there is nothing to end in order yet. An exception raised in the middle of one comes out as
    a traceback, as an error of the library that was imported, or not at all: what is raised in a callback of the import
    system is dropped, and a worker would run on. A Ctrl-C that is ignored, as in the background, stays ignored.
    """
    mine = threading.current_thread() is threading.main_thread()
    if not mine or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
