"""The end of a demo: what happened to whom, how many records, and where to look next."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from app.domain.outputs import MemberSnapshot
from app.tools.demo.outputs import dead_letters, sequenced

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.domain.outputs import AnyOutput
    from app.service.settings import Settings
    from app.tools.demo.screen import Screen
    from app.tools.demo.script import Delivery

_NEXT = (
    ("demo --keep", "the same, and broker and worker stay, to send events of your own"),
    ("broker start", "a broker to keep; then `topics apply`, `worker`, `produce` and `tail`"),
    ("simulate --events FILE", "what would come of events of your own, without Kafka"),
    ("--help", "all commands; docs/ tells of topics, records and metrics"),
)

_EVENT = (
    '{"topic":"activity","member_id":"jonas.weber","type":"article.read","channel":"APP","occurred_at":"%s"}'
)


def conclude(screen: Screen, sent: Sequence[Delivery], came: Sequence[AnyOutput]) -> None:
    """Print what happened, of outputs that are as expected."""
    screen.heading("What happened")
    screen.table([*sequenced(came), *dead_letters(came)])
    screen.heading("How many")
    screen.counts(sent, [output for output in came if not isinstance(output, MemberSnapshot)])
    screen.say(f"       and the page of each of {len(pages(came))} members, kept current in member-snapshot")
    screen.say("  The same, record for record, as `reengage simulate` makes of these events without Kafka.")
    screen.timing()


def suggest(screen: Screen) -> None:
    """Print what to try after a demo that is gone."""
    screen.heading("Where to look next")
    screen.commands([(f"{_program()} {arguments}", does) for arguments, does in _NEXT])


def invite(screen: Screen, settings: Settings, user: Settings, port: int, now: str) -> None:
    """Print how to go on with the broker and the worker of this demo; `now` is an instant for an event to send."""
    exports = f"export REENGAGE_BROKER={settings.broker}"
    if settings.topic_prefix != user.topic_prefix:
        exports += f" REENGAGE_TOPIC_PREFIX={settings.topic_prefix}"
    program = _program()
    screen.heading("Broker and worker go on until Ctrl-C. In another terminal")
    screen.commands(
        (
            (exports, ""),
            (f"{program} tail --from-beginning --until-end", "every output, as a JSON line"),
            (f"curl http://127.0.0.1:{port}/health", "how the worker is; /metrics tells more"),
            (f"echo '{_EVENT % now}' | {program} produce", ""),
        )
    )
    screen.say(
        f"  After {settings.idle_ms // 1000} s without old events, time follows the clock: who has been silent since then "
        "turns inactive."
    )
    screen.heading("What comes out from here on")


def _program() -> str:
    """How this program was called, where its plain name would not be found."""
    called = sys.argv[0]
    return called if Path(called).name == "reengage" and shutil.which("reengage") is None else "reengage"


def pages(came: Sequence[AnyOutput]) -> dict[str, MemberSnapshot]:
    """The latest page of each member."""
    return {output.member_id: output for output in came if isinstance(output, MemberSnapshot)}
