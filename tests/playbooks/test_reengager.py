"""`kind = "reengager"`: defaults, versions, and values that are refused (contract 6.1)."""

import tomllib

import pytest
from pydantic import ValidationError

from app.domain.instants import DAY_MS, MINUTE_MS
from app.domain.pools import PoolSettings
from app.domain.setup import SetUpRules
from app.domain.transfer import TransferRules
from app.playbooks.loader import DEFAULTS
from app.playbooks.reengager import ReengagerModel


def model(text: str = "") -> ReengagerModel:
    return ReengagerModel.model_validate({"name": "r", "kind": "reengager", **tomllib.loads(text)})


def test_the_defaults_are_the_contracts():
    assert model().model_dump() == {
        "name": "r",
        "kind": "reengager",
        "inactivity": {
            "after": 7 * DAY_MS,
            "tag": "inactive",
            "channels": ["APP"],
            "activities": [
                "appointment.scheduled",
                "article.read",
                "enso_session.started",
                "et_session.started",
                "health_report.made",
                "reminder.created",
                "reminder.updated",
            ],
        },
        "setup": {"completed_by": ["setup.completed"], "steps": ["setup.step_completed"]},
        "transfer": {
            "managed": True,
            "pool": "default",
            "slots_per_day": 20,
            "max_attempts": 3,
            "reset_at": "17:00",
            "time_zone": "America/Los_Angeles",
            "max_lag": 30 * MINUTE_MS,
        },
    }


def test_the_shipped_playbook_spells_out_the_defaults():
    text = (DEFAULTS / "re-engager" / "re-engager.toml").read_text()
    assert model(text) == model('name = "re-engager"')


def test_it_compiles_to_what_the_core_works_with():
    compiled = model(
        'inactivity = { after = "3w", tag = "quiet", channels = ["PHONE"], activities = ["a.b"] }'
    ).compile()
    assert (compiled.name, compiled.kind, compiled.tag) == ("r", "reengager", "quiet")
    assert compiled.after_ms == 21 * DAY_MS
    assert compiled.channels == {"PHONE"}
    assert compiled.activities == {"a.b"}
    assert (
        compiled.version
        == model(
            'inactivity = { after = "3w", tag = "quiet", channels = ["PHONE"], activities = ["a.b"] }'
        ).version()
    )


def test_the_version_is_the_same_in_every_process():
    assert model().version() == "96de616d07bd"


@pytest.mark.parametrize(
    "text",
    [
        'inactivity = { after = "168h" }',
        'inactivity = { tag = "inactive", after = "1w" }',
        'setup = { steps = ["setup.step_completed", "setup.step_completed"] }',
        """inactivity = { activities = ["reminder.updated", "reminder.created", "health_report.made",
            "article.read", "appointment.scheduled", "et_session.started", "enso_session.started"] }""",
    ],
)
def test_what_means_the_same_has_the_same_version(text: str):
    assert model(text).version() == model().version()


@pytest.mark.parametrize(
    "text",
    [
        'name = "x"',
        'inactivity = { after = "8d" }',
        "transfer = { slots_per_day = 21 }",
        "setup = { steps = [] }",
    ],
)
def test_any_other_meaning_has_another_version(text: str):
    assert model(text).version() != model().version()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('inactivity = { after = "0d" }', "longer than nothing"),
        ('inactivity = { after = "-7d" }', "no duration"),
        ('inactivity = { after = "7" }', "no duration"),
        ('inactivity = { after = "1d12h" }', "no duration"),
        ('inactivity = { after = "99999999w" }', "longer than 36500d"),
        ("inactivity = { after = 7 }", "no duration"),
        ('inactivity = { tag = "" }', "at least 1 character"),
        ("inactivity = { channels = [] }", "at least 1 item"),
        ('inactivity = { channels = ["FAX"] }', "'APP'"),
        ('inactivity = { channels = ["APP", "WEB"] }', "WEB never counts"),
        ("inactivity = { activities = [] }", "at least 1 item"),
        ("inactivity = { activities = [1] }", "string"),
        ("transfer = { slots_per_day = 1.5 }", "integer"),
        ("transfer = { slots_per_day = true }", "integer"),
        ("transfer = { max_attempts = 0 }", "greater than or equal to 1"),
        ('transfer = { reset_at = "24:00" }', "no time of day"),
        ('transfer = { reset_at = "5pm" }', "no time of day"),
        ("transfer = { reset_at = 17:00:00 }", 'is written in quotes, as hours and minutes: "17:00"'),
        ("transfer = { reset_at = 17 }", "string"),
        ('transfer = { time_zone = "America/Los_Angles" }', "did you mean America/Los_Angeles?"),
        ('transfer = { time_zone = "berlin" }', "did you mean Europe/Berlin?"),
        ('transfer = { time_zone = "utc" }', "did you mean UTC?"),
        ('transfer = { time_zone = "PST" }', "'PST' is no time zone; write an IANA name, such as"),
        ('transfer = { time_zone = "../etc" }', "no time zone"),
        ('transfer = { time_zone = "" }', "no time zone"),
        ("transfer = { managed = 1 }", "boolean"),
        ('transfer = { pool = "" }', "at least 1 character"),
        ('transfer = { max_lag = "0m" }', "longer than nothing"),
        ('name = "a:b"', "no name"),
        ('name = "a#1"', "no name"),
        ('name = ""', "no name"),
    ],
)
def test_values_that_will_not_do_are_refused(text: str, problem: str):
    with pytest.raises(ValidationError) as caught:
        model(text)
    assert problem in str(caught.value)


def test_set_up_and_transfer_are_compiled_as_written():
    compiled = model(
        'setup = { completed_by = ["done"], steps = ["a", "b"] }\n'
        'transfer = { managed = false, pool = "west", slots_per_day = 5, max_attempts = 2, reset_at = "09:30",'
        ' time_zone = "Europe/Berlin", max_lag = "1h" }'
    ).compile()
    assert compiled.setup == SetUpRules(completed_by=frozenset({"done"}), steps=frozenset({"a", "b"}))
    settings = PoolSettings(slots_per_day=5, max_attempts=2, reset_at="09:30", time_zone="Europe/Berlin")
    assert compiled.transfer == TransferRules(
        managed=False, pool="west", settings=settings, max_lag_ms=60 * MINUTE_MS
    )


def test_the_compiled_defaults_are_those_of_the_core():
    compiled = model().compile()
    assert (compiled.setup, compiled.transfer) == (SetUpRules(), TransferRules())
