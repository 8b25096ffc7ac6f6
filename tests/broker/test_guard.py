"""What stands between an owner and its broker ends the broker with the owner; tried on a process that only waits."""

import subprocess
import sys

import psutil
import pytest

from app.broker.process import GUARD

FOREVER = [sys.executable, "-c", "import time; time.sleep(600)"]
OWNER = """
import subprocess, sys
guard = subprocess.Popen([sys.executable, {guard!r}, {owner}, *{command!r}],
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
print(guard.pid, guard.stdout.readline(), flush=True)
{then}
"""


@pytest.fixture
def owned():
    """Starts an owner with a guarded process; gives the owner and the pids of guard and process."""
    owners = []

    def start(then="sys.stdin.read()"):
        program = OWNER.format(
            guard=str(GUARD), owner="str(__import__('os').getpid())", command=FOREVER, then=then
        )
        owner = subprocess.Popen(
            [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        owners.append(owner)
        guard, process = map(int, owner.stdout.readline().split())
        assert psutil.pid_exists(process)
        return owner, guard, process

    yield start
    for owner in owners:
        with owner:
            owner.kill()


def test_it_ends_when_its_owner_is_killed(owned, eventually, ended):
    owner, guard, process = owned()
    owner.kill()
    eventually(lambda: ended(process) and ended(guard))


def test_it_ends_when_its_owner_ends_without_a_word(owned, eventually, ended):
    owner, _, process = owned()
    owner.stdin.close()
    owner.wait()
    eventually(lambda: ended(process))


def test_it_ends_when_its_owner_is_killed_though_a_fork_of_the_owner_lives_on(owned, eventually, ended):
    fork = "import os, time\nif os.fork() == 0: time.sleep(600)\nelse: sys.stdin.read()"
    owner, guard, process = owned(fork)
    eventually(lambda: len(psutil.Process(owner.pid).children()) == 2)
    (forked,) = [child for child in psutil.Process(owner.pid).children() if child.pid != guard]
    owner.kill()
    try:
        eventually(lambda: ended(process))
        assert not ended(forked.pid)
    finally:
        forked.kill()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a process with its parent")
def test_it_ends_when_the_guard_itself_is_killed(owned, eventually, ended):
    _, guard, process = owned()
    psutil.Process(guard).kill()
    eventually(lambda: ended(process))


def test_the_guard_ends_with_what_it_guards(owned, eventually, ended):
    _, guard, process = owned()
    psutil.Process(process).kill()
    eventually(lambda: ended(guard))
