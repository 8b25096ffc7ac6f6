"""Which response is chosen, over all combinations of candidates, against a model that knows no shortcuts."""

from __future__ import annotations

from itertools import product
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.reactivation_choice import ChoiceRules, DefaultResponse, choose
from app.domain.responses import Response

TRIGGER, LOOK_BACK = 1_000_000, 1_000
PROMPT = "p"


class Settings(NamedTuple):
    """The settings the choice depends on, as people write them."""

    eligible: str = "any"
    eligible_statuses: tuple[str, ...] = ("done",)
    non_responses: bool = True
    skip_if_active: bool = True
    default: bool = False
    listens_to_prompts: bool = False


def rules(given: Settings) -> ChoiceRules:
    return ChoiceRules(
        look_back_ms=LOOK_BACK,
        needs_all=given.eligible == "all",
        eligible_statuses=frozenset(given.eligible_statuses),
        takes_non_responses=given.non_responses,
        skips_active=given.skip_if_active,
        active_statuses=frozenset({"open", "working"}),
        excluded_campaigns=frozenset({"internal"}),
        prompt_campaigns=frozenset({"prompt"} if given.listens_to_prompts else ()),
        default=DefaultResponse("web") if given.default else None,
    )


def model(given: Settings, responses: dict[str, Response]) -> tuple[str, str] | None:
    """Contract 6.3's second paragraph, read aloud."""
    for response in responses.values():
        is_prompt = given.listens_to_prompts and response.campaign_id == "prompt"
        if given.skip_if_active and response.status in ("open", "working") and not is_prompt:
            return None
    if (found := model_latest(given, responses, is_response=True)) is not None:
        return "RESPONSE_REACTIVATED", found
    if given.non_responses and (found := model_latest(given, responses, is_response=False)) is not None:
        return "NON_RESPONSE_ACTIVATED", found
    if given.default:
        return "DEFAULT_INSERTED", ""
    if given.listens_to_prompts:
        return "PROMPT_KEPT", PROMPT
    return "NONE_FOUND", ""


def model_latest(given: Settings, responses: dict[str, Response], *, is_response: bool) -> str | None:
    """Every response is looked at in turn, the latest first."""
    never = ["internal", "prompt"] if given.listens_to_prompts else ["internal"]
    for _, name in sorted(((each.occurred_ms, name) for name, each in responses.items()), reverse=True):
        response = responses[name]
        signs = 0
        if not response.reactivated:
            signs += 1
        if response.status in given.eligible_statuses:
            signs += 1
        if response.occurred_ms >= TRIGGER - LOOK_BACK:
            signs += 1
        enough = signs >= (3 if given.eligible == "all" else 1)
        if enough and response.is_response == is_response and response.campaign_id not in never:
            return name
    return None


def decided(given: Settings, responses: dict[str, Response]) -> tuple[str, str] | None:
    choice = choose(rules(given), responses, TRIGGER, PROMPT if given.listens_to_prompts else None)
    return None if choice is None else (choice.action, choice.response_id)


def with_prompt(given: Settings, responses: dict[str, Response]) -> dict[str, Response]:
    """The response that set it off is always known when it is decided."""
    if given.listens_to_prompts:
        return {PROMPT: Response("prompt", True, "new", TRIGGER, TRIGGER), **responses}
    return responses


ALL_SETTINGS = [
    Settings(*words)
    for words in product(
        ["any", "all"], [(), ("done",)], [True, False], [True, False], [True, False], [True, False]
    )
]

OLD, BORDER, AFTER = TRIGGER - LOOK_BACK - 1, TRIGGER - LOOK_BACK, TRIGGER + 5

KINDS = [
    Response(campaign, is_response, status, at, at, reactivated)
    for campaign, is_response, status, at, reactivated in product(
        ["webinar", "internal", "prompt"],
        [True, False],
        ["done", "working", "closed"],
        [OLD, BORDER],
        [False, True],
    )
]
"""Every kind of response the choice can tell apart."""


@pytest.mark.parametrize("given_settings", ALL_SETTINGS, ids=lambda each: "-".join(map(str, each)))
def test_none_one_or_two_responses_of_every_kind_under_all_settings(given_settings: Settings):
    assert decided(given_settings, with_prompt(given_settings, {})) == model(given_settings, {})
    for one in KINDS:
        responses = with_prompt(given_settings, {"a": one})
        assert decided(given_settings, responses) == model(given_settings, responses)
        for other in KINDS:
            responses = with_prompt(given_settings, {"a": one, "b": other})
            assert decided(given_settings, responses) == model(given_settings, responses)


@st.composite
def crowds(draw: st.DrawFn) -> dict[str, Response]:
    found: dict[str, Response] = {}
    for name in draw(st.lists(st.sampled_from("abcdefgh"), unique=True, max_size=8)):
        at: Any = draw(st.sampled_from([OLD - 7, OLD, BORDER, BORDER + 1, TRIGGER, AFTER]))
        found[name] = Response(
            draw(st.sampled_from(["webinar", "fair", "internal", "prompt"])),
            draw(st.booleans()),
            draw(st.sampled_from(["done", "done", "closed", "closed", "open", "working"])),
            at,
            at + draw(st.sampled_from([0, 50])),
            draw(st.booleans()),
        )
    return found


@settings(max_examples=2_000)
@given(st.sampled_from(ALL_SETTINGS), crowds())
def test_any_number_of_responses_also_of_one_instant(given_settings: Settings, crowd: dict[str, Response]):
    responses = with_prompt(given_settings, crowd)
    assert decided(given_settings, responses) == model(given_settings, responses)
