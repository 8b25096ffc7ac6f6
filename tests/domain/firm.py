"""One company by itself: what it is told, and what it answers. Instants are minutes, as in `intents`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.domain.companies import CompanyCore
from app.domain.company_state import offset_ms, rank_of
from app.domain.crossings import CompanyWait
from app.domain.engine import Engine
from app.domain.events import CompanyStatus
from app.domain.memory import MemoryDeadlines, MemoryEntities
from app.domain.playbook_set import PlaybookSet
from app.domain.sink import Sink
from tests.domain.conftest import RestartingEntities
from tests.domain.intents import instant, intent, minutes

if TYPE_CHECKING:
    from app.domain.crossings import CompanyUp

COMPANY = "acme"
RELEASE_MS = 15 * 60_000


class Firm:
    """A company in an engine of its own. `restarting`: it is loaded anew each time it is met."""

    def __init__(self, *, restarting: bool = False, **keys: Any) -> None:
        self.core = CompanyCore(PlaybookSet([intent(**keys)]))
        self.sink = Sink()
        entities: Any = RestartingEntities(self.core) if restarting else MemoryEntities()
        self.engine: Engine[Any] = Engine(self.core, entities, MemoryDeadlines(), self.sink)
        self.numbers: dict[str, int] = {}

    def await_it(self, ended: float, member: str, *, since: float | None = None, **keys: Any) -> list[str]:
        """A member waits; its waits are numbered as they come."""
        number = keys.pop("number", None) or self.numbers.get(member, 0) + 1
        self.numbers[member] = number
        return self.hear(wait(ended, member, number, since=since, **keys))

    def status(self, at: float, status: str = "OPERATIONAL", event_id: str | None = None) -> list[str]:
        return self.hear(told(at, status, event_id))

    def hear(self, record: Any, arrived: float | None = None) -> list[str]:
        self.engine.move_time(record.occurred_at if arrived is None else instant(arrived))
        self.engine.apply(COMPANY, record)
        return self.said()

    def until(self, at: float) -> list[str]:
        """Let time pass."""
        self.engine.move_time(instant(at))
        return self.said()

    def said(self) -> list[str]:
        return [words(answer) for answer in self.sink.take()]


def wait(
    ended: float,
    member: str,
    number: int = 1,
    *,
    since: float | None = None,
    workflow: int = 1,
    playbook: str = "i",
) -> CompanyWait:
    own_id = f"{playbook}:{member}:{workflow}"
    return CompanyWait(
        event_id=f"{own_id}/{number}",
        occurred_at=instant(ended),
        cause=f"end of {member}",
        company_id=COMPANY,
        member_id=member,
        playbook=playbook,
        workflow_id=own_id,
        since=instant(ended if since is None else since),
    )


def told(at: float, status: str = "OPERATIONAL", event_id: str | None = None) -> CompanyStatus:
    return CompanyStatus(
        event_id=event_id or f"{status} at {at}", company_id=COMPANY, occurred_at=instant(at), status=status
    )


def offset(member: str, release_ms: int = RELEASE_MS) -> float:
    """A member's offset, in minutes."""
    return offset_ms(rank_of(member), release_ms) / 60_000


def words(answer: CompanyUp) -> str:
    """Such as `12.5 m1/2 timer:release`."""
    return f"{minutes(answer.occurred_at):g} {answer.member_id}/{answer.event_id.rpartition('/')[2]} {answer.cause}"


def released(up: float, member: str, number: int = 1) -> str:
    """The answer to one that was released after the company came back."""
    at_ms = instant(up) + offset_ms(rank_of(member), RELEASE_MS)
    return f"{minutes(at_ms):g} {member}/{number} timer:release"
