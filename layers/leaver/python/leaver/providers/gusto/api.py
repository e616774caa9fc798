"""Gusto's employees API, and what each of its answers means."""

import json
import re
from datetime import date
from http import HTTPStatus
from typing import Final

from pydantic import SecretStr

from leaver.errors import InvalidToken, ProviderUnavailable, Rejected
from leaver.providers.answer import Answer
from leaver.providers.authorization import BearerAuth
from leaver.providers.source import Account
from leaver.providers.source_answers import Clock, error_of, not_an_id, read_text, refusals, require_same
from leaver.providers.transport import Transport

_EMPLOYEE: Final = re.compile(r"[0-9A-Fa-f-]{3,36}", re.ASCII)
_REFUSED: Final = refusals("Gusto", (InvalidToken, "Gusto does not accept the access token"))


class Gusto:
    """Gusto's employees API; `transport` is for GUSTO_URL."""

    def __init__(self, transport: Transport, clock: Clock) -> None:
        self._transport = transport
        self._clock = clock

    def look_up(self, person: str, access_token: SecretStr, *, with_last_day: bool = False) -> Account:
        """Gusto API "Get an employee": GET /v1/employees/{uuid}. See LooksUp.

        Danger: `email` is the private address, and is never read.
        """
        answer = self._get(person, "", access_token)
        if answer.json is None:
            raise error_of(answer, self._clock(), _REFUSED)
        require_same(answer.json.get("uuid"), person, "gusto")
        is_gone = answer.json.get("terminated")
        if not isinstance(is_gone, bool):
            raise Rejected("gusto: terminated is left out of the answer: the connection may not see that field")
        email = read_text(answer.json, "work_email", "gusto")
        return Account(email, is_gone, self._last_day(person, access_token) if with_last_day else None)

    def _last_day(self, person: str, access_token: SecretStr) -> date | None:
        """Gusto API "Get terminations for an employee": GET /v1/employees/{uuid}/terminations; the latest counts."""
        answer = self._get(person, "/terminations", access_token)
        try:
            listed = json.loads(answer.body)
            return max((date.fromisoformat(each["effective_date"]) for each in listed), default=None)
        except (ValueError, TypeError, KeyError, RecursionError):
            raise ProviderUnavailable("Gusto's answer is no list of terminations", answer.response()) from None

    def _get(self, person: str, what: str, access_token: SecretStr) -> Answer:
        if not _EMPLOYEE.fullmatch(person):
            raise not_an_id("gusto")
        answer = self._transport.request("GET", f"/v1/employees/{person}{what}", auth=BearerAuth(access_token))
        if answer.status != HTTPStatus.OK:
            raise error_of(answer, self._clock(), _REFUSED)
        return answer
