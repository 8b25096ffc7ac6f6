"""`kind = "progress"`: defaults, what it compiles to, and what `reengage check` refuses (contract 6.5)."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING

import pytest

from app.domain.errors import UserErrors
from app.domain.instants import DAY_MS, MINUTE_MS, WEEK_MS
from app.domain.progress import Template
from app.playbooks.loader import DEFAULTS, load_playbooks
from app.playbooks.progress import ProgressModel

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

BAD = {
    'templates.x = { threshold = "0s" }': (
        "templates.x.threshold",
        'must be longer than nothing; write "none" for engagements that are not to be tracked',
    ),
    'templates.x = { threshold = "-3w" }': ("templates.x.threshold", "'-3w' is no duration"),
    'templates.x = { threshold = "never" }': ("templates.x.threshold", "'never' is no duration"),
    "templates.x = { threshold = 3 }": ("templates.x.threshold", "3 is no duration"),
    'templates.x = { notifications = "yes" }': ("templates.x.notifications", "'yes' is not a valid boolean"),
    'templates.x = { treshold = "3w" }': ("templates.x.treshold", "unknown key"),
    "templates.x = 5": ("templates.x", "5 is not"),
    "templates.default = 5": ("templates.default", "5 is not"),
    "templates = 5": ("templates", "5 is not"),
    'templates."" = {}': ("templates.", "must not be an empty text"),
    'template.x = { threshold = "3w" }': ("template", "unknown key"),
    'digest = "0s"': ("digest", "must be longer than nothing"),
    'digest = "soon"': ("digest", "'soon' is no duration"),
}


def model(text: str) -> ProgressModel:
    return ProgressModel.model_validate({"name": "p", "kind": "progress", **tomllib.loads(text)})


def test_the_defaults_are_the_contracts():
    compiled = model("").compile()
    assert compiled.templates == {"default": Template(None, notifies=True)}
    assert compiled.digest_ms == 15 * MINUTE_MS


def test_a_template_that_says_nothing_has_three_weeks_and_tells_but_the_default_one_has_no_threshold():
    compiled = model("[templates.executive]\n[templates.default]\n").compile()
    assert compiled.templates == {"default": Template(None), "executive": Template(3 * WEEK_MS)}


def test_the_default_template_is_there_also_where_only_others_are_written():
    assert model("[templates.executive]\n").compile().templates["default"] == Template(None)


def test_it_compiles_to_what_the_core_works_with():
    compiled = model(
        """
        digest = "1h"
        [templates.default]
        threshold = "5d"
        notifications = false
        """
    ).compile()
    assert compiled.templates == {"default": Template(5 * DAY_MS, notifies=False)}
    assert compiled.digest_ms == 60 * MINUTE_MS


def test_the_version_tells_what_differs_and_nothing_else():
    assert model("").version() == model('templates.default = { threshold = "none" }').version()
    assert model("[templates.x]").version() == model('templates.x = { threshold = "21d" }').version()
    assert model("").version() != model("[templates.x]").version()


@pytest.mark.parametrize("text", BAD)
def test_what_will_not_do_is_refused_with_its_place(folder: Callable[..., Path], text: str):
    place, problem = BAD[text]
    with pytest.raises(UserErrors) as caught:
        load_playbooks(folder(p=f'kind = "progress"\n{text}\n'))
    (error,) = caught.value.errors
    assert error.place.endswith(f"p.toml: {place}")
    assert problem in error.problem


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ('templates.x = { treshold = "3w" }', "threshold"),
        ("template = {}", "templates"),
        ("digst = 1", "digest"),
    ],
)
def test_an_unknown_key_is_refused_with_the_nearest_known_one(
    folder: Callable[..., Path], text: str, hint: str
):
    with pytest.raises(UserErrors) as caught:
        load_playbooks(folder(p=f'kind = "progress"\n{text}\n'))
    assert [error.hint for error in caught.value.errors] == [f"did you mean {hint}?"]


def test_the_shipped_one_tracks_what_is_launched_as_standard():
    (shipped,) = load_playbooks(DEFAULTS / "engagement-progress").playbooks
    assert (shipped.kind, shipped.name) == ("progress", "progress")
    assert shipped.templates == {"default": Template(None), "standard": Template(3 * WEEK_MS)}
