"""High-intent playbooks for the core's tests, a member's sessions told in minutes, and companies beside the members."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.domain.companies import CompanyCore
from app.domain.crossings import CompanyUp, CompanyWait
from app.domain.engine import Engine
from app.domain.events import CompanyStatus
from app.domain.instants import DAY_MS, MINUTE_MS
from app.domain.memory import MemoryDeadlines, MemoryEntities
from app.domain.outputs import Nudge, NudgeSuppressed, WorkflowOpened, WorkflowResolved
from app.domain.sink import Sink
from app.playbooks.high_intent import HighIntentModel
from tests.domain.conftest import MONDAY_MS, RestartingEntities, Story
from tests.domain.scoring import policy

if TYPE_CHECKING:
    from app.domain.high_intent import HighIntent

MINUTE = MINUTE_MS / DAY_MS
HOUR = 60 * MINUTE

AUTHENTICATION = "Viewed Authentication Failed Page"
MAINTENANCE = "Viewed Under Maintenance Page"
LATENCY = "Viewed High Latency Page"
MFA = "Viewed MFA Page"
TASK_FAILED = "Viewed Task Failed Page"
LATE = "Viewed Distribution Confirmation Page"
SUCCESS = "Viewed Task Completed Page"

PLAN = [{"after": "1h"}, {"after": "24h", "template": "day-{segment}"}, {"after": "72h", "incentive": "gift"}]


def intent(name: str = "i", **keys: Any) -> HighIntent:
    """A high-intent playbook; without `nudges` of the shipped three steps."""
    keys = {
        "name": name,
        "kind": "high_intent",
        "deep_link": "app://go?s={step}&c={company_id}&m={member_id}",
        "nudges": PLAN,
        **keys,
    }
    return HighIntentModel.model_validate(keys).compile()


class Sessions(Story):
    """A story told in minutes after that Monday, 10 o'clock, with a policy in nobody's way and companies beside."""

    def __init__(
        self, *playbooks: Any, entities: Any = None, restarting: bool = False, rules: Any = None, **keys: Any
    ) -> None:
        super().__init__(*(playbooks or (intent(**keys),)), entities=entities, policy=rules or policy())
        core = CompanyCore(self.core.playbooks)
        kept: Any = RestartingEntities(core) if restarting else MemoryEntities()
        if restarting:
            self.engine.entities = RestartingEntities(self.core)  # type: ignore[assignment]
        self.companies: Engine[Any] = Engine(core, kept, MemoryDeadlines(), Sink())
        self.crossed: list[Any] = []

    def start(self, at: float, **keys: Any) -> list[str]:
        return self._do(at, "transact.started", **keys)

    def page(self, at: float, name: str | None = "Home", **keys: Any) -> list[str]:
        arrived, member = keys.pop("arrived", None), keys.pop("member", "m1")
        attributes = {**({} if name is None else {"name": name}), **keys}
        return self._do(at, "transact.interaction", arrived=arrived, member=member, attributes=attributes)

    def finish(self, at: float, **keys: Any) -> list[str]:
        return self._do(at, "transact.finished", **keys)

    def close(self, at: float, **keys: Any) -> list[str]:
        return self._do(at, "transact.closed", **keys)

    def fail(self, at: float, page: str = AUTHENTICATION, **keys: Any) -> list[str]:
        """A session of a minute that ends on a page."""
        closing = {name: keys[name] for name in ("member",) if name in keys}
        return [*self.page(at, page, **keys), *self.close(at + 1, **closing)]

    def status(self, at: float, status: str = "OPERATIONAL", company: str = "acme", **keys: Any) -> list[str]:
        record = CompanyStatus(
            event_id=keys.get("event_id") or f"{status} {at}",
            company_id=company,
            occurred_at=instant(at),
            status=status,
        )
        self.let_pass(instant(keys.get("arrived", at)))
        self.companies.apply(company, record)
        return self.say(self._take())

    def wait(self, until: float) -> list[str]:
        """Let time pass, for the companies too."""
        return self.let_pass(instant(until))

    def let_pass(self, until_ms: int) -> list[str]:
        passed = len(self.outputs)
        while (due_ms := self._next_due_ms()) <= until_ms:
            self.companies.move_time(due_ms)
            self._exchange()
            self.engine.move_time(due_ms)
            self._exchange()
        self.companies.move_time(until_ms)
        self.engine.move_time(until_ms)
        self._exchange()
        return self.say(self.outputs[passed:])

    def record(self, record: Any, arrived: float | None = None) -> list[Any]:
        at_ms = record.occurred_at if arrived is None else round(MONDAY_MS + arrived * DAY_MS)
        passed = len(self.outputs)
        self.let_pass(at_ms)
        self.engine.apply(record.member_id, record)
        self._take()
        return self.outputs[passed:]

    def say(self, outputs: list[Any]) -> list[str]:
        """Workflows and nudges in a few words each, instants in minutes."""
        return [words(each) for each in outputs if isinstance(each, tuple(_WORDS))]

    def kept(self, kind: type) -> list[Any]:
        """Everything of a kind put out so far."""
        return [output for output in self.outputs if isinstance(output, kind)]

    def _do(self, at: float, kind: str, **keys: Any) -> list[str]:
        arrived = keys.pop("arrived", None)
        late = None if arrived is None else arrived * MINUTE
        outputs = self.activity(at * MINUTE, type=kind, arrived=late, **keys)
        return self.say(outputs)

    def _next_due_ms(self) -> int:
        firsts = [engine.deadlines.first() for engine in (self.companies, self.engine)]
        return min((first[0] for first in firsts if first is not None), default=1 << 62)

    def _take(self) -> list[Any]:
        before = len(self.outputs)
        self._exchange()
        return self.outputs[before:]

    def _exchange(self) -> None:
        """What crosses is there at once, as in `simulate`."""
        while crossing := [*self.sink.take(), *self.companies.sink.take()]:
            for output in crossing:
                if isinstance(output, CompanyWait):
                    self.crossed.append(output)
                    self.companies.apply(output.company_id, output)
                elif isinstance(output, CompanyUp):
                    self.crossed.append(output)
                    self.engine.apply(output.member_id, output)
                else:
                    self.outputs.append(output)


def instant(minute: float) -> int:
    return MONDAY_MS + round(minute * MINUTE_MS)


def minutes(instant_ms: int) -> float:
    return (instant_ms - MONDAY_MS) / MINUTE_MS


def words(output: Any) -> str:
    """Such as `1 opened i:m1:1 known_error:mfa`."""
    return f"{minutes(output.occurred_at):g} {_WORDS[type(output)](output)}"


_WORDS: dict[type, Any] = {
    WorkflowOpened: lambda o: f"opened {o.workflow_id} {o.reason}",
    WorkflowResolved: lambda o: f"resolved {o.workflow_id} {o.resolution}",
    Nudge: lambda o: f"nudge {o.nudge_id} {o.template}",
    NudgeSuppressed: lambda o: f"no nudge {o.nudge_id} {o.template} {o.reason}",
}
