"""What a token endpoint granted, however badly its answer came."""

from datetime import datetime

from leaver.providers.answer import Answer
from leaver.tokens import GrantedTokens


def granted_by(answer: Answer, *, asked_at: datetime, renews: bool) -> GrantedTokens | None:
    """Read the tokens of a success, by whatever number; None where none is in it.

    `renews`: a refresh token alone is worth keeping, because it replaces the one that was sent. Raises what broke the
    answer off where neither tokens nor a reason could be read.
    """
    if answer.status // 100 == 2:
        tokens = GrantedTokens.from_answer(
            answer.json, asked_at=asked_at, tracking_id=answer.tracking_id, search=answer.search
        )
        if tokens is not None and (renews or tokens.has_access_token):
            return tokens
    if answer.failure is not None and answer.json is None:
        raise answer.failure
    return None
