"""Random histories of members: weeks of event time, seven topics, every encoding, and everything that goes wrong."""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from app.domain.events import (
    Activity,
    CampaignResponse,
    EngagementEvent,
    Input,
    MemberProfile,
    OperatorCommand,
    ScoreCommand,
    TransferEvent,
)
from app.wire.codec import Codec
from app.wire.partitioner import murmur2_partition
from tests.integration.deployment import Sent

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
START_MS = 1_736_121_600_000  # 2025-01-06
QUALIFYING = ("article.read", "et_session.started", "reminder.created", "health_report.made")

PERSONAS: dict[str, tuple[float, float, str]] = {
    "active": (0.0, 1.0, "APP"),
    "new": (0.5, 1.0, "APP"),
    "lapsing": (0.0, 0.3, "APP"),
    "web": (0.0, 1.0, "WEB"),
}
"""By persona: from when to when of the history the member shows up, and where. `returning` shows up at both ends."""


def write_files(folder: Path, files: Mapping[str, str]) -> str:
    """Write playbooks by their files' names; returns the folder for REENGAGE_PLAYBOOKS."""
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_text(content, "utf-8")
    return str(folder)


class Paced:
    """What histories of one system have in common: records at even steps of time, of members drawn at random.

    Args:
        seed: of everything random; a history is the same for the same seed.
        records, members, days: how much of each.
        name: how the members' ids begin.
    """

    def __init__(self, seed: int, *, records: int, members: int, days: float, name: str = "member") -> None:
        self._random = random.Random(seed)
        self._records = records
        self._span_ms = round(days * DAY_MS)
        self._members = [f"{name}-{seed}-{number}" for number in range(members)]
        self._codec = Codec()

    def _instants(self, late_ms: Sequence[int], step_ms: int) -> Iterator[tuple[str, int]]:
        """(event id, instant in ms) of each record, in multiples of `step_ms`; every tenth is late by one of `late_ms`."""
        rnd = self._random
        for number in range(self._records):
            at_ms = START_MS + round(number / self._records * self._span_ms)
            if rnd.random() < 0.1:
                at_ms -= rnd.choice(late_ms)
            yield f"e{number}", at_ms - at_ms % step_ms


class History:
    """One history, the same for the same seed.

    Args:
        seed: of everything random.
        records, members, days: how much of each, about.
        partitions: of the input topics; with more than one, some records lie in another's than their key's.
        bad: share of records that are not valid or not where they belong.
    """

    def __init__(
        self,
        seed: int,
        *,
        records: int,
        members: int = 40,
        days: float = 42,
        partitions: int = 2,
        bad: float = 0.05,
    ) -> None:
        self._random = random.Random(seed)
        self._records = records
        self._span_ms = round(days * DAY_MS)
        self._partitions = partitions
        self._bad = bad
        names = (*PERSONAS, "returning")
        self._members = [f"{names[n % len(names)]}-{seed}-{n}" for n in range(members)]
        self._avro, self._json = Codec(), Codec(encoding="json")
        self._sent: list[Sent] = []
        self._number = 0

    def __iter__(self) -> Iterator[Sent]:
        """The records, in the order in which they are to be produced."""
        for number in range(self._records):
            progress = number / self._records
            sent = self._next(progress, START_MS + round(progress * self._span_ms))
            self._sent.append(sent)
            yield sent

    def _next(self, progress: float, now_ms: int) -> Sent:
        chance = self._random.random()
        member = self._who(progress)
        if chance < self._bad:
            return self._spoilt(self._record(member, now_ms))
        if chance < self._bad + 0.04 and self._sent:
            return self._random.choice(self._sent[-200:])
        return self._encoded(self._record(member, now_ms))

    def _who(self, progress: float) -> str:
        while True:
            member = self._random.choice(self._members)
            persona = member.partition("-")[0]
            if persona == "returning":
                if not 0.25 < progress < 0.75:
                    return member
            elif PERSONAS[persona][0] <= progress <= PERSONAS[persona][1]:
                return member

    def _record(self, member: str, now_ms: int) -> Input:
        rnd = self._random
        if rnd.random() < 0.12:
            now_ms -= rnd.choice((HOUR_MS, DAY_MS, 3 * DAY_MS, 7 * DAY_MS, 10 * DAY_MS))
        # Whole hours, so that instants meet: the same one for many, and gaps of exactly seven days.
        at_ms = now_ms - now_ms % HOUR_MS
        self._number += 1
        common = {"event_id": f"e{self._number}", "member_id": member, "occurred_at": at_ms}
        if rnd.random() < 0.7:
            channel = "WEB" if member.startswith("web") else rnd.choice(("APP", "APP", "APP", "WEB", "EMAIL"))
            kind = rnd.choice((*QUALIFYING, *QUALIFYING, "page.viewed"))
            return Activity(**common, type=kind, channel=channel, attributes={"n": self._number, "x": None})
        return rnd.choice(MAKERS)(rnd, common)

    def _encoded(self, record: Input) -> Sent:
        codec = self._json if self._random.random() < 0.15 else self._avro
        return Sent(record.topic, record.member_id.encode(), codec.encode(record))

    def _spoilt(self, record: Input) -> Sent:
        """One of the ways in which a record is not as it should be; some are decoded bad, some lie wrong."""
        good = self._encoded(record)
        text = self._json.encode(record)
        elsewhere = self._random.randrange(self._partitions)
        choices: tuple[Sent, ...] = (
            good._replace(value=self._random.randbytes(12)),
            good._replace(value=b""),
            good._replace(value=None),
            good._replace(value=b"\xc3\x01" + self._random.randbytes(8) + b"any"),
            good._replace(value=b"\x00\x00\x00\x00\x07any"),
            good._replace(value=text[:-3]),
            good._replace(value=text[:-1] + b',"colour":"red"}'),
            good._replace(value=text.replace(b'"occurred_at"', b'"ocurred_at"')),
            good._replace(key=None, partition=elsewhere),
            good._replace(key=b"somebody-else"),
            good._replace(partition=elsewhere),
            good._replace(partition=elsewhere),
            good._replace(partition=elsewhere, value=b"\xff\xfe"),
            self._encoded(self._at(record, 900_000_000_000)),
            self._encoded(self._at(record, 4_102_444_800_000)),
        )
        return self._random.choice(choices)

    @staticmethod
    def _at(record: Input, at_ms: int) -> Input:
        fields = {name: getattr(record, name) for name in record.__struct_fields__}
        return type(record)(**(fields | {"occurred_at": at_ms}))


