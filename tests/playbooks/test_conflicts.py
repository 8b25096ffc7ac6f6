"""Pools that several re-engagers share: one desk, one set of settings."""

import pytest

from app.domain.errors import UserErrors
from app.playbooks.loader import load_playbooks

KIND = 'kind = "reengager"\n'
QUIET = 'inactivity = { tag = "quiet" }\n'


def problems(path) -> list[tuple[str, str]]:
    """(place below the folder, problem) of everything found wrong."""
    with pytest.raises(UserErrors) as caught:
        load_playbooks(path)
    assert {error.reference for error in caught.value.errors} == {"shared-pool"}
    return [(error.place.removeprefix(f"{path}/"), error.problem) for error in caught.value.errors]


def test_two_playbooks_that_agree_share_a_pool(folder):
    load_playbooks(folder(a=KIND, b=KIND + QUIET))


def test_two_that_differ_are_refused_at_each_setting(folder):
    path = folder(
        a=KIND,
        b=KIND
        + QUIET
        + 'transfer = { slots_per_day = 5, reset_at = "09:00", time_zone = "UTC", max_attempts = 1 }',
    )
    first = path / "a.toml"
    assert problems(path) == [
        ("b.toml: transfer.slots_per_day", f"5 differs from 20, which {first} says of pool 'default'"),
        ("b.toml: transfer.max_attempts", f"1 differs from 3, which {first} says of pool 'default'"),
        ("b.toml: transfer.reset_at", f"'09:00' differs from '17:00', which {first} says of pool 'default'"),
        (
            "b.toml: transfer.time_zone",
            f"'UTC' differs from 'America/Los_Angeles', which {first} says of pool 'default'",
        ),
    ]


@pytest.mark.parametrize("apart", ['pool = "own"', "managed = false"])
def test_each_pool_and_each_unmanaged_playbook_has_settings_of_its_own(folder, apart: str):
    load_playbooks(folder(a=KIND, b=f"{KIND}{QUIET}transfer = {{ slots_per_day = 5, {apart} }}"))


def test_the_lag_of_an_unmanaged_playbook_is_no_setting_of_the_pool(folder):
    load_playbooks(folder(a=KIND, b=KIND + QUIET + 'transfer = { max_lag = "1h" }'))
