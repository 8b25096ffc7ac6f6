"""One call of `reengage replay`, from its options to its exit code."""

from __future__ import annotations

import asyncio
import dataclasses
import gc
import shutil
from typing import TYPE_CHECKING

from aiokafka.errors import ProducerFenced
from msgspec.structs import replace

from app.broker.roles import promoter_rights, replayer_rights
from app.domain.calendar import load_tables
from app.domain.entity import StoreError
from app.domain.errors import UserError, UserErrors
from app.playbooks.loader import load_sets
from app.runtime.hosting.loop import Loop
from app.runtime.observer import Observer
from app.service.client import broker_errors, names_of, partition_counts
from app.service.processors import processors
from app.service.worker import make_host
from app.tools.replay.comparison import Comparison
from app.tools.replay.diff_report import print_found
from app.tools.replay.event_time import SPOOL, replay_by_time
from app.tools.replay.groups import find_obstacles
from app.tools.replay.journal_order import follow_journal
from app.tools.replay.meter import Meter
from app.tools.replay.moment import one_moment, output_ends
from app.tools.replay.order import Order
from app.tools.replay.place import Place, check_prefix, held_place, prepare, wanted_run
from app.tools.replay.promotable import Promotable
from app.tools.replay.promote import Promoting
from app.tools.replay.promotion_plan import print_plan
from app.tools.replay.spooling import input_ends
from app.wire.topics import JOURNAL, load_topics

if TYPE_CHECKING:
    from app.domain.playbook_set import PlaybookSet
    from app.runtime.processor import Host
    from app.service.settings import Settings
    from app.tools.replay.offsets import Ends
    from app.tools.replay.options import Options, Run
    from app.tools.reports.form import Form


def run(settings: Settings, options: Options) -> int:
    """Replay into a prefix, then compare or promote where that is asked for; blocks. Returns the exit code.

    0: done, and equal where compared; 1: compared, and different. Interrupted, the same call carries on.

    Raises:
        UserError, UserErrors: `bad-prefix`, `live-prefix`, `foreign-topics`, `other-replay`, `replay-running`,
            `replay-fenced`, `other-playbooks`, `inputs-gone`, `replay-folder`, what is wrong with the playbooks, and what
            `broker_errors` raises.
    """
    check_prefix(options.into, settings.topic_prefix)
    sets = _playbook_sets(settings, options)
    load_tables()
    with held_place(settings, options.into) as place, broker_errors(settings), Meter() as meter:
        # As in a worker: objects made so far live as long as the process.
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 20, 100)
        with asyncio.Runner(loop_factory=Loop) as runner:
            try:
                return runner.run(_replay(settings, options, place, sets, meter))
            except ProducerFenced as fenced:
                problem = "one of its transactions was ended from outside, or took more than five minutes"
                hint = "give the same command again: it carries on where it was"
                raise UserError("replay-fenced", f"--into {options.into}", problem, hint) from fenced
            except StoreError as error:
                raise _folder_failed(place, error) from error


def _folder_failed(place: Place, error: StoreError) -> UserError:
    """The folder of the states does not give or take them. Unlike a worker's it cannot be made anew from a changelog."""
    hint = "make room on the disk, and give the same command again"
    if error.damaged:
        hint = "remove this folder and the topics under the prefix, or choose another prefix"
    return UserError("replay-folder", str(place.states), str(error), hint)


def _playbook_sets(settings: Settings, options: Options) -> list[PlaybookSet]:
    """The playbooks at hand, those of the settings last; in event-time order there is one set."""
    return load_sets(settings.playbooks if folder is None else folder for folder in options.playbook_folders)


