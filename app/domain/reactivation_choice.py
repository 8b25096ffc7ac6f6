"""Which response a reactivation makes active, if any (contract 6.3). Pure: responses in, one word out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.domain.responses import Response

RESPONSE_REACTIVATED = "RESPONSE_REACTIVATED"
NON_RESPONSE_ACTIVATED = "NON_RESPONSE_ACTIVATED"
DEFAULT_INSERTED = "DEFAULT_INSERTED"
PROMPT_KEPT = "PROMPT_KEPT"
NONE_FOUND = "NONE_FOUND"

MARKING = frozenset({RESPONSE_REACTIVATED, NON_RESPONSE_ACTIVATED})
"""Actions after which a response counts as reactivated before."""


class DefaultResponse(NamedTuple):
    """What is inserted where nothing is found; `status`: the campaign's word for it, told to those who insert it."""

    campaign_id: str
    status: str | None = None


class Choice(NamedTuple):
    """What is to be done: `action` as in the record, to the response of that id, or by inserting `default`."""

    action: str
    response_id: str = ""
    default: DefaultResponse | None = None


@dataclass(frozen=True, kw_only=True)
class ChoiceRules:
    """What a reactivation playbook says of the choice.

    Attributes:
        look_back_ms: a response that occurred at most so long before the trigger is recent.
        needs_all: whether all three signs of eligibility must be there; else one is enough.
        eligible_statuses: statuses that are such a sign.
        takes_non_responses: whether a non-response will do where no response does.
        skips_active: whether a response in an active status ends the matter.
        active_statuses: those statuses, the playbook's own included.
        excluded_campaigns: whose responses are never eligible.
        prompt_campaigns: whose responses are triggers and no candidates; empty unless it listens to them.
        default: inserted where nothing else is found; None: nothing is.
    """

    look_back_ms: int
    needs_all: bool = False
    eligible_statuses: frozenset[str] = frozenset()
    takes_non_responses: bool = True
    skips_active: bool = True
    active_statuses: frozenset[str] = frozenset()
    excluded_campaigns: frozenset[str] = frozenset()
    prompt_campaigns: frozenset[str] = frozenset()
    default: DefaultResponse | None = None


def choose(
    rules: ChoiceRules, responses: Mapping[str, Response], triggered_ms: int, prompt: str | None = None
) -> Choice | None:
    """What is to be done about a trigger of `triggered_ms`; None: nothing at all, for a response is active.

    `prompt` is the response that was the trigger, if one was; it is kept where nothing is found.
    """
    if rules.skips_active and latest_active(rules, responses) is not None:
        return None
    found = latest_eligible(rules, responses, triggered_ms, is_response=True)
    if found is not None:
        return Choice(RESPONSE_REACTIVATED, found)
    if rules.takes_non_responses:
        found = latest_eligible(rules, responses, triggered_ms, is_response=False)
        if found is not None:
            return Choice(NON_RESPONSE_ACTIVATED, found)
    if rules.default is not None:
        return Choice(DEFAULT_INSERTED, default=rules.default)
    if rules.prompt_campaigns and prompt is not None and prompt in responses:
        return Choice(PROMPT_KEPT, prompt)
    return Choice(NONE_FOUND)


def latest_active(rules: ChoiceRules, responses: Mapping[str, Response]) -> str | None:
    """The most recent response that is being worked on, a prompt campaign's own aside."""
    return _latest(
        responses,
        {
            response_id
            for response_id, response in responses.items()
            if response.status in rules.active_statuses and response.campaign_id not in rules.prompt_campaigns
        },
    )


def latest_eligible(
    rules: ChoiceRules, responses: Mapping[str, Response], triggered_ms: int, *, is_response: bool
) -> str | None:
    """The most recent eligible response, or non-response, by (occurred_at, response_id)."""
    return _latest(
        responses,
        {
            response_id
            for response_id, response in responses.items()
            if response.is_response is is_response and is_eligible(rules, response, triggered_ms)
        },
    )


def is_eligible(rules: ChoiceRules, response: Response, triggered_ms: int) -> bool:
    """Whether a response, or non-response, may be chosen for a trigger of that instant."""
    if response.campaign_id in rules.excluded_campaigns or response.campaign_id in rules.prompt_campaigns:
        return False
    signs = (
        not response.reactivated,
        response.status in rules.eligible_statuses,
        triggered_ms - response.occurred_ms <= rules.look_back_ms,
    )
    return all(signs) if rules.needs_all else any(signs)


def _latest(responses: Mapping[str, Response], among: set[str]) -> str | None:
    return max(among, key=lambda response_id: (responses[response_id].occurred_ms, response_id), default=None)
