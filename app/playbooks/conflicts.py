"""What no playbook has wrong by itself, but several have together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.domain.errors import UserError
from app.domain.pools import PoolSettings
from app.domain.scores import UNCLAMPED
from app.playbooks.points import PointsModel
from app.playbooks.reactivation import ReactivationModel
from app.playbooks.reengager import ReengagerModel, Transfer
from app.playbooks.score import ModifyModel, ScoreModel, TagModel
from app.playbooks.words import DEFAULT_SCORE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.domain.scores import Clamp
    from app.playbooks.loader import Written

_SHORTEST_SLIP = 6


def conflicts(files: list[Written], names: dict[str, str]) -> list[UserError]:
    """All of it, each told at the later file. `names`: of all playbooks by file, also of those that are not in `files`."""
    return [*_names(names), *_tags(files), *_pools(files), *_clamps(files), *_scores(files)]


def _names(names: dict[str, str]) -> Iterator[UserError]:
    files: dict[str, str] = {}
    for file, name in names.items():
        first = files.setdefault(name, file)
        if first != file:
            hint = "names become part of ids; give each playbook its own"
            yield UserError("duplicate-playbook", f"{file}: name", f"{name!r} is also {first}", hint)


def _tags(files: list[Written]) -> Iterator[UserError]:
    """The tag of a re-engager is its alone: it keeps a timer exactly while the tag is not there."""
    owners: dict[str, str] = {}
    for file, model in files:
        if isinstance(model, ReengagerModel):
            tag = model.inactivity.tag
            first = owners.setdefault(tag, file)
            if first != file:
                hint = "two re-engagers would take each other's tag off; give each its own"
                yield UserError(
                    "shared-tag", f"{file}: inactivity.tag", f"{tag!r} is also the tag of {first}", hint
                )
    for file, model in files:
        if isinstance(model, ScoreModel):
            for place, action in enumerate(model.actions):
                if isinstance(action, TagModel) and action.tag in owners:
                    yield UserError(
                        "shared-tag",
                        f"{file}: actions[{place}]",
                        f"{action.tag!r} is the inactivity tag of {owners[action.tag]}",
                        "only the re-engager adds and removes it; choose another tag",
                    )


def _pools(files: list[Written]) -> Iterator[UserError]:
    """A pool has one desk, which works by one set of settings; of unmanaged playbooks it knows nothing."""
    known: dict[str, tuple[str, Transfer]] = {}
    for file, model in files:
        if isinstance(model, ReengagerModel) and model.transfer.managed:
            transfer = model.transfer
            first, other = known.setdefault(transfer.pool, (file, transfer))
            for setting in PoolSettings.__dataclass_fields__:
                here, there = getattr(transfer, setting), getattr(other, setting)
                if here != there:
                    hint = "a pool has one desk: give both playbooks the same, or each a pool of its own"
                    yield UserError(
                        "shared-pool",
                        f"{file}: transfer.{setting}",
                        f"{here!r} differs from {there!r}, which {first} says of pool {transfer.pool!r}",
                        hint,
                    )


def _clamps(files: list[Written]) -> Iterator[UserError]:
    clamps: dict[str, tuple[str, Clamp]] = {}
    for file, model in files:
        if isinstance(model, PointsModel) and model.clamp != UNCLAMPED:
            first, clamp = clamps.setdefault(model.score, (file, model.clamp))
            if clamp != model.clamp:
                yield UserError(
                    "shared-clamp",
                    f"{file}: floor, ceiling",
                    f"score {model.score!r} is clamped differently by {first}",
                    "give both the same floor and ceiling, or only one of them any",
                )


def _scores(files: list[Written]) -> Iterator[UserError]:
    """A score named in one place only, by what looks like a slip of the pen for another: nobody would ever change it.

    Any other name is right, for commands may change any score.
    """
    named = [place for file, model in files for place in _scores_of(file, model)]
    known = {DEFAULT_SCORE}
    for place, score in named:
        meant = next((other for other in sorted(known) if _is_slip(score, other)), None)
        if meant is not None:
            yield UserError("unknown-score", place, f"{score!r} is no known score", f"did you mean {meant}?")
        else:
            known.add(score)


def _scores_of(file: str, model: object) -> Iterator[tuple[str, str]]:
    if isinstance(model, ScoreModel | PointsModel):
        yield f"{file}: score", model.score
    if isinstance(model, ReactivationModel) and model.score_name is not None:
        yield f"{file}: score", model.score_name
    if isinstance(model, ScoreModel):
        for place, action in enumerate(model.actions):
            if isinstance(action, ModifyModel) and action.score is not None:
                yield f"{file}: actions[{place}].score", action.score


def _is_slip(score: str, other: str) -> bool:
    """Whether two names differ in case, dashes and spaces alone, or by one letter too many, missing or swapped.

    Not by one at the end, nor by another letter in its place: `tier1` and `tier2`, `tier_a` and `tier_b` are scores.
    """
    if score == other:
        return False
    one, two = ("".join(letter for letter in name.casefold() if letter.isalnum()) for name in (score, other))
    if one == two:
        return True
    if min(len(one), len(two)) < _SHORTEST_SLIP:
        return False
    if len(one) == len(two):
        return any(one[:at] + one[at + 1] + one[at] + one[at + 2 :] == two for at in range(len(one) - 1))
    short, long = sorted((one, two), key=len)
    return any(long[at].isalpha() and long[:at] + long[at + 1 :] == short for at in range(len(long) - 1))
