"""HiBob's people API, one method, and what each of its answers means."""

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from pydantic import SecretStr

from leaver.errors import Rejected
from leaver.providers.authorization import TokenAuth
from leaver.providers.source import Account
from leaver.providers.source_answers import Clock, error_of, not_an_id, read_text, refusals, require_same
from leaver.providers.transport import Transport

# The path takes addresses too: an event names nobody so.
_EMPLOYEE: Final = re.compile(r"\d{1,20}", re.ASCII)
# Never InvalidToken: it would be tried again, and HiBob blocks whoever is refused too often.
_REFUSED: Final = refusals("HiBob", (Rejected, "HiBob does not accept the service user's id and token"))
_ID, _EMAIL, _STATUS = "root.id", "root.email", "internal.lifecycleStatus"
#: HiBob sends `employee.left` at the beginning of a garden leave, too
_GONE: Final = frozenset({"terminated", "gardenleave"})


class HiBob:
    """HiBob's people API; `transport` is for HIBOB_URL, and an access token is `service user:token`, in Base64."""

    def __init__(self, transport: Transport, clock: Clock) -> None:
        self._transport = transport
        self.clock = clock

    def look_up(self, person: str, access_token: SecretStr, *, with_last_day: bool = False) -> Account:  # noqa: ARG002 - HiBob's events say when
        """HiBob API "Read company employee fields by employee ID": POST /v1/people/{identifier}. See LooksUp."""
        if not _EMPLOYEE.fullmatch(person):
            raise not_an_id("hibob")
        answer = self._transport.request(
            "POST",
            f"/v1/people/{person}",
            auth=TokenAuth("Basic", access_token),
            json={"fields": [_ID, _EMAIL, _STATUS]},
        )
        if answer.status != HTTPStatus.OK or answer.json is None:
            raise error_of(answer, self.clock(), _REFUSED, resets="X-RateLimit-Reset")
        found = {field: value for field in (_ID, _EMAIL, _STATUS) if (value := _find(answer.json, field)) is not None}
        require_same(read_text(found, _ID, "hibob"), person, "hibob")
        status = re.sub(r"[\W_]", "", read_text(found, _STATUS, "hibob")).casefold()
        return Account(read_text(found, _EMAIL, "hibob"), is_gone=status in _GONE)


def _find(record: Mapping[str, Any], field: str) -> object:
    """Find a field as HiBob spells it in answers: `/root/email`, or `email`, of which either may hold a `value`."""
    category, _, name = field.partition(".")
    inner = record if category == "root" else record.get(category)
    found = record.get(f"/{category}/{name}", inner.get(name) if isinstance(inner, Mapping) else None)
    return found.get("value") if isinstance(found, Mapping) else found
