"""What a replay is asked for, and what its folder remembers of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from app.domain.errors import UserError, UserErrors
from app.tools.replay.order import Order
from app.tools.reports.form import Form
from app.wire.bad_record import BadRecord
from app.wire.instants import parse_instant

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Options:
    """One call of `reengage replay`.

    Attributes:
        into: prefix of the topics the outputs go to.
        since_ms, until_ms: outputs of this window only, epoch ms, both included; None: no limit.
        playbooks: folders of playbooks; empty: those of the settings.
        order: the order asked for; None: event-time where playbooks are given, which makes a what-if, else journal.
        diff: compare with the live outputs when done; `form`: how to print that.
        promote: make what was replayed the live state and outputs; `dry_run`: only say what that would do.
    """

    into: str
    since_ms: int | None = None
    until_ms: int | None = None
    playbooks: tuple[Path, ...] = ()
    order: Order | None = None
    diff: bool = False
    form: Form = Form.TABLE
    promote: bool = False
    dry_run: bool = False

    @property
    def chosen_order(self) -> Order:
        """The order that holds."""
        return self.order or (Order.EVENT_TIME if self.playbooks else Order.JOURNAL)

    @property
    def playbook_folders(self) -> tuple[Path | None, ...]:
        """The folders of the playbooks that decide, None being that of the settings; in event-time order it is one."""
        if self.playbooks and self.chosen_order is Order.EVENT_TIME:
            return self.playbooks[:1]
        return (*self.playbooks, None)


def read_options(
    *,
    into: str,
    since: str | None,
    until: str | None,
    playbooks: Sequence[Path],
    order: Order | None,
    diff: bool,
    form: Form,
    promote: bool,
    dry_run: bool,
) -> Options:
    """The options as the command line has them. Raises UserErrors: `bad-instant`, `replay-what`."""
    errors: list[UserError] = []
    since_ms = until_ms = None
    try:
        since_ms = _instant(since, "--from")
    except UserError as error:
        errors.append(error)
    try:
        until_ms = _instant(until, "--until")
    except UserError as error:
        errors.append(error)
    if since_ms is not None and until_ms is not None and since_ms > until_ms:
        problem = f"{since} is after --until {until}: nothing lies between"
        errors.append(UserError("replay-what", "--from", problem, "give --from the earlier of both"))
    if len(playbooks) > 1 and order is not Order.JOURNAL:
        hint = "give one folder for a what-if, or --order journal to follow a history of several playbooks"
        errors.append(UserError("replay-what", "--playbooks", "was given more than once", hint))
    if dry_run and not promote:
        errors.append(UserError("replay-what", "--dry-run", "belongs to --promote", "add --promote"))
    if promote and (since or until):
        hint = "leave out --from and --until: what is live must be whole"
        errors.append(UserError("replay-what", "--promote", "takes no window", hint))
    if errors:
        raise UserErrors(errors)
    return Options(
        into=into,
        since_ms=since_ms,
        until_ms=until_ms,
        playbooks=tuple(playbooks),
        order=order,
        diff=diff,
        form=form,
        promote=promote,
        dry_run=dry_run,
    )


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """What the folder of a replay says of it; a later call under the same prefix must ask for the same.

    Attributes:
        source: prefix of the live topics.
        order, since_ms, until_ms: as asked.
        playbooks_hash: of a replay in event-time order, which has one set of playbooks; else empty.
        ends: of a replay in event-time order, the offsets before which it takes records, by topic and partition.
        ended_ms: the instant such a replay ended at, None until then.
        done: it has reached its end, and what lies under its prefix is whole.
        promoting: it is being made the live one; promoted: it has been.
    """

    source: str
    order: Order
    since_ms: int | None = None
    until_ms: int | None = None
    playbooks_hash: str = ""
    ends: dict[str, dict[int, int]] = {}
    ended_ms: int | None = None
    done: bool = False
    promoting: bool = False
    promoted: bool = False


def _instant(text: str | None, option: str) -> int | None:
    """An instant of the command line as epoch ms. Raises UserError `bad-instant`."""
    if text is None:
        return None
    try:
        return parse_instant(text, option)
    except BadRecord as bad:
        hint = "write it as 2026-01-05T10:00:00Z"
        raise UserError("bad-instant", option, f"{text!r} is no instant", hint) from bad
