"""Members to fill a store with: some live through weeks of events, and what they leave is written under other ids.

The models are decided and encoded as in a worker. A clone has the same parts, byte for byte, for nothing in them names
the member.
"""

from __future__ import annotations

from collections import defaultdict
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from aiokafka.record.default_records import DefaultRecordBatchBuilder

from app.domain.events import Activity, CampaignResponse, EngagementEvent, MemberProfile, ScoreCommand
from app.domain.instants import DAY_MS, HOUR_MS
from app.playbooks.loader import DEFAULTS, load_playbooks
from app.runtime.layout import part_key, split_part_key
from bench.playbooks import START_MS, Contender

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from app.domain.events import Input
    from app.runtime.deciding import Decided
    from app.runtime.merge import InputRecord

MODELS = 1_000
CALM_MS = 6 * HOUR_MS
"""No model has a timer due so soon: it would be work of another kind, of members nothing else happens to."""

SPREAD = 2_654_435_761
"""Odd, so that multiplying by it gives each number below 2**32 another one, far from its neighbours'."""

Parts = list[tuple[int, bytes]]
Row = tuple[bytes, "bytes | None"]


def id_of(number: int) -> str:
    """The id of clone `number`; ids of neighbours lie far apart."""
    return f"m{number * SPREAD % 2**32:08x}"


def lives() -> Iterator[Input]:
    """What the models do in the weeks before the bench's start, in order of time.

    Of ten, one was only ever seen on the web, four have been quiet for over a week, five came within it; those six to
    ten with 1 to 12 activities. Of ten, three have a profile, two a score, one a campaign response, one an engagement.
    """
    events = [event for model in range(MODELS) for event in _life(model)]
    return iter(sorted(events, key=attrgetter("occurred_at")))


def _life(model: int) -> Iterator[Input]:
    kind, sort, member_id = model % 10, model // 10 % 10, f"{model}"
    quiet_ms = 9 * DAY_MS if 1 <= kind < 5 else 0
    last_ms = START_MS - quiet_ms - model * 7_919 % (6 * 24) * HOUR_MS - 8 * HOUR_MS
    for number in range(1 if kind == 0 else 1 + model // 10 % 12):
        yield Activity(
            event_id=f"a{model}-{number}",
            member_id=member_id,
            occurred_at=last_ms - number * 2 * DAY_MS,
            type="article.read",
            channel="WEB" if kind == 0 else "APP",
        )
    common: dict[str, Any] = {"member_id": member_id, "occurred_at": last_ms - HOUR_MS}
    if sort < 3:
        yield MemberProfile(
            event_id=f"p{model}",
            time_zone="Europe/Berlin",
            country="DE",
            email=f"member-{model}@example.com",
            consents={"EMAIL": True},
            owner_id=f"owner-{model % 50}",
            **common,
        )
    if sort in (4, 5):
        yield ScoreCommand(event_id=f"s{model}", operation="ADD", points=5, **common)
    if sort == 6:
        yield CampaignResponse(
            event_id=f"c{model}",
            response_id=f"r{model}",
            campaign_id=f"campaign-{model % 7}",
            is_response=True,
            status="Closed",
            **common,
        )
    if sort == 7:
        yield EngagementEvent(
            event_id=f"g{model}", engagement_id=f"engagement-{model}", type="ACTIVATED", **common
        )


class _Models(Contender):
    """The partition in which the models live; keeps what its batches would leave in a compacted changelog."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, load_playbooks(DEFAULTS), iter(()))
        self.rows: dict[bytes, bytes | None] = {}

    def _commit(self, batch: list[InputRecord]) -> Decided:
        decided = super()._commit(batch)
        self.rows.update(decided.sealed.parts)
        return decided


def make_models(folder: Path) -> list[Parts]:
    """The stored parts of the models, each as (part number, bytes), without those that wait for something soon.

    `folder` is made, and holds the partition they lived in.
    """
    models = _Models(folder)
    models.feed(lives())
    models.close()
    by_id: dict[str, dict[int, bytes]] = defaultdict(dict)
    for key, body in models.rows.items():
        if body is not None:
            part, member_id = split_part_key(key)
            by_id[member_id][part] = body
    # What stands first in part 0 is when the member is to be woken.
    soon = (START_MS + CALM_MS).to_bytes(8, "big")
    return [list(parts.items()) for parts in by_id.values() if parts[0][:8] >= soon]


def rows_of(number: int, models: list[Parts]) -> list[Row]:
    """The changelog rows of clone `number`."""
    member_id = id_of(number)
    return [(part_key(part, member_id), body) for part, body in models[number % len(models)]]


def changelog_bytes(models: list[Parts]) -> float:
    """Bytes a clone takes in a compacted changelog, on average: in record batches as the writer makes them."""
    batch = DefaultRecordBatchBuilder(
        magic=2,
        compression_type=0,
        is_transactional=1,
        producer_id=1,
        producer_epoch=0,
        base_sequence=0,
        batch_size=1 << 30,
    )
    rows = [row for number in range(len(models)) for row in rows_of(number, models)]
    for offset, (key, body) in enumerate(rows):
        batch.append(offset, START_MS, key, body, [])
    return len(batch.build()) / len(models)
