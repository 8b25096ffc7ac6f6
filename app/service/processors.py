"""The processors a worker runs: for each kind of entity its core and the topics that feed it (contract 2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.domain.members import MemberCore
from app.runtime.processor import Processor
from app.wire.topics import MEMBER_INPUTS, REROUTED

if TYPE_CHECKING:
    from app.domain.playbook_set import PlaybookSet


def processors(playbooks: PlaybookSet) -> list[Processor]:
    """All processors, under these playbooks."""
    return [
        Processor(
            name="members",
            inputs=(REROUTED, *MEMBER_INPUTS),
            key_field="member_id",
            make_core=lambda: MemberCore(playbooks),
        ),
    ]
