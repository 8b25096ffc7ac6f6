"""One watched member in a story of the core's tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.domain.engine import Engine
from app.domain.explain.watch import WatchedMembers
from app.domain.memory import MemoryDeadlines, MemoryEntities
from tests.domain.conftest import Story

if TYPE_CHECKING:
    from app.domain.explain.considered import Considered
    from app.domain.explain.step import Step
    from app.domain.playbook import Playbook
    from app.domain.policy import Policy


class WatchedStory(Story):
    """A story of which `steps` are those of member m1."""

    def __init__(self, *playbooks: Playbook, policy: Policy | None = None) -> None:
        super().__init__(*playbooks, policy=policy)
        self.steps: list[Step] = []
        self.watched = WatchedMembers(self.core.playbooks, "m1")
        self.watched.tell = self.steps.append
        self.core = self.watched
        self.engine = Engine(self.watched, MemoryEntities(), MemoryDeadlines(), self.sink)

    def considered(self, playbook: str) -> list[Considered]:
        """What a playbook considered in the last step."""
        return [each for each in self.steps[-1].considered if each.playbook == playbook]

    def why_not(self, playbook: str) -> list[str]:
        """Of what it did not do in the last step, the first condition that failed, in words."""
        return [_failed(each) for each in self.considered(playbook) if not each.holds]


def _failed(considered: Considered) -> str:
    assert considered.failed is not None
    return considered.failed.says


def all_says(considered: Considered) -> list[tuple[bool, str]]:
    """Every condition: whether it holds, and the sentence."""
    return [(condition.holds, condition.says) for condition in considered.conditions]
