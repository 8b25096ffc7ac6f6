"""How the demo's story is written down: who does what at which instant, and the lines that come of it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import TYPE_CHECKING, Any

import msgspec

from app.wire.instants import format_instant

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

YEAR = 2026


@dataclass(frozen=True)
class Event:
    """One input record of a character.

    Attributes:
        at: when it happened, as `Jan 5 08:55`, in UTC.
        topic: the contract's name.
        fields: of the record, without its ids and its instant.
        delivered: when it reached Kafka, once for each time it did; empty: once, as it happened.
        readable: False for a record that breaks its schema. `produce` would not send it; another program does.
    """

    at: str
    topic: str
    fields: Mapping[str, Any] = field(default_factory=dict)
    delivered: tuple[str, ...] = ()
    readable: bool = True


@dataclass(frozen=True)
class Character:
    """A member of the story: `did` says in a few words what the events are; these stand in the order of `at`."""

    member_id: str
    name: str
    did: str
    events: tuple[Event, ...]


@dataclass(frozen=True)
class Pool:
    """Coaches who share a capacity: how many transfers a day they take from which instant on, in that order."""

    name: str
    slots: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Delivery:
    """An event as it reaches Kafka: `arrived_ms` orders them, `line` is as `produce` and `simulate` read it."""

    arrived_ms: int
    topic: str
    key: str
    readable: bool
    fields: Mapping[str, Any]

    @property
    def line(self) -> bytes:
        """The JSON line."""
        arrived_at = format_instant(self.arrived_ms)
        return msgspec.json.encode({"topic": self.topic, "arrived_at": arrived_at, **self.fields})

    @property
    def value(self) -> bytes:
        """The record in JSON, as a program without our schemas would write it."""
        return msgspec.json.encode(self.fields)


def deliveries(characters: Iterable[Character], pools: Iterable[Pool] = ()) -> list[Delivery]:
    """Everything that reaches Kafka in a story, in that order.

    Event ids are `{member_id}-{n}`, or `{pool}-{n}`, of the n-th event.
    """
    told = chain(
        chain.from_iterable(map(_deliveries_of, characters)), chain.from_iterable(map(_capacities_of, pools))
    )
    return sorted(told, key=lambda delivery: delivery.arrived_ms)


def _capacities_of(pool: Pool) -> Iterator[Delivery]:
    for number, (at, slots) in enumerate(pool.slots, 1):
        at_ms = instant_ms(at)
        fields = {
            "event_id": f"{pool.name}-{number}",
            "pool": pool.name,
            "occurred_at": format_instant(at_ms),
            "slots_per_day": slots,
        }
        yield Delivery(at_ms, "capacity", pool.name, readable=True, fields=fields)


def _deliveries_of(character: Character) -> Iterator[Delivery]:
    for number, event in enumerate(character.events, 1):
        fields = {
            "event_id": f"{character.member_id}-{number}",
            "member_id": character.member_id,
            "occurred_at": format_instant(instant_ms(event.at)),
            **event.fields,
        }
        for arrived in event.delivered or (event.at,):
            yield Delivery(instant_ms(arrived), event.topic, character.member_id, event.readable, fields)


def instant_ms(text: str) -> int:
    """Epoch milliseconds of `Jan 5 08:55` of the story's year, in UTC."""
    return round(_read(text).timestamp() * 1000)


def every(days: int, first: str, last: str, event: Event) -> tuple[Event, ...]:
    """The event once every so many days, from `first` (with its time of day) up to `last`."""
    at, end = _read(first), _read(last)
    times = []
    while at <= end:
        times.append(at.strftime("%b %d %H:%M"))
        at += timedelta(days=days)
    return tuple(replace(event, at=time) for time in times)


def _read(text: str) -> datetime:
    return datetime.strptime(f"{YEAR} {text}", "%Y %b %d %H:%M").replace(tzinfo=UTC)


def signs_up(at: str, email: str) -> Event:
    """The member's profile arrives."""
    return Event(at, "profile", {"email": email, "time_zone": "Europe/Berlin", "country": "DE"})


def in_app(activity: str = "et_session.started", at: str = "") -> Event:
    """Something done in the app; without `at`, for `every`."""
    return Event(at, "activity", {"type": activity, "channel": "APP"})


def on_web(activity: str = "article.read", at: str = "") -> Event:
    """Something done in the browser."""
    return Event(at, "activity", {"type": activity, "channel": "WEB"})


def transferred(at: str, coach: str, mode: str = "AUTOMATIC") -> Event:
    """The member has been handed to a coach: by a system, or MANUAL by a person."""
    return Event(at, "transfer", {"type": "TRANSFERRED", "mode": mode, "coach_id": coach})


def sets_up(at: str) -> Event:
    """The member completes the set-up, wherever that is done."""
    return Event(at, "activity", {"type": "setup.completed", "channel": "WEB"})


def scored(at: str, operation: str, points: int) -> Event:
    """A system that scores members says so."""
    return Event(at, "score", {"operation": operation, "points": points})


def opens_message(at: str, nudge_id: str) -> Event:
    """Whoever delivers the messages tells that the member has opened one."""
    attributes = {"nudge_id": nudge_id}
    return Event(at, "activity", {"type": "nudge.opened", "channel": "APP", "attributes": attributes})
