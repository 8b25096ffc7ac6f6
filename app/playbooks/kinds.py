"""Every kind of playbook there is, by the word that stands after `kind =`."""

from app.playbooks.model import PlaybookModel
from app.playbooks.reengager import ReengagerModel

KINDS: dict[str, type[PlaybookModel]] = {
    "reengager": ReengagerModel,
}
