"""Links with values in them, such as `https://example.com/resume?who={member_id}`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Mapping

PLACEHOLDER = re.compile(r"\{([^{}]*)\}")


def fill_link(template: str, values: Mapping[str, str | None]) -> str:
    """The link with each `{name}` replaced by its value, URL-encoded; a missing one by nothing (contract 6.4)."""
    return PLACEHOLDER.sub(lambda found: quote(values.get(found[1]) or "", safe=""), template)
