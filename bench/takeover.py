"""`python -m bench.takeover`: how long partitions stand still when the worker that owns them is killed.

A worker drains one activity of each member, so that the states of all lie in its folder and in the changelog. Then two
workers share the partitions, live events flow, and one of the two is ended with SIGKILL. What is timed: from there until a
read_committed reader has, of each of its member partitions, an output of an event that was sent after the kill. Once with a
standby, which has the state, and once without, when it is restored from the changelog.
"""

from __future__ import annotations

import asyncio
import json as jsonlib
import time
import urllib.request
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path  # noqa: TC003  typer reads the annotations
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.domain.events import Activity
from app.domain.outputs import WorkflowOpened
from app.service.worker import CONSUMER_OPTIONS, free_port
from app.wire.codec import encode_key
from app.wire.partitioner import murmur2_partition
from bench.command import reported_run, run_command
from bench.latency import ANSWER_TIMEOUT_S, first_activity
from bench.live import opened_line
from bench.load import load
from bench.reengage import drain, worker
from bench.report import Report, Target
from bench.site import PARTITIONS, Site, opened_site

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bench.process import Contender

SESSION_S = CONSUMER_OPTIONS["session_timeout_ms"] / 1000
ALLOWED_S = 2.0
"""What a takeover may take beyond the session timeout, with a standby."""

SETTLED_S = 5.0
"""How long live events flow before the kill, once everybody is ready."""

SLOWEST_PER_S = 5_000
"""The slowest machine that is waited for restores so many members a second, or reads their outputs."""

POLL_S = 0.25


@dataclass(frozen=True)
class Seat(Site):
    """Where one of the two workers runs: a folder of its own, on topics that both use."""

    standbys: int = 0

    def _own_settings(self) -> dict[str, str]:
        return super()._own_settings() | {"REENGAGE_STANDBYS": str(self.standbys)}


def main(
    *,
    members: Annotated[int, typer.Option(min=100, help="Members whose states are kept.")] = 1_000_000,
    rate: Annotated[int, typer.Option(min=10, help="Live events a second.")] = 200,
    json: Annotated[Path | None, typer.Option(metavar="FILE", help="Also write the results here.")] = None,
) -> None:
    """Measure a takeover after SIGKILL, with a standby and without. Broker and exit code as for `python -m bench`."""
    with reported_run(json) as run:
        for standbys in (1, 0):
            with opened_site(run.broker, run.folder, f"takeover-{standbys}", "exactly_once") as site:
                measure(site, standbys, members, rate, run.report, run.status.update)


def measure(
    site: Site, standbys: int, members: int, rate: int, report: Report, say: Callable[[str], None]
) -> None:
    """Load, share, kill, and put what was found into the report. Blocks until all is taken over and answered.

    Raises UserError `contender-failed` when the surviving worker ends or something is missing.
    """
    with_or_without = "with a standby" if standbys else "without a standby"
    seat = Seat(**{name: getattr(site, name) for name in site.__dataclass_fields__}, standbys=standbys)
    say(f"{with_or_without}: loading {members:,} members")
    asyncio.run(load(site, _activities(members), PARTITIONS))
    say(f"{with_or_without}: draining {members:,} events")
    drain(seat, members)
    other = replace(seat, folder=seat.folder / "other")
    other.folder.mkdir()
    with ExitStack() as stack:
        say(f"{with_or_without}: waiting for both workers")
        killed, survivor = _Running(seat), _Running(other)
        stack.enter_context(killed.process)
        patience_s = ANSWER_TIMEOUT_S + members / SLOWEST_PER_S
        killed.until_ready(patience_s, alone=True, standbys=0)
        stack.enter_context(survivor.process)
        for each in (survivor, killed):
            each.until_ready(patience_s, alone=False, standbys=standbys)
        lost = killed.owned_members()
        say(f"{with_or_without}: killing the owner of {len(lost)} of {PARTITIONS} member partitions")
        timed = asyncio.run(_watch(site, killed, survivor, lost, members, rate))
        survivor.process.stop()
    _tell(report, timed, with_or_without, wanted=bool(standbys), lost=lost, members=members)


class _Running:
    """One of the two workers, and what it says of itself."""

    def __init__(self, seat: Seat) -> None:
        self._port = free_port()
        self.process: Contender = worker(seat, "--port", str(self._port))

    def until_ready(self, timeout_s: float, *, alone: bool, standbys: int) -> None:
        """Until it is ready, owns all or half of the member partitions, and follows the others', near their ends."""
        wanted = PARTITIONS if alone else PARTITIONS // 2
        deadline_s = time.monotonic() + timeout_s
        while True:
            self.process.check()
            report = self._health()
            lags = [each["lag_offsets"] for each in report["standbys"] if each["processor"] == "members"]
            if (
                report["status"] == "ready"
                and len(self._members(report)) == wanted
                and len(lags) == (PARTITIONS - wanted) * standbys
                and all(lag is not None and lag < 1_000 for lag in lags)
            ):
                return
            if time.monotonic() > deadline_s:
                raise self.process.failed(f"was not ready in {timeout_s:.0f} s; it says {report}")
            time.sleep(POLL_S)

    def owned_members(self) -> set[int]:
        """Numbers of the member partitions it owns."""
        return self._members(self._health())

    @staticmethod
    def _members(report: dict[str, Any]) -> set[int]:
        return {each["partition"] for each in report["partitions"] if each["processor"] == "members"}

    def _health(self) -> dict[str, Any]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/health", timeout=10) as answer:
                found: dict[str, Any] = jsonlib.loads(answer.read())
                return found
        except OSError:
            return {"status": "none", "partitions": [], "standbys": []}


