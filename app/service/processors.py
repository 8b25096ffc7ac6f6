"""The processors a worker runs: for each kind of entity its core and the topics that feed it (contract 2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.domain.companies import CompanyCore
from app.domain.crossings import (
    CompanyUp,
    CompanyWait,
    DigestItem,
    MemberMoved,
    TransferAnswer,
    TransferQueued,
    TransferWithdrawn,
)
from app.domain.desk import DeskCore
from app.domain.digest import DigestCore
from app.domain.events import CompanyStatus, PoolCapacity
from app.domain.members import MemberCore
from app.runtime.processor import Processor
from app.wire.topics import COMPANIES_REROUTED, DESK_REROUTED, MEMBER_INPUTS, REROUTED

if TYPE_CHECKING:
    from app.domain.playbook_set import PlaybookSet


def processors(playbooks: PlaybookSet) -> list[Processor]:
    """All processors, under these playbooks."""
    return [
        Processor(
            name="members",
            inputs=(CompanyUp.topic, MemberMoved.topic, REROUTED, TransferAnswer.topic, *MEMBER_INPUTS),
            key_field="member_id",
            rerouted=REROUTED,
            make_core=lambda: MemberCore(playbooks),
        ),
        Processor(
            name="desk",
            inputs=(DESK_REROUTED, TransferQueued.topic, TransferWithdrawn.topic, PoolCapacity.topic),
            key_field="pool",
            rerouted=DESK_REROUTED,
            make_core=lambda: DeskCore(playbooks),
        ),
        Processor(
            name="companies",
            inputs=(COMPANIES_REROUTED, CompanyWait.topic, CompanyStatus.topic),
            key_field="company_id",
            rerouted=COMPANIES_REROUTED,
            make_core=lambda: CompanyCore(playbooks),
        ),
        Processor(
            name="digests",
            inputs=(DigestItem.topic,),
            key_field="owner_id",
            rerouted="",
            make_core=lambda: DigestCore(playbooks),
            outputs_apart=True,
        ),
    ]
