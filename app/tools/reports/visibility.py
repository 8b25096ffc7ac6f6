"""Who may see whether an engagement is on track: its owner, its coach, and admins of its company or location."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.domain.errors import UserError

if TYPE_CHECKING:
    from app.domain.outputs import EngagementView

_FORMS = {
    "owner": "owner:ID",
    "coach": "coach:ID",
    "global_admin": "global_admin:COMPANY",
    "location_admin": "location_admin:COMPANY/LOCATION",
}


@dataclass(frozen=True)
class Viewer:
    """Somebody who reads the report.

    Attributes:
        role: owner, coach, global_admin or location_admin.
        who: the owner's or coach's id; of an admin, the company.
        location: of a location admin, else empty.
    """

    role: str
    who: str
    location: str = ""

    def sees(self, engagement: EngagementView) -> bool:
        """Whether the viewer may see how the engagement stands. Where a page names nobody, nobody is meant."""
        match self.role:
            case "owner":
                return engagement.owner_id == self.who
            case "coach":
                return engagement.coach_id == self.who
            case "global_admin":
                return engagement.company_id == self.who
            case _:
                return (engagement.company_id, engagement.location_id) == (self.who, self.location)


def parse_viewer(text: str) -> Viewer:
    """A viewer as `--as` names one.

    Raises:
        UserError: `bad-viewer`.
    """
    role, _, who = text.partition(":")
    if role not in _FORMS:
        raise UserError(
            "bad-viewer", "--as", f"{text!r} is no viewer", f"write one of {', '.join(_FORMS.values())}"
        )
    location = ""
    if role == "location_admin":
        who, _, location = who.partition("/")
    if not who or (role == "location_admin" and not location):
        raise UserError(
            "bad-viewer", "--as", f"{text!r} leaves out whose view it is", f"write {_FORMS[role]}"
        )
    return Viewer(role, who, location)
