"""What a connection to Venafi logs in with."""

from typing import Self

from pydantic import model_validator

from leaver.tokens import AppCredentials, Filled, Secret


class VenafiCredentials(AppCredentials):
    """The application at Venafi, and one way to log in.

    A connection that lives on its refresh token alone needs only `client_id`.
    """

    username: Filled | None = None
    password: Secret | None = None
    certificate: Filled | None = None
    private_key: Secret | None = None
    jwt: Secret | None = None

    @model_validator(mode="after")
    def _one_whole_login(self) -> Self:
        if (self.username is None) != (self.password is None):
            raise ValueError("username and password: expected both or neither")
        if (self.certificate is None) != (self.private_key is None):
            raise ValueError("certificate and private_key: expected both or neither")
        if sum(login is not None for login in (self.username, self.certificate, self.jwt)) > 1:
            raise ValueError("expected one of (username, password), (certificate, private_key), jwt")
        return self
