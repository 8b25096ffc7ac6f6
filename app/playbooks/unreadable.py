"""What is said of files that the system does not let us read."""

from __future__ import annotations

import errno

from app.domain.errors import UserError

_HINTS = {
    errno.EACCES: "let this user read it",
    errno.EPERM: "let this user read it",
    errno.ENOENT: "is the name right, and the folder it is looked for in?",
    errno.ENOTDIR: "is the name right, and the folder it is looked for in?",
    errno.EISDIR: "name a file, not a folder",
}


def unreadable(place: str, error: OSError, hint: str = "") -> UserError:
    """The error of a file or folder, `place`, that cannot be opened, or be read to its end; `hint` where one knows better."""
    likely = hint or _HINTS.get(error.errno or 0, "is what it lies on there, and sound?")
    return UserError("unreadable-file", place, f"cannot be read: {error.strerror}", likely)
