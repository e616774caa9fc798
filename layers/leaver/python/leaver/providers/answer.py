"""What a provider answered: status, headers and JSON, and what of them may be shown."""

import json as jsonlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Final, Self, TypeVar

from leaver.errors import LeaverError, ProviderResponse

#: no limit of our providers outlasts a day, so no Retry-After is believed beyond it
LONGEST_WAIT: Final = timedelta(days=1)

# Zoom's own, as in v=2.0;clid=us04;rid=WEB_ and 32 hexadecimal digits: whatever else comes in its place may be a token
_REQUEST_ID: Final = "[A-Z]{2,8}_[0-9A-Fa-f]{1,32}"
_TRACKING_ID: Final = re.compile(rf"v=\d\.\d(?:;clid=\w{{1,8}})?(?:;rid={_REQUEST_ID})?|{_REQUEST_ID}", re.ASCII)
# numbers and RFC 6749's words only: a code ends up in logs, and nothing that looks like a token may pass for one
_CODE: Final = re.compile(r"\d{1,6}|[a-z_]{1,40}", re.ASCII)
# a whole field of text or number in bytes that are no JSON; in text only what a token may consist of, and spaces
_TEXT: Final = rb'"(?:[ !#-\[\]-~]|\\[/"\\]|\\u00[2-7][0-9A-Fa-f])*"'
_NUMBER: Final = rb"(?:0|[1-9]\d{0,14})(?=[\s,}])"
_FIELD: Final = re.compile(rb'(?<!\\)"(\w{1,40})"\s*:\s*(%b|%b)' % (_TEXT, _NUMBER))
# a page for people: by its first character, or by what no token answer holds, wherever bytes that are rubbish leave it
_PAGE: Final = re.compile(
    rb"\A[\s\0\xef\xbb\xbf\xff\xfe]*<|<(?:!doctype|\?xml|html|head|body|script)\b|</[a-z]{2}", re.IGNORECASE
)

Row = TypeVar("Row")


@dataclass(frozen=True)
class Answer:
    """What came back, whatever its status; the body is kept from `repr`, because bodies hold tokens."""

    status: int
    #: keys in any case
    headers: Mapping[str, str] = field(repr=False)
    #: the JSON object, or None where the body is anything else
    json: Mapping[str, Any] | None = field(repr=False)
    #: no body at all was sent, which a few endpoints use to say something
    empty: bool
    #: what its Retry-After asks for, see retry_after()
    retry_after: datetime | None
    #: `x-zm-trackingid`: what Zoom's support asks for
    tracking_id: str | None
    #: the body as it came, as far as it came
    body: bytes = field(default=b"", repr=False)
    #: why it did not come whole; None: it did
    failure: LeaverError | None = None

    @classmethod
    def read(
        cls,
        status: int,
        headers: Mapping[str, str],
        body: bytes,
        now: datetime,
        failure: LeaverError | None = None,
    ) -> Self:
        """Read what came; the headers' keys are in any case."""
        try:
            json = jsonlib.loads(body)
        except (ValueError, RecursionError):
            json = None
        tracking_id = headers.get("x-zm-trackingid", "")
        return cls(
            status=status,
            headers=headers,
            json=json if isinstance(json, dict) else None,
            empty=not body and failure is None,
            retry_after=retry_after(headers, now),
            tracking_id=tracking_id if _TRACKING_ID.fullmatch(tracking_id) else None,
            body=body,
            failure=failure,
        )

    def search(self) -> dict[str, Any]:
        """Find the fields of text and number that can be read of a body although it is damaged, or no JSON object.

        JSON that is whole has its fields in a list of one object or under `data`. Nothing is found elsewhere in it, nor
        in a page for people: what is there may show how an answer would look.
        """
        if "html" in self.headers.get("Content-Type", "").lower() or _PAGE.search(self.body):
            return {}
        try:
            whole = jsonlib.loads(self.body)
        except (ValueError, RecursionError):
            # Of a field that is there twice the last counts, as in whole JSON: of two answers the later one.
            return {name.decode(): jsonlib.loads(value) for name, value in _FIELD.findall(self.body)}
        match whole:
            case [dict(fields)] | {"data": dict(fields)}:
                return fields
        return {}

    def response(self, code: str | None = None) -> ProviderResponse:
        """What of it may be shown, with the code that the provider's own module found in it."""
        return ProviderResponse(self.status, code, self.tracking_id)

    def row(self, table: Mapping[str, Row], *codes: str) -> Row:
        """Find what a decision table says about this answer, the most exact row first.

        For status 401 and code "124" that is "401 124", "4xx 124", then the same for the next code, then "401 *" and
        "4xx *" (any code that is not in the table), "401", "4xx" and at last "other". Empty codes are passed over.
        """
        family = f"{self.status // 100}xx"
        named = [code for code in codes if code]
        keys = [f"{status} {code}" for code in (*named, "*") for status in (self.status, family)] if named else []
        keys += [str(self.status), family, "other"]
        return next(table[key] for key in keys if key in table)


def retry_after(headers: Mapping[str, str], now: datetime) -> datetime | None:
    """Read Retry-After as an ISO-8601 date (Zoom), an HTTP date or whole seconds (RFC 9110, section 10.2.3).

    Returns an aware UTC datetime between `now` and `now` + LONGEST_WAIT (the past is now, a year is a day), or None
    where the header is absent or makes no sense.
    """
    value = headers.get("Retry-After", "").strip()
    if re.fullmatch(r"\d{1,9}", value, re.ASCII):
        return now + min(timedelta(seconds=int(value)), LONGEST_WAIT)
    for parse in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            named = parse(value)
        except (ValueError, OverflowError):  # a zone of more hours than a number holds
            continue
        aware = named if named.tzinfo else named.replace(tzinfo=UTC)
        return min(max(aware, now), now + LONGEST_WAIT).astimezone(UTC)
    return None


def safe_code(value: object) -> str | None:
    """Return a provider's code as text, or None where it is no number or RFC 6749 word, and might be anything."""
    text = str(value) if isinstance(value, str | int) else ""
    return text if _CODE.fullmatch(text) else None
