"""Acme's token endpoints: RFC 6749 and RFC 7009 to the letter, and nothing beside."""

from collections.abc import Callable, Mapping
from datetime import datetime
from http import HTTPStatus
from typing import Final

from pydantic import SecretStr

from leaver.errors import (
    AnswerLost,
    InvalidClient,
    InvalidGrant,
    LeaverError,
    ProviderResponse,
    ProviderUnavailable,
    Rejected,
)
from leaver.outcomes import Outcome, Result
from leaver.providers.answer import Answer
from leaver.providers.authorization import BasicAuth
from leaver.providers.granted import granted_by
from leaver.providers.transport import Transport
from leaver.tokens import GrantedTokens
from tests.doubles.acme.credentials import AcmeCredentials

Refusal = tuple[type[LeaverError], str]

_REVOKE: Final[Mapping[str, Refusal]] = {
    "4xx invalid_client": (InvalidClient, "Acme does not accept client_id and client_secret"),
    "4xx": (Rejected, "Acme refuses"),
    "other": (ProviderUnavailable, "Acme is out of order"),
}
_TOKEN: Final[Mapping[str, Refusal]] = {
    **_REVOKE,
    # the refresh token may be spent: what this did is unknown
    "2xx": (AnswerLost, "Acme's answer has no access token in it"),
    "4xx invalid_grant": (InvalidGrant, "Acme does not accept the refresh token, or the code"),
}


class AcmeOAuth:
    """Acme's token endpoints."""

    def __init__(self, transport: Transport, clock: Callable[[], datetime]) -> None:
        self._transport = transport
        self._clock = clock

    def authorization_code(self, own: AcmeCredentials, code: SecretStr) -> GrantedTokens:
        """Exchange a code that somebody's consent brought (RFC 6749, section 4.1.3)."""
        return self._granted(own, {"grant_type": "authorization_code", "code": code})

    def refresh(self, own: AcmeCredentials, refresh_token: SecretStr) -> GrantedTokens:
        """Spend a refresh token (RFC 6749, section 6)."""
        return self._granted(own, {"grant_type": "refresh_token", "refresh_token": refresh_token})

    def revoke(self, own: AcmeCredentials, token: SecretStr) -> Result:
        """REVOKED for whatever token it is (RFC 7009, section 2.2)."""
        answer = self._transport.request(
            "POST", "/revoke", auth=BasicAuth(own.client_id, own.client_secret), form={"token": token}
        )
        if answer.status == HTTPStatus.OK:
            return Result(Outcome.REVOKED, ProviderResponse(answer.status))
        raise _error(answer, _REVOKE)

    def _granted(self, own: AcmeCredentials, form: Mapping[str, str | SecretStr]) -> GrantedTokens:
        asked_at = self._clock()
        auth = BasicAuth(own.client_id, own.client_secret)
        answer = self._transport.request("POST", "/token", auth=auth, form=form, even_damaged=True)
        tokens = granted_by(answer, asked_at=asked_at, renews=form["grant_type"] == "refresh_token")
        if tokens is not None:
            return tokens
        raise _error(answer, _TOKEN)


def _error(answer: Answer, table: Mapping[str, Refusal]) -> LeaverError:
    word = str((answer.json or {}).get("error", ""))
    error, reason = answer.row(table, word)
    return error(reason, ProviderResponse(answer.status))
