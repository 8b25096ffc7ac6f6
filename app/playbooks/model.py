"""What the models of all kinds of playbook share."""

from __future__ import annotations

from abc import abstractmethod
from hashlib import blake2b
from typing import TYPE_CHECKING

import msgspec

from app.playbooks.values import Name, Table

if TYPE_CHECKING:
    from app.domain.playbook import Playbook


class PlaybookModel(Table):
    """A playbook as written, checked, with its defaults filled in. One subclass for each kind."""

    name: Name
    kind: str

    @abstractmethod
    def compile(self) -> Playbook:
        """The form the core works with."""

    def version(self) -> str:
        """Hash of all the playbook says."""
        return content_version(self)


def content_version(table: Table) -> str:
    """Hash of all that is written in a file, defaults included: 12 hex digits.

    The same for the same meaning: the order of keys, and of lists that are sets, makes no difference, nor does
    writing `168h` for `7d`.
    """
    content = msgspec.json.encode(table.model_dump(mode="json"), order="sorted")
    return blake2b(content, digest_size=6).hexdigest()
