"""The phrases of playbooks: conditions, limits, names of scores, texts with placeholders, links."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, NamedTuple

from pydantic import AfterValidator, BeforeValidator

from app.domain.condition import Condition, single, together
from app.domain.links import PLACEHOLDER
from app.domain.scores import HIGHEST, LOWEST
from app.playbooks.problems import nearest
from app.playbooks.values import duration_ms

if TYPE_CHECKING:
    from collections.abc import Callable

_COMPARISON = re.compile(r"(=|!=|>=|>|<=|<)\s*([+-]?\d{1,30})", re.ASCII)
_NUMBERLESS = ("is empty", "is not empty")
_LIMIT = re.compile(r"(\d{1,9}) per (\S+)", re.ASCII)
_MOST_PER_SPAN = 100
_LONGEST_NAME = 256
LINK_VALUES = ("member_id", "company_id")
"""What a call to action may name."""

DEEP_LINK_VALUES = ("step", *LINK_VALUES)
"""What a link back to where the member was may name."""

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s/?#]+([/?#]\S*)?", re.ASCII)


class AtMost(NamedTuple):
    """`1 per 1d`."""

    times: int
    span_ms: int


def parse_condition(written: object) -> Condition:
    """A condition, or a list of conditions that must all hold, as the core works with it."""
    if isinstance(written, list):
        if not written:
            raise ValueError("must not be empty")
        condition = together([_parse_single(each) for each in written])
    else:
        condition = _parse_single(written)
    if not condition.is_possible:
        raise ValueError(f"no score is ever {condition.shown}: the conditions exclude each other")
    return condition


def _parse_single(written: object) -> Condition:
    if written in _NUMBERLESS:
        return single(str(written), None, str(written))
    match = _COMPARISON.fullmatch(written) if isinstance(written, str) else None
    if match is None:
        raise ValueError(
            f"{written!r} is no condition; write one of = != > >= < <= and a whole number, such as"
            ' "< 20", or "is empty", or "is not empty"'
        )
    number = int(match[2])
    if not LOWEST <= number <= HIGHEST:
        raise ValueError(f"{match[2]} does not fit into 64 bits, so no score can be compared with it")
    return single(match[1], number, f"{match[1]} {number}")


def _at_most(written: object) -> AtMost:
    match = _LIMIT.fullmatch(written) if isinstance(written, str) else None
    if match is None:
        raise ValueError(f'{written!r} is no limit; write how often in which span, such as "1 per 1d"')
    times, span_ms = int(match[1]), duration_ms(match[2])
    if not 0 < times <= _MOST_PER_SPAN:
        raise ValueError(f"{times} is not between 1 and {_MOST_PER_SPAN}")
    if span_ms == 0:
        raise ValueError("the span must be longer than nothing")
    return AtMost(times, span_ms)


def _score_name(name: str) -> str:
    if not 0 < len(name) <= _LONGEST_NAME or name != name.strip():
        raise ValueError(
            f"{name!r} is no name of a score; use 1 to {_LONGEST_NAME} characters, no space at either end"
        )
    return name


def with_placeholders(*known: str) -> Callable[[str], str]:
    """A check of a text: it is not empty, and names in braces only what is known here."""

    def check(text: str) -> str:
        if not text:
            raise ValueError("must not be an empty text")
        for placeholder in PLACEHOLDER.findall(text):
            if placeholder not in known:
                hint = nearest(placeholder, list(known)) or "none can be used here"
                raise ValueError(f"{{{placeholder}}} is no known placeholder; {hint}")
        if re.search(r"[{}]", PLACEHOLDER.sub("", text)):
            raise ValueError(f"{text!r} has a brace without its other half")
        return text

    return check


def _url(link: str) -> str:
    """A link is a URL whatever its values are: with a scheme, also an app's own, and a place."""
    if _URL.fullmatch(PLACEHOLDER.sub("x", link)) is None or PLACEHOLDER.search(link.partition("://")[0]):
        raise ValueError(f"{link!r} is no URL; write one such as https://example.com/resume?step={{step}}")
    return link


When = Annotated[Condition, BeforeValidator(parse_condition)]
"""`when`: one condition, or a list."""

Limit = Annotated[AtMost, BeforeValidator(_at_most)]
"""`at_most`."""

DEFAULT_SCORE = "engagement"
"""The score meant where none is named."""

ScoreName = Annotated[str, AfterValidator(_score_name)]
"""Name of a score."""

PlainTemplate = Annotated[str, AfterValidator(with_placeholders())]
"""Name of a text that depends on nothing."""

Link = Annotated[str, AfterValidator(with_placeholders(*LINK_VALUES))]
"""A call to action, its values URL-encoded (`app.domain.links`)."""

SegmentTemplate = Annotated[str, AfterValidator(with_placeholders("segment"))]
"""Name of a text that may depend on the segment (contract 6.4)."""

DeepLink = Annotated[str, AfterValidator(with_placeholders(*DEEP_LINK_VALUES)), AfterValidator(_url)]
"""A link back to where the member was, its values URL-encoded."""
