"""`policy.toml` (contract 6.6)."""

import tomllib

import pytest
from pydantic import ValidationError

from app.domain.instants import DAY_MS, MINUTE_MS
from app.playbooks.policy import Policy


def policy(text: str = "") -> Policy:
    return Policy.model_validate(tomllib.loads(text))


def test_the_defaults_are_the_contracts():
    assert policy().model_dump(by_alias=True) == {
        "channels": ["IN_APP", "EMAIL", "SMS"],
        "quiet": {"from": "21:00", "to": "08:00"},
        "holidays": True,
        "caps": {DAY_MS: 1, 7 * DAY_MS: 3},
        "hold_out_percent": 0,
        "spread": 15 * MINUTE_MS,
        "consent_default": {"EMAIL": True, "SMS": False, "IN_APP": True},
    }


def test_no_caps_and_no_spread_are_allowed():
    assert policy('caps = {}\nspread = "0s"').caps == {}


@pytest.mark.parametrize(
    "text",
    [
        "channels = []",
        'channels = ["FAX"]',
        'channels = ["SMS", "SMS"]',
        'quiet = { from = "9pm" }',
        'caps = { "1d" = -1 }',
        'caps = { "0d" = 1 }',
        'caps = { "day" = 1 }',
        "hold_out_percent = 101",
        "hold_out_percent = -1",
        "consent_default = { FAX = true }",
        'consent_default = { SMS = "no" }',
        'spread = "soon"',
        "holidays = 1",
        "quite = {}",
    ],
)
def test_values_that_will_not_do_are_refused(text: str):
    with pytest.raises(ValidationError):
        policy(text)
