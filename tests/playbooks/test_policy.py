"""`policy.toml` (contract 6.6)."""

import tomllib

import pytest
from pydantic import ValidationError

from app.domain.instants import DAY_MS, MINUTE_MS
from app.playbooks.policy import PolicyModel


def policy(text: str = "") -> PolicyModel:
    return PolicyModel.model_validate(tomllib.loads(text))


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


def test_it_compiles_to_what_the_core_works_with():
    compiled = policy(
        """
        channels = ["SMS", "PUSH"]
        quiet = { from = "20:30", to = "07:15" }
        holidays = false
        caps = { "7d" = 3, "12h" = 1 }
        hold_out_percent = 12.5
        spread = "1h"
        consent_default = { PUSH = true }
        """
    ).compile()
    assert compiled.channels == ("SMS", "PUSH")
    assert (compiled.quiet_from, compiled.quiet_to) == (20 * 60 + 30, 7 * 60 + 15)
    assert compiled.caps == ((DAY_MS // 2, 1), (7 * DAY_MS, 3))
    assert (compiled.holidays, compiled.hold_out_percent, compiled.spread_ms) == (False, 12.5, 60 * MINUTE_MS)
    assert compiled.consent_default == {"PUSH": True}


def test_what_means_the_same_has_the_same_version():
    spelt_out = """
        caps = { "168h" = 3, "24h" = 1 }
        hold_out_percent = 0.0
        consent_default = { SMS = false, IN_APP = true, EMAIL = true }
        """
    assert policy(spelt_out).compile().version == policy().compile().version
    assert policy("holidays = false").compile().version != policy().compile().version


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
