"""The repeats of members: activities that move nothing but instants (`domain/repeats.py`), applied by compiled code.

What is told here to `native/repeats.pyx` is where in a member's state things lie, which types of activity do what, and how records
are written: it knows none of that by itself, and gives up where a schema or a state is not as it needs it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from app.domain.events import Activity
from app.domain.members import MemberCore
from app.domain.reengager import INACTIVE_TIMER, Reengager
from app.domain.repeats import can_repeat, is_moved, moves_of
from app.domain.snapshot import REST_MS
from app.domain.state import HOT_PART, IDS_PART, Hot, ReengagerState
from app.runtime.applying import HISTORY_LAG_MS
from app.runtime.layout import part_key
from app.runtime.native import IS_COMPILED, Repeats
from app.runtime.repeating import NoRepeats
from app.wire.checks import FUTURE_MS, LAST_OCCURRED_MS, OLDEST_MS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from app.domain.entity import Core
    from app.domain.member import Member
    from app.runtime.merge import InputRecord
    from app.runtime.native import Settled
    from app.runtime.processor import Host
    from app.runtime.remembered import Remembered
    from app.runtime.repeating import Repeating
    from app.wire.codec import Codec

ACTIVITY_FIELDS = {
    "event_id": "string",
    "member_id": "string",
    "occurred_at": "long",
    "type": "string",
    "channel": "enum",
    "attributes": ["null", "string", "long", "double", "boolean"],
}
"""The fields of an activity's schema, in its order, as `repeats.pyx` reads them; of the map what its values may be."""


class Layout(NamedTuple):
    """Where things lie: numbers of fields of a member's hot part, and of a re-engager's state (`last`).

    playbooks: names of the re-engagers; elsewhere each is a number, its place here. timer: the name of their timer.
    """

    playbooks: Sequence[bytes]
    timer: bytes
    now: int = Hot.__struct_fields__.index("now_ms")
    timers: int = Hot.__struct_fields__.index("timers")
    recent: int = Hot.__struct_fields__.index("recent")
    older_ids: int = Hot.__struct_fields__.index("older_ids")
    snapshot: int = Hot.__struct_fields__.index("snapshot_ms")
    last_in_app: int = Hot.__struct_fields__.index("last_in_app_ms")
    states: int = Hot.__struct_fields__.index("states")
    last: int = ReengagerState.__struct_fields__.index("last_ms") + 1
    """One more, for the kind of the state stands before its fields."""


class Wire(NamedTuple):
    """How records and stored parts are written.

    topic, header: of activities, and what their bytes begin with. channels, app: how many there are, and which is APP.
    page_header: what a page's bytes begin with, before the member's id. part_keys: what the keys of parts 0 and 1 begin with.
    """

    topic: str
    header: bytes
    channels: int
    app: int
    page_header: bytes
    part_keys: tuple[bytes, bytes]


class Times(NamedTuple):
    """Spans and bounds in milliseconds."""

    grace_ms: int
    rest_ms: int = REST_MS
    oldest_ms: int = OLDEST_MS
    latest_ms: int = LAST_OCCURRED_MS
    future_ms: int = FUTURE_MS
    history_lag_ms: int = HISTORY_LAG_MS


