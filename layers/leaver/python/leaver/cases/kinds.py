"""The three kinds of case: somebody leaves, or stays and is contained, or stays and only their sessions end."""

from collections.abc import Mapping
from typing import Any, Final, Literal

Kind = Literal["departure", "contain", "sessions"]

#: what ends for somebody who stays, and nothing else; of somebody who leaves everything does
ENDS: Final[Mapping[Kind, frozenset[str]]] = {
    "contain": frozenset({"RevokeSsoToken", "RevokeGrants", "PurgeUserTokens", "RevokeAccessToken"}),
    "sessions": frozenset({"RevokeSsoToken", "PurgeUserTokens"}),
}


def kind_of(request: Mapping[str, Any]) -> Kind:
    """The kind of the case that an HR event opens."""
    return next((kind for kind in ENDS if kind == request.get("kind")), "departure")


def is_ended_by(kind: Kind, command: str) -> bool:
    """Whether a case of this kind has such steps."""
    return kind not in ENDS or command in ENDS[kind]