async def _replay(
    settings: Settings, options: Options, place: Place, sets: list[PlaybookSet], meter: Meter
) -> int:
    names = names_of(settings, options.into)
    rights = replayer_rights(names, diff=options.diff or options.promote)
    if options.promote:
        # Found missing on the way, a right would leave what is live half exchanged.
        rights += promoter_rights(names)
    counts = await partition_counts(settings, list(load_topics()), None, rights)
    wanted = wanted_run(
        settings.topic_prefix, options.chosen_order, options.since_ms, options.until_ms, sets[0].hash
    )
    run = await prepare(settings, place, wanted, counts)
    live = await make_host(settings, place.states, wall_clock=False, observer=Observer())
    host = _under(place.into, live)
    _refuse_promoted(run, options)
    live_ends = await one_moment(host, run.source)
    if not run.promoting:
        run = await _go(host, run, place, sets, live_ends, meter)
    code = 0
    if options.diff:
        code = await _compare(host, run, place, live_ends, options.form, meter)
    if options.promote:
        await _promote(settings, live, run, place, sets[0], meter, dry_run=options.dry_run)
    return code


def _refuse_promoted(run: Run, options: Options) -> None:
    """Raises UserError for a replay that is being promoted, or has been, and is asked for anything else."""
    if not run.promoting or (options.promote and not options.diff and not options.dry_run):
        return
    place = f"--into {options.into}"
    if run.promoted:
        hint = "choose another prefix; the topics under this one may be deleted"
        raise UserError("promoted", place, "this replay has been made the live one", hint)
    hint = f"finish it first: reengage replay --into {options.into} --promote"
    raise UserError("unfinished-promotion", place, "was interrupted while it was being promoted", hint)


async def _go(
    host: Host, run: Run, place: Place, sets: list[PlaybookSet], live_ends: Ends, meter: Meter
) -> Run:
    """Replay to the end, from where an earlier call stopped; returns what the folder then remembers."""
    if run.order is Order.JOURNAL:
        running = [(playbooks, processors(playbooks)) for playbooks in sets]
        await follow_journal(host, run, running, live_ends, meter)
    elif not run.done:
        if not run.ends:
            run = replace(run, ends=await input_ends(host, run.source))
            place.remember(run)
        run = replace(run, ended_ms=await replay_by_time(host, run, sets[0], meter))
    run = replace(run, done=True)
    place.remember(run)
    shutil.rmtree(place.states / SPOOL, ignore_errors=True)
    return run


async def _promote(
    settings: Settings,
    live: Host,
    run: Run,
    place: Place,
    playbooks: PlaybookSet,
    meter: Meter,
    *,
    dry_run: bool,
) -> None:
    """Make it live, or say what that would do. What stands in the way is reported all at once."""
    source = Promotable(place.states, run, live.partitions)
    running = processors(playbooks)
    promoting = Promoting(live, run, place.into, running, source, meter)
    if run.promoted and not await promoting.unfinished():
        meter.say(f"the replay into {place.into} has been promoted before")
        return
    obstacles = await find_obstacles(settings)
    if dry_run:
        await print_plan(live, run, place.into, running, source)
    if obstacles:
        raise UserErrors(obstacles)
    if not dry_run:
        place.remember(replace(run, promoting=True))
        await promoting.run(lambda: place.remember(replace(run, promoting=True, promoted=True)))
        meter.say(f"the replay into {place.into} is live now; start the workers")


async def _compare(host: Host, run: Run, place: Place, live_ends: Ends, form: Form, meter: Meter) -> int:
    """0 when live and replay are equal, 1 when not. A replay by time ends at its last record, and so does the comparison."""
    until_ms = run.ended_ms if run.until_ms is None else run.until_ms
    strict = run.order is Order.JOURNAL
    comparison = Comparison(host, place.folder / "diff", run.since_ms, until_ms, strict=strict)
    try:
        outputs = {at: end for at, end in live_ends.items() if at.topic != run.source + JOURNAL}
        await comparison.read(run.source, outputs, meter, live=True)
        await comparison.read(place.into, await output_ends(host, place.into), meter, live=False)
        found = comparison.compare()
    finally:
        comparison.close()
    meter.close()
    print_found(found, form)
    return 0 if found.equal else 1


def _under(into: str, live: Host) -> Host:
    """A worker's host, but that it writes under the replay's prefix."""
    return dataclasses.replace(
        live,
        application=f"{live.application}-replay-{into}",
        full_name=lambda name: into + name,
        exactly_once=True,
    )
