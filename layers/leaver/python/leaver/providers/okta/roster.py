"""Everybody whom Okta knows, as a roster: first those who are here, then those who left."""

import json
import re
from collections.abc import Callable
from datetime import datetime
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from pydantic import SecretStr

from leaver.errors import ProviderUnavailable
from leaver.providers.answer import Answer
from leaver.providers.authorization import TokenAuth
from leaver.providers.listing import LONGEST_PAGE, Ask, Cursor, CutShort, Page, Person
from leaver.providers.okta.api import REFUSED
from leaver.providers.source_answers import error_of
from leaver.providers.transport import Transport

#: the most that Okta gives at once
_LIMIT: Final = 200
_USERS: Final = "/api/v1/users"
#: Okta leaves out by itself who was deprovisioned, and nobody else. A filter for ACTIVE would drop employed people:
#: those who are locked out, or whose password has expired.
_QUESTIONS: Final[tuple[dict[str, str], ...]] = ({}, {"filter": 'status eq "DEPROVISIONED"'})
_NEXT: Final = re.compile(r'<([^>]+)>\s*;\s*rel="next"')


class OktaRoster:
    """The people of an Okta organisation. It tells no total: only the roster's own guards see that one is missing."""

    def __init__(self, transport: Transport, clock: Callable[[], datetime]) -> None:
        self._transport = transport
        self._clock = clock

    def read_page(self, cursor: Cursor, ask: Ask) -> Page[Person]:
        """Read a page: Okta API "List all users", and then on where its own link leads."""
        at = cursor.get("at", 0)
        asked = cursor.get("asked") or {"limit": _LIMIT, **_QUESTIONS[at]}
        answer = ask(lambda key: self._read(asked, key))
        people = tuple(_person(each, is_gone=at > 0) for each in _records(answer))
        if (following := _next(answer)) is not None:
            if following == cursor.get("asked"):
                raise CutShort("Okta's listing leads to the same page again")
            return Page(people, {"at": at, "asked": following})
        return Page(people, {"at": at + 1} if at + 1 < len(_QUESTIONS) else None)

    def _read(self, asked: dict[str, str | int], key: SecretStr) -> Answer:
        auth = TokenAuth("SSWS", key)
        answer = self._transport.request("GET", _USERS, auth=auth, params=asked, max_body=LONGEST_PAGE)
        if answer.status != HTTPStatus.OK:
            raise error_of(answer, self._clock(), REFUSED, resets="X-Rate-Limit-Reset")
        return answer


def _records(answer: Answer) -> list[Any]:
    try:
        records = json.loads(answer.body)
    except ValueError:
        records = None
    if not isinstance(records, list):
        raise ProviderUnavailable("Okta's answer is no list of people", answer.response())
    return records


def _next(answer: Answer) -> dict[str, str] | None:
    """What the link to the next page asks, verbatim; None on the last page. Where the link leads is not believed."""
    links = _NEXT.search(answer.headers.get("Link", ""))
    return dict(parse_qsl(urlsplit(links.group(1)).query, keep_blank_values=True)) if links else None


def _person(record: object, *, is_gone: bool) -> Person:
    fields = record if isinstance(record, dict) else {}
    profile = fields.get("profile")
    told = {name: it.strip() for name, it in (profile or {}).items() if isinstance(it, str)}
    email = told.get("email") or told.get("login")
    if not email:
        # Whoever is left out would be gone.
        raise CutShort("Okta tells no address of somebody: the connection may not see that field")
    aliases = tuple(it for it in (told.get("login"),) if it and it != email)
    return Person(email, aliases, told.get("employeeNumber") or None, is_gone=is_gone)
