"""Every kind of playbook there is, by the word that stands after `kind =`."""

from app.playbooks.high_intent import HighIntentModel
from app.playbooks.model import PlaybookModel
from app.playbooks.points import PointsModel
from app.playbooks.progress import ProgressModel
from app.playbooks.reactivation import ReactivationModel
from app.playbooks.reengager import ReengagerModel
from app.playbooks.score import ScoreModel

KINDS: dict[str, type[PlaybookModel]] = {
    "reengager": ReengagerModel,
    "points": PointsModel,
    "score": ScoreModel,
    "reactivation": ReactivationModel,
    "high_intent": HighIntentModel,
    "progress": ProgressModel,
}
