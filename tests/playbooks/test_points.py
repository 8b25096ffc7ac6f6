"""`kind = "points"`: defaults, and what it compiles to (contract 6.2)."""

import tomllib

from app.domain.instants import DAY_MS
from app.domain.points import Decay, Limit, Rule
from app.domain.scores import HIGHEST, LOWEST, UNCLAMPED, Clamp
from app.playbooks.points import PointsModel


def model(text: str) -> PointsModel:
    return PointsModel.model_validate({"name": "p", "kind": "points", **tomllib.loads(text)})


def test_the_defaults_are_the_contracts():
    compiled = model('rules = [{ on = "article.read", points = 5 }]').compile()
    assert (compiled.score, compiled.decay, compiled.clamp) == ("engagement", None, UNCLAMPED)
    assert compiled.rules == (Rule("article.read * 1", "article.read", None, 5, None),)


def test_it_compiles_to_what_the_core_works_with():
    compiled = model(
        """
        score = "loyalty"
        floor = 0
        decay = { points = 5, every = "7d" }
        [[rules]]
        on = "article.read"
        channel = "APP"
        points = 5
        at_most = "2 per 1d"
        [[rules]]
        on = "article.read"
        channel = "APP"
        points = 50
        """
    ).compile()
    assert compiled.clamp == Clamp(0, HIGHEST)
    assert compiled.decay == Decay(5, 7 * DAY_MS)
    assert compiled.rules == (
        Rule("article.read APP 1", "article.read", "APP", 5, Limit(2, DAY_MS)),
        Rule("article.read APP 2", "article.read", "APP", 50, None),
    )
    assert model("ceiling = 3").compile().clamp == Clamp(LOWEST, 3)


def test_the_version_is_the_same_in_every_process():
    assert model("floor = 0").version() == "c7dcda1b754e"