class _Timed:
    """When live events were sent and answered, by their number; perf_counter seconds."""

    def __init__(self) -> None:
        self.sent_s: list[float] = []
        self.answered_s: dict[int, float] = {}
        self.killed_s = 0.0
        self.repeated = 0

    def hear(self, opened: Any, read_s: float) -> None:
        """Note an answer; those of the members loaded before count for nothing."""
        if opened.cause.startswith("e"):
            number = int(opened.cause.removeprefix("e"))
            self.repeated += number in self.answered_s
            self.answered_s.setdefault(number, read_s)

    def taken_over_s(self) -> dict[int, float]:
        """By partition, seconds from the kill to the first answer to an event sent after it."""
        found: dict[int, float] = {}
        for number, read_s in self.answered_s.items():
            if self.sent_s[number] > self.killed_s:
                where = _partition_of(number)
                found[where] = min(found.get(where, read_s), read_s)
        return {where: read_s - self.killed_s for where, read_s in found.items()}


async def _watch(
    site: Site, killed: _Running, survivor: _Running, lost: set[int], members: int, rate: int
) -> _Timed:
    timed = _Timed()
    patience_s = ANSWER_TIMEOUT_S + members / SLOWEST_PER_S
    async with opened_line(site, survivor.process, [WorkflowOpened.topic], timed.hear) as line:

        async def send(count: int) -> None:
            first = len(timed.sent_s)
            made = (partial(first_activity, number) for number in range(first, first + count))
            # One by one, so that an answer that comes at once finds when its event was sent.
            started_s = time.perf_counter()
            for number, make in enumerate(made):
                await asyncio.sleep(max(0.0, started_s + number / rate - time.perf_counter()))
                timed.sent_s.append(time.perf_counter())
                line.send(make())

        def all_answered() -> bool:
            return len(timed.answered_s) >= len(timed.sent_s)

        # The reader first meets the outputs of all that was loaded.
        await send(int(SETTLED_S * rate))
        await line.until(all_answered, patience_s, lambda: "live events had no answer")
        await send(rate)
        timed.killed_s = time.perf_counter()
        killed.process.kill()
        deadline_s = time.monotonic() + SESSION_S + patience_s
        while lost - timed.taken_over_s().keys():
            survivor.process.check()
            if time.monotonic() > deadline_s:
                raise survivor.process.failed(
                    f"has not taken over {sorted(lost - timed.taken_over_s().keys())}"
                )
            await send(max(1, rate // 10))
        await line.until(all_answered, patience_s, lambda: "live events had no answer")
    return timed


def _activities(members: int) -> Iterator[Activity]:
    """One of each member, an hour ago."""
    at_ms = int((time.time() - 3_600) * 1000)
    for number in range(members):
        yield Activity(
            event_id=f"s{number}",
            member_id=f"s{number:07d}",
            occurred_at=at_ms,
            type="article.read",
            channel="APP",
        )


def _partition_of(number: int) -> int:
    return murmur2_partition(encode_key(first_activity(number).member_id), PARTITIONS)


def _tell(report: Report, timed: _Timed, how: str, *, wanted: bool, lost: set[int], members: int) -> None:
    times_s = {where: seconds for where, seconds in timed.taken_over_s().items() if where in lost}
    slowest_s = max(times_s.values())
    report.facts.append(
        f"{how}: {members:,} members in {PARTITIONS} partitions, {len(lost)} of them on the worker that was killed; from "
        f"SIGKILL to the first committed output of the other, by partition: "
        + ", ".join(f"{where}: {seconds:.2f} s" for where, seconds in sorted(times_s.items()))
        + f"; session timeout {SESSION_S:.0f} s"
    )
    if wanted:
        allowed_s = SESSION_S + ALLOWED_S
        report.promises.append(
            Target(f"takeover {how}, s", slowest_s, f"< {allowed_s:.0f}", slowest_s < allowed_s)
        )
    if timed.repeated:
        report.wrong.append(f"{how}: {timed.repeated} outputs came twice")
    unanswered = len(timed.sent_s) - len(timed.answered_s)
    if unanswered:
        report.wrong.append(f"{how}: {unanswered} live events were not answered")


if __name__ == "__main__":
    run_command(main, "python -m bench.takeover")
