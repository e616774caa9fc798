"""Gusto's token endpoints, and what each of their answers means."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final
from urllib.parse import urlencode

from pydantic import SecretStr

from leaver.errors import AnswerLost, InvalidClient, InvalidGrant, ProviderUnavailable, Rejected
from leaver.outcomes import Outcome, Result
from leaver.providers.answer import Answer
from leaver.providers.granted import granted_by
from leaver.providers.gusto.credentials import GustoCredentials
from leaver.providers.source_answers import Clock, Refusal, error_of
from leaver.providers.transport import Transport
from leaver.tokens import GrantedTokens

#: seconds: patience is cheap where an answer that comes too late may cost the connection
TOKEN_READ_TIMEOUT: Final = 30.0

_MOVED: Final = (Rejected, "Gusto has moved: the URL of Gusto in the settings is wrong")
_REVOKE: Final[Mapping[str, Refusal]] = {
    "301": _MOVED,
    "308": _MOVED,
    "3xx": (ProviderUnavailable, "Gusto redirects elsewhere, where we don't follow"),
    "4xx invalid_client": (InvalidClient, "Gusto does not accept client_id and client_secret"),
    "404": (Rejected, "Gusto has no such call: end the app's access at Gusto"),
    "404 *": (Rejected, "Gusto has no such call: end the app's access at Gusto"),
    "4xx *": (Rejected, "Gusto refuses, for a reason that we don't know"),
    "4xx": (ProviderUnavailable, "Gusto refuses unreadably"),
    "5xx": (ProviderUnavailable, "Gusto is out of order"),
    "other": (ProviderUnavailable, "Gusto's answer makes no sense"),
}
_TOKEN: Final[Mapping[str, Refusal]] = {
    **_REVOKE,
    # the refresh token may be spent: what this did is unknown
    "2xx": (AnswerLost, "Gusto's answer has no access token in it"),
    "404": (Rejected, "not found, but not in Gusto's words: is the URL of Gusto in the settings right?"),
}
_REFRESH: Final[Mapping[str, Refusal]] = {
    **_TOKEN,
    "4xx invalid_grant": (InvalidGrant, "Gusto does not accept the refresh token"),
}
# never InvalidGrant: that a code is refused says nothing about a grant that there may be already
_CODE: Final[Mapping[str, Refusal]] = {
    **_TOKEN,
    "4xx invalid_grant": (Rejected, "the authorization code is not valid, or not any more: begin anew"),
}


class GustoOAuth:
    """Gusto's token endpoints; `transport` is for GUSTO_URL.

    Danger: the first *use* of a new access token ends the refresh token before it. So nothing may be asked with what a
    refresh brings until it is stored; and until then, the old one brings it again.
    """

    def __init__(self, transport: Transport, clock: Clock) -> None:
        self._transport = transport
        self._clock = clock

    def refresh(self, own: GustoCredentials, refresh_token: SecretStr) -> GrantedTokens:
        """Gusto "Refresh token": POST /oauth/token (RFC 6749, section 6, as JSON).

        Raises InvalidGrant where Gusto refuses the refresh token, and what every method of a client raises.
        """
        return self._granted(own, {"grant_type": "refresh_token", "refresh_token": refresh_token}, _REFRESH)

    def authorization_code(self, own: GustoCredentials, code: SecretStr, redirect_uri: str) -> GrantedTokens:
        """Gusto "Access token": POST /oauth/token (RFC 6749, section 4.1.3, as JSON), by the code of a consent."""
        asked: dict[str, str | SecretStr] = {"grant_type": "authorization_code", "code": code}
        return self._granted(own, asked | {"redirect_uri": redirect_uri}, _CODE)

    def revoke(self, own: GustoCredentials, token: SecretStr) -> Result:
        """POST /oauth/revoke (RFC 7009): REVOKED for whatever token it is, which proves nothing.

        Gusto does not document it. Where it is not there, Rejected says where a person ends the grant.
        """
        answer = self._transport.request("POST", "/oauth/revoke", auth=None, json={**_app(own), "token": token})
        if answer.status == HTTPStatus.OK:
            return Result(Outcome.REVOKED, answer.response())
        raise error_of(answer, self._clock(), _row(answer, _REVOKE))

    def _granted(
        self, own: GustoCredentials, asked: Mapping[str, str | SecretStr], table: Mapping[str, Refusal]
    ) -> GrantedTokens:
        asked_at = self._clock()
        answer = self._transport.request(
            "POST",
            "/oauth/token",
            auth=None,
            json={**_app(own), **asked},
            read_timeout=TOKEN_READ_TIMEOUT,
            even_damaged=True,
        )
        tokens = granted_by(answer, asked_at=asked_at, renews=asked["grant_type"] == "refresh_token")
        if tokens is not None:
            return tokens
        raise error_of(answer, self._clock(), _row(answer, table))


def authorize_url(gusto_url: str, *, client_id: str, redirect_uri: str, state: str) -> str:
    """Build Gusto's consent page (RFC 6749, section 4.1.1); it holds nothing that has to be kept from the browser."""
    asked = {"response_type": "code", "client_id": client_id, "redirect_uri": redirect_uri, "state": state}
    return f"{gusto_url.rstrip('/')}/oauth/authorize?{urlencode(asked)}"


def _app(own: GustoCredentials) -> dict[str, str | SecretStr]:
    # In the body: Gusto refuses both in the URL, where they would end in logs.
    return {"client_id": own.client_id, "client_secret": own.client_secret}


def _row(answer: Answer, table: Mapping[str, Refusal]) -> Mapping[str, Refusal]:
    """The table, with the row of the answer's own word for an error in the place of all others."""
    word = (answer.json or {}).get("error")
    return {"other": answer.row(table, word if isinstance(word, str) else "")}