def _profile(rnd: random.Random, common: dict[str, Any]) -> Input:
    consents = {"SMS": rnd.choice((True, False, None))} if rnd.random() < 0.3 else {}
    return MemberProfile(
        **common,
        time_zone=rnd.choice((None, "Europe/Berlin", "America/New_York")),
        owner_id=rnd.choice((None, "o1", "o2")),
        coach_id=rnd.choice((None, "c1")),
        company_id=rnd.choice((None, "k1")),
        consents=consents,
    )


def _transfer(rnd: random.Random, common: dict[str, Any]) -> Input:
    kind = rnd.choice(("PROGRAM_ASSIGNED", "TRANSFERRED", "TRANSFERRED", "CANCELLED"))
    return TransferEvent(**common, type=kind, mode=rnd.choice(("MANUAL", None)))


def _command(rnd: random.Random, common: dict[str, Any]) -> Input:
    member, at_ms = common["member_id"], common["occurred_at"]
    workflow = f"re-engager:{member}:{rnd.randint(1, 3)}"
    if rnd.random() < 0.8:
        return OperatorCommand(**common, type="RESOLVE_WORKFLOW", workflow_id=workflow, issued_by="op")
    return OperatorCommand(**common, type="SNOOZE_NUDGES", until=at_ms + DAY_MS, issued_by="op")


def _score(rnd: random.Random, common: dict[str, Any]) -> Input:
    return ScoreCommand(**common, operation="ADD", points=rnd.randint(0, 20))


def _campaign(rnd: random.Random, common: dict[str, Any]) -> Input:
    number = rnd.randint(1, 5)
    return CampaignResponse(
        **common, response_id=f"r{number}", campaign_id="spring", is_response=number > 2, status="Sent"
    )


def _engagement(rnd: random.Random, common: dict[str, Any]) -> Input:
    kind = rnd.choice(("LAUNCHED", "ACTIVATED", "COMPLETED"))
    return EngagementEvent(**common, engagement_id=f"g-{common['member_id']}", type=kind)


MAKERS: tuple[Callable[[random.Random, dict[str, Any]], Input], ...] = (
    _profile,
    _profile,
    _transfer,
    _transfer,
    _command,
    _command,
    _score,
    _campaign,
    _engagement,
)


def belongs_to(member: str, partitions: int) -> int:
    """The partition of a member's records."""
    return murmur2_partition(member.encode(), partitions)
