"""BambooHR's REST API, one method, and what each of its answers means."""

import re
from http import HTTPStatus
from typing import Final

from pydantic import SecretStr

from leaver.errors import Rejected
from leaver.providers.authorization import TokenAuth
from leaver.providers.source import Account
from leaver.providers.source_answers import Clock, error_of, not_an_id, read_text, refusals, require_same
from leaver.providers.transport import Transport

# Danger: 0 is BambooHR's word for whoever the key belongs to.
_EMPLOYEE: Final = re.compile(r"[1-9]\d{0,18}", re.ASCII)
_REFUSED: Final = refusals("BambooHR", (Rejected, "BambooHR does not accept the API key"))


class BambooHr:
    """BambooHR's REST API; `transport` is for BAMBOOHR_URL, and an access token is `key:x`, in Base64."""

    def __init__(self, transport: Transport, clock: Clock) -> None:
        self._transport = transport
        self.clock = clock

    def look_up(self, person: str, access_token: SecretStr, *, with_last_day: bool = False) -> Account:  # noqa: ARG002 - BambooHR's events say when
        """BambooHR API "Get employee": GET /api/v1/employees/{id}?fields=workEmail,status. See LooksUp."""
        if not _EMPLOYEE.fullmatch(person):
            raise not_an_id("bamboohr")
        answer = self._transport.request(
            "GET",
            f"/api/v1/employees/{person}",
            auth=TokenAuth("Basic", access_token),
            params={"fields": "workEmail,status"},
        )
        if answer.status != HTTPStatus.OK or answer.json is None:
            raise error_of(answer, self.clock(), _REFUSED)
        require_same(answer.json.get("id"), person, "bamboohr")
        status = read_text(answer.json, "status", "bamboohr").casefold()
        if status not in {"active", "inactive"}:
            raise Rejected("bamboohr: status: expected Active or Inactive")
        return Account(read_text(answer.json, "workEmail", "bamboohr"), is_gone=status == "inactive")
