"""Zoom's OAuth endpoints, one method each, and what each of their answers means."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final
from urllib.parse import urlencode

from pydantic import SecretStr

from leaver.errors import AnswerLost, GrantSuspended, InvalidClient, InvalidGrant, ProviderUnavailable, Rejected
from leaver.outcomes import Outcome, Result
from leaver.providers.answer import Answer
from leaver.providers.authorization import BasicAuth
from leaver.providers.granted import granted_by
from leaver.providers.transport import Transport
from leaver.providers.zoom.answers import EVERYWHERE, Clock, Refusal, Table, decided, error_of, result_of, word
from leaver.tokens import GrantedTokens

#: seconds: patience is cheap where an answer that comes too late costs the connection
TOKEN_READ_TIMEOUT: Final = 30.0

_NO_CLIENT: Final = (InvalidClient, "Zoom does not accept client_id and client_secret")
_NO_GRANT_TYPE: Final = (Rejected, "the app may not use this grant type")
_NO_ACCOUNT: Final = (Rejected, "account_id: Zoom knows no such account")
_NO_CODE: Final = (Rejected, "the authorization code is not valid, or not any more: begin anew")
_APP_OFF: Final = (Rejected, "Zoom has the app switched off")
# what is the same for every grant type
_TOKEN: Final[Mapping[str, Refusal]] = {
    **EVERYWHERE,
    "4xx invalid_client": _NO_CLIENT,
    "4xx 4702": _NO_CLIENT,
    "4xx 4704": _NO_CLIENT,
    "4xx 4717": _APP_OFF,
    "4xx 4738": (Rejected, "an administrator disabled the app"),
    "4xx The app is not activated": _APP_OFF,
    "4xx unauthorized_client": _NO_GRANT_TYPE,
    "4xx unsupported_grant_type": _NO_GRANT_TYPE,
    "4xx 4705": _NO_GRANT_TYPE,
    "4xx Account does not enabled the OAuth app type": (Rejected, "the account does not allow this type of app"),
    "4xx Account does not exist": _NO_ACCOUNT,
    "4xx Invalid Account Id": _NO_ACCOUNT,
    # Zoom says this for its own inner errors too: never a dead grant without one of the reasons below
    "4xx invalid_request": (ProviderUnavailable, "Zoom's token endpoint refuses without a reason"),
    "4xx *": (Rejected, "Zoom's token endpoint refuses, for a reason that we don't know"),
    "4xx": (ProviderUnavailable, "Zoom's token endpoint refuses unreadably"),
}
_REFRESH: Final[Mapping[str, Refusal]] = {
    **_TOKEN,
    # the old refresh token may be spent: what this did is unknown
    "2xx": (AnswerLost, "Zoom's answer has no access token in it"),
    "4xx Invalid Token!": (InvalidGrant, "Zoom does not accept the refresh token"),
    "4xx invalid_grant": (InvalidGrant, "Zoom does not accept the refresh token"),
    "4xx 4711": (GrantSuspended, "the refresh token's scopes are not the app's any more"),
    "4xx 4735": (InvalidGrant, "the user who authorised the app is gone"),
    "4xx 4737": (InvalidGrant, "Zoom knows of no authorisation"),
    "4xx 4738": (GrantSuspended, "an administrator disabled the app"),
    "4xx 4740": (InvalidGrant, "the refresh token is too old"),
    "4xx 4741": (InvalidGrant, "the refresh token was revoked"),
}
# never InvalidGrant: that a code is refused says nothing about a grant that there may be already
_AUTHORIZATION_CODE: Final[Mapping[str, Refusal]] = {
    **_TOKEN,
    # the code may be spent, and tokens may exist that nobody holds
    "2xx": (AnswerLost, "Zoom's answer has no access token in it"),
    "4xx Invalid authorization code": _NO_CODE,
    "4xx invalid_grant": _NO_CODE,
    "4xx 4734": _NO_CODE,
    "4xx 4733": (Rejected, "the authorization code has expired, it lives five minutes: begin anew"),
    "4xx 4709": (Rejected, "redirect_uri: is not the one that was registered or that the code was asked with"),
}
_ACCOUNT_CREDENTIALS: Final[Mapping[str, Refusal]] = {
    **_TOKEN,
    "2xx": (ProviderUnavailable, "Zoom's answer has no access token in it"),
    "4xx Bad Request": (Rejected, "account_id: Zoom does not take it for one"),
}
_REVOKE: Final[Table] = {
    **EVERYWHERE,
    "2xx": (ProviderUnavailable, "Zoom does not say that the token is revoked"),
    "4xx Invalid Token!": Outcome.ALREADY_GONE,
    "4xx invalid_token": Outcome.ALREADY_GONE,
    "4xx 124": Outcome.ALREADY_GONE,
    "4xx invalid_client": _NO_CLIENT,
    "4xx invalid_request": (ProviderUnavailable, "Zoom's revoke endpoint refuses without a reason"),
    "4xx *": (Rejected, "Zoom's revoke endpoint refuses, for a reason that we don't know"),
    "4xx": (ProviderUnavailable, "Zoom's revoke endpoint refuses unreadably"),
}


class ZoomOAuth:
    """Zoom's OAuth endpoints; `transport` is for ZOOM_OAUTH_URL, the host.

    Every method raises InvalidClient, Rejected, Throttled, or ProviderUnavailable (of which NotSent and AnswerLost are
    kinds).
    """

    def __init__(self, transport: Transport, clock: Clock) -> None:
        self._transport = transport
        self._clock = clock

    def refresh(self, client_id: str, client_secret: SecretStr, refresh_token: SecretStr) -> GrantedTokens:
        """Zoom OAuth "Refresh access token": POST /oauth/token (RFC 6749, section 6).

        Zoom retires the refresh token at once, so this is the one call here that is not safe to repeat. Raises also
        InvalidGrant where Zoom refuses the refresh token: it is dead, or somebody else used it first. AnswerLost, also
        for a success without a token, means that nobody knows whether it was used.
        """
        form: dict[str, str | SecretStr] = {"grant_type": "refresh_token", "refresh_token": refresh_token}
        return self._granted(BasicAuth(client_id, client_secret), form, _REFRESH)

    def authorization_code(
        self,
        client_id: str,
        client_secret: SecretStr,
        code: SecretStr,
        redirect_uri: str,
        code_verifier: SecretStr,
    ) -> GrantedTokens:
        """Zoom OAuth "Request an access token": POST /oauth/token (RFC 6749, section 4.1.3; RFC 7636, section 4.5).

        A code works once, for five minutes, with the `redirect_uri` that it was asked with. What it brings ends what
        the same user granted the same app before (Zoom 4741).
        """
        form: dict[str, str | SecretStr] = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": code_verifier,
        }
        return self._granted(BasicAuth(client_id, client_secret), form, _AUTHORIZATION_CODE)

    def account_credentials(self, client_id: str, client_secret: SecretStr, account_id: str) -> GrantedTokens:
        """Zoom OAuth "Server-to-server": POST /oauth/token. There is no refresh token; earlier tokens stay good."""
        form = {"grant_type": "account_credentials", "account_id": account_id}
        granted = self._granted(BasicAuth(client_id, client_secret), form, _ACCOUNT_CREDENTIALS)
        # However damaged the answer was, it held no refresh token.
        return granted.model_copy(update={"is_damaged": False})

    def revoke(self, client_id: str, client_secret: SecretStr, token: SecretStr) -> Result:
        """Zoom OAuth "Revoke an access token": POST /oauth/revoke. REVOKED, or ALREADY_GONE for an invalid token.

        An expired access token is invalid too, and says nothing about its refresh token.
        """
        answer = self._transport.request(
            "POST", "/oauth/revoke", auth=BasicAuth(client_id, client_secret), form={"token": token}
        )
        if answer.status == HTTPStatus.OK and answer.json is not None and answer.json.get("status") == "success":
            return result_of(Outcome.REVOKED, answer)
        return decided(answer, self._clock(), _REVOKE, _codes)

    def _granted(
        self, auth: BasicAuth, form: Mapping[str, str | SecretStr], table: Mapping[str, Refusal]
    ) -> GrantedTokens:
        asked_at = self._clock()
        answer = self._transport.request(
            "POST", "/oauth/token", auth=auth, form=form, read_timeout=TOKEN_READ_TIMEOUT, even_damaged=True
        )
        tokens = granted_by(answer, asked_at=asked_at, renews=table is _REFRESH)
        if tokens is not None:
            return tokens
        raise error_of(answer, self._clock(), answer.row(table, *_codes(answer)), _codes)


def authorize_url(oauth_url: str, *, client_id: str, redirect_uri: str, state: str, code_challenge: str) -> str:
    """Build Zoom OAuth "Request user authorization", the page where a person consents; `oauth_url` is the host.

    RFC 6749, section 4.1.1, and RFC 7636, section 4.3: it holds nothing that has to be kept from the browser.
    """
    asked = {
        "response_type": "code",
        "client_id": client_id,
        "redirect_uri": redirect_uri,
        "state": state,
        "code_challenge": code_challenge,
        "code_challenge_method": "S256",
    }
    return f"{oauth_url.rstrip('/')}/oauth/authorize?{urlencode(asked)}"


def _codes(answer: Answer) -> tuple[str, ...]:
    """Return reason, code and error, as the OAuth endpoints spell them: the reason is the most exact."""
    return word(answer, "reason"), word(answer, "code"), word(answer, "error")