class MemberRepeats:
    """Satisfies `repeating.Repeating` for members."""

    def __init__(self, core: MemberCore, repeats: Repeats, types: frozenset[str]) -> None:
        self.types = types
        self._core = core
        self._repeats = repeats
        self._reengagers = _reengagers(core)
        self.encode = repeats.encode

    @property
    def time_ms(self) -> int:
        """See `Repeating`."""
        return self._repeats.time_ms

    @property
    def next_offset(self) -> int:
        """See `Repeating`."""
        return self._repeats.next_offset

    @property
    def history_seen(self) -> bool:
        """See `Repeating`."""
        return self._repeats.history_seen

    def run(
        self,
        records: Sequence[InputRecord],
        at: int,
        memory: Remembered[Member],
        pages: dict[str, Any],
        time_ms: int,
        mark_ms: int,
        first_due_ms: int,
    ) -> int:
        """See `Repeating`."""
        young, kept, changed = memory.young, memory.kept, memory.changed
        return self._repeats.run(
            records, at, len(records), young, kept, changed, pages, time_ms, mark_ms, first_due_ms
        )

    def settle(self, entity: Member, part: bytes) -> Settled | None:
        """See `Repeating`."""
        if not can_repeat(entity):
            return None
        moved = 0
        for number, playbook in enumerate(self._reengagers):
            moved |= is_moved(entity, playbook) << number
        settled = self._repeats.settle(entity.key, part, moved, entity.page_rest, entity.older_at_hand())
        if settled is not None:
            settled.indexed_due_ms, settled.applied = entity.indexed_due_ms, entity.applied
        return settled

    def wake(self, settled: Settled, read: Callable[[int], bytes | None]) -> Member:
        """See `Repeating`."""
        hot: bytes | None = settled.part()

        def read_or_take(part: int) -> bytes | None:
            # Given away once: the member may keep this reader for its other parts.
            nonlocal hot
            if part != HOT_PART:
                return read(part)
            taken, hot = hot, None
            return taken

        member = self._core.load(settled.key, read_or_take)
        if member is None:
            raise LookupError(f"{settled.key}: a settled member has a part 0")
        member.indexed_due_ms, member.applied = settled.indexed_due_ms, settled.applied
        member.take_back(settled.page_rest, settled.older, older_changed=settled.older_changed)
        return member


def make_repeating(host: Host, core: Core[Any]) -> Repeating[Any]:
    """What applies the repeats of a partition; the rules apply every record where it cannot be had.

    That is: nothing is compiled, other entities than members, rules that are not ours, or no re-engager.
    """
    # A subclass has rules of its own.
    if not IS_COMPILED or not host.repeats or type(core) is not MemberCore:
        return NoRepeats()
    wire, moves = _wire(host.codec), moves_of(core.playbooks)
    if wire is None or not moves:
        return NoRepeats()
    names = [playbook.name.encode() for playbook in _reengagers(core)]
    channels = _channels(host.codec)
    told = [
        (
            activity_type.encode(),
            [
                (
                    names.index(move.playbook.encode()),
                    sum(1 << channels.index(channel) for channel in move.channels),
                    move.after_ms,
                )
                for move in found
            ],
        )
        for activity_type, found in moves.items()
    ]
    layout = Layout(names, INACTIVE_TIMER.encode())
    try:
        repeats = Repeats(layout, told, wire, Times(host.grace_ms), host.exactly_once)
    except ValueError:
        return NoRepeats()
    return MemberRepeats(core, repeats, frozenset(moves))


def _reengagers(core: MemberCore) -> list[Reengager]:
    return [playbook for playbook in core.playbooks.playbooks if isinstance(playbook, Reengager)]


def _channels(codec: Codec) -> list[str]:
    fields = {field["name"]: field["type"] for field in codec.schema(Activity.topic).source["fields"]}
    symbols: list[str] = fields["channel"]["symbols"]
    return symbols


def _wire(codec: Codec) -> Wire | None:
    """None where a schema is another than is known there."""
    fields = [
        (field["name"], _kind(field["type"])) for field in codec.schema(Activity.topic).source["fields"]
    ]
    page_header = codec.page_encoder().before_id
    if fields != list(ACTIVITY_FIELDS.items()) or page_header is None:
        return None
    channels = _channels(codec)
    return Wire(
        topic=Activity.topic,
        header=codec.usual_header(Activity.topic),
        channels=len(channels),
        app=channels.index("APP"),
        page_header=page_header,
        part_keys=(part_key(HOT_PART, ""), part_key(IDS_PART, "")),
    )


def _kind(schema: Any) -> Any:
    """The type of a field, without what does not matter for its bytes."""
    return schema.get("values", schema["type"]) if isinstance(schema, dict) else schema
