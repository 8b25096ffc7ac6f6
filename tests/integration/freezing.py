"""Workers that hang, and come back as zombies: somebody else has their partitions by then."""

import re
import signal

import psutil

from tests.integration.deployment import Worker, until


def freeze(worker: Worker) -> None:
    """Stop it as a machine that hangs would: its connections stay open (SIGSTOP)."""
    worker.process.send_signal(signal.SIGSTOP)


def wait_until_frozen(worker: Worker) -> None:
    """Wait until it has stopped; with `Faults(freeze=True)` it does so by itself."""
    until(lambda: psutil.Process(worker.process.pid).status() == psutil.STATUS_STOPPED, "a frozen worker")


def revive(worker: Worker) -> None:
    """Let a frozen one go on."""
    worker.process.send_signal(signal.SIGCONT)


def owned(worker: Worker) -> list[set[str]]:
    """What the group gave it, each time it did: units such as `members-1`."""
    given = re.findall(r"generation \d+: owns (.*)$", worker.log(), re.MULTILINE)
    return [set(units.split(", ")) - {""} for units in given]
