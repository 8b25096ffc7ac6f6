"""The program between an owner and its broker: it runs the broker and kills it as soon as the owner is gone.

A process killed with SIGKILL cannot end its children, so another one must. This one is started by
`app.broker.process` as `guard.py OWNER_PID COMMAND...`, on the standard library alone so that it starts in
milliseconds. It prints the broker's pid, then waits. The owner is gone when the pipe to this program's standard input
is closed, which the system does for a dead process, or when this program has another parent, which also holds where
a fork of the owner keeps the pipe open.
"""

import ctypes
import os
import signal
import subprocess
import sys
import threading

PR_SET_PDEATHSIG = 1
CHECK_S = 0.2


def main(owner: int, command: list[str]) -> int:
    """Run `command` until it ends or the owner does, and return its exit code. Blocks."""
    broker = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr,
        close_fds=False,  # one is the lock on the broker's folder, which must last as long as the broker
        preexec_fn=_die_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509  one thread, so far
    )
    print(broker.pid, flush=True)
    orphaned = threading.Event()
    threading.Thread(target=_wait_for_end_of_input, args=(orphaned,), daemon=True).start()
    while broker.poll() is None and os.getppid() == owner:
        if orphaned.wait(CHECK_S):
            break
    broker.kill()
    return broker.wait()


def _die_with_parent() -> None:
    """Have Linux kill the broker should this program itself be killed.

    It does so when the thread that started the broker ends, which is why the main thread does.
    """
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _wait_for_end_of_input(orphaned: threading.Event) -> None:
    sys.stdin.read()
    orphaned.set()


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2:]))
