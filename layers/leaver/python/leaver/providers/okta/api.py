"""Okta's users API, one method, and what each of its answers means."""

import re
from http import HTTPStatus
from typing import Final

from pydantic import SecretStr

from leaver.errors import Rejected
from leaver.providers.authorization import TokenAuth
from leaver.providers.source import Account
from leaver.providers.source_answers import Clock, error_of, not_an_id, read_text, refusals, require_same
from leaver.providers.transport import Transport

# Danger: `me` is Okta's word for whoever the token belongs to, and the path takes logins as well.
_USER: Final = re.compile(r"[0-9A-Za-z]{16,64}", re.ASCII)
REFUSED: Final = refusals("Okta", (Rejected, "Okta does not accept the API token"))
_GONE: Final = frozenset({"SUSPENDED", "DEPROVISIONED"})


class Okta:
    """Okta's users API; `transport` is for OKTA_URL, the organisation's own host."""

    def __init__(self, transport: Transport, clock: Clock) -> None:
        self._transport = transport
        self.clock = clock

    def look_up(self, person: str, access_token: SecretStr, *, with_last_day: bool = False) -> Account:  # noqa: ARG002 - Okta's events say when
        """Okta API "Retrieve a user": GET /api/v1/users/{id}, which finds a deprovisioned one too. See LooksUp."""
        if not _USER.fullmatch(person):
            raise not_an_id("okta")
        answer = self._transport.request("GET", f"/api/v1/users/{person}", auth=TokenAuth("SSWS", access_token))
        if answer.status != HTTPStatus.OK or answer.json is None:
            raise error_of(answer, self.clock(), REFUSED, resets="X-Rate-Limit-Reset")
        require_same(answer.json.get("id"), person, "okta")
        profile = answer.json.get("profile")
        email = read_text(profile if isinstance(profile, dict) else {}, "email", "okta")
        return Account(email, is_gone=read_text(answer.json, "status", "okta").upper() in _GONE)
