"""The filter of ListTunedModels: words, and the roles that the caller has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from genai_grpc import protos
from genai_grpc.errors import InvalidArgument
from genai_grpc.local.state.access import Role, Users, has_access, is_public
from genai_grpc.local.state.database import Transaction
from genai_grpc.local.state.tunings import TUNED_MODELS

__all__ = ["TunedModelFilter", "parse_filter"]

_ROLES: Final = {"owner:me": Role.OWNER, "writers:me": Role.WRITER, "readers:me": Role.READER}
_EVERYONE: Final = "readers:everyone"


@dataclass(frozen=True, slots=True)
class TunedModelFilter:
    """A filter.

    Attributes:
        words: What the display name or the description has, in lower case.
        role: The role that the caller has at least, without those of everyone.
        everyone: Whether everyone may read the model, in place of a role of the caller.
    """

    words: tuple[str, ...]
    role: int
    everyone: bool

    def admits(self, rows: Transaction, model: protos.TunedModel, caller: str, users: Users) -> bool:
        """Whether the list has a model."""
        text = f"{model.display_name} {model.description}".lower()
        if not all(word in text for word in self.words):
            return False
        if self.everyone and not is_public(rows, model.name):
            return False
        if self.everyone and self.role == Role.READER:
            return True
        return has_access(rows, TUNED_MODELS, model.name, caller, users, self.role, everyone=False)


def parse_filter(text: str) -> TunedModelFilter:
    """The filter of a request; each of its terms must hold.

    Raises:
        InvalidArgument: It has another term with a colon.

    >>> parse_filter("Poems writers:me").words
    ('poems',)
    """
    words, roles, everyone = [], [Role.READER], False
    for given in text.split():
        term = given.lower()
        if term in _ROLES:
            roles.append(_ROLES[term])
        elif term == _EVERYONE:
            everyone = True
        elif ":" in term:
            raise InvalidArgument(f"filter has {given!r}; it takes words, and {', '.join((*_ROLES, _EVERYONE))}")
        else:
            words.append(term)
    return TunedModelFilter(tuple(words), min(roles), everyone)
