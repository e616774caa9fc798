"""How a request says whose it is: with an access token, or with a client's id and secret."""

import re
from base64 import b64encode
from typing import Final

import requests
from pydantic import SecretStr
from requests.auth import AuthBase

# what a token consists of (RFC 6749, appendix A.12), less the space; http.client's complaint would show it
_VSCHAR: Final = re.compile(r"[\x21-\x7e]+")


class TokenAuth(AuthBase):
    """Signs one request with a token, by the scheme that the provider wants."""

    def __init__(self, scheme: str, token: SecretStr) -> None:
        self._scheme = scheme
        self._token = token

    def __call__(self, r: requests.PreparedRequest) -> requests.PreparedRequest:
        """Set the Authorization header; ValueError where the token would not fit into one."""
        token = self._token.get_secret_value()
        if not _VSCHAR.fullmatch(token):
            raise ValueError("not a bearer token")
        r.headers["Authorization"] = f"{self._scheme} {token}"
        return r

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class BearerAuth(TokenAuth):
    """Signs one request with an access token (RFC 6750)."""

    def __init__(self, access_token: SecretStr) -> None:
        super().__init__("Bearer", access_token)


class BasicAuth(AuthBase):
    """Signs one request with a client's id and secret (RFC 6749, section 2.3.1)."""

    def __init__(self, client_id: str, client_secret: SecretStr) -> None:
        self._client_id = client_id
        self._client_secret = client_secret

    def __call__(self, r: requests.PreparedRequest) -> requests.PreparedRequest:
        """Set the Authorization header."""
        pair = f"{self._client_id}:{self._client_secret.get_secret_value()}"
        r.headers["Authorization"] = f"Basic {b64encode(pair.encode()).decode()}"
        return r

    def __repr__(self) -> str:
        return "BasicAuth()"
