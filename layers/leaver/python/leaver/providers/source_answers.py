"""What HR systems' answers have in common, so that each module says only what is its own."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Final

from leaver.errors import BadMessage, LeaverError, ProviderUnavailable, Rejected, Throttled
from leaver.providers.answer import LONGEST_WAIT, Answer

Clock = Callable[[], datetime]
Refusal = tuple[type[LeaverError], str]

#: where a 429 does not say until when
_PAUSE: Final = timedelta(seconds=30)


class UnknownPerson(Rejected):
    """The HR system took the request, and knows nobody of that id."""


def refusals(system: str, unauthorized: Refusal) -> Mapping[str, Refusal]:
    """Say what every answer means that is no record of a person; `unauthorized` is what a 401 means there."""
    moved = (Rejected, f"{system} has moved: the URL of {system} in the settings is wrong")
    return {
        "301": moved,
        "308": moved,
        "2xx": (ProviderUnavailable, f"{system}'s answer is no record of a person"),
        "3xx": (ProviderUnavailable, f"{system} redirects elsewhere, where we don't follow"),
        "401": unauthorized,
        "403": (Rejected, f"{system} does not let the connection see this person"),
        "404": (UnknownPerson, f"{system} knows nobody of that id"),
        "4xx": (Rejected, f"{system} refuses, for a reason that we don't know"),
        "5xx": (ProviderUnavailable, f"{system} is out of order"),
        "other": (ProviderUnavailable, f"{system}'s answer makes no sense"),
    }


def error_of(answer: Answer, now: datetime, table: Mapping[str, Refusal], resets: str | None = None) -> LeaverError:
    """Make the error that a row names, or Throttled for 429; `resets` is a header that says until when, as an epoch."""
    if answer.status == HTTPStatus.TOO_MANY_REQUESTS:
        until = answer.retry_after or _epoch(answer.headers.get(resets or "", ""), now) or now + _PAUSE
        return Throttled("the HR system's limit is reached", answer.response(), until=until)
    error, reason = answer.row(table)
    return error(reason, answer.response())


def read_text(record: Mapping[str, object], field: str, source: str) -> str:
    """Read a field; raises Rejected by its name, for some systems leave out in silence what the asker may not see."""
    if field not in record:
        raise Rejected(f"{source}: {field} is left out of the answer: the connection may not see that field")
    value = record[field]
    if not isinstance(value, str) or not value.strip():
        raise Rejected(f"{source}: {field} is empty there")
    return value.strip()


def require_same(found: object, asked: str, source: str) -> None:
    """Raise Rejected where the answer is about somebody else: whoever that is may lose nothing by it."""
    if str(found).casefold() != asked.casefold():
        raise Rejected(f"{source}: the answer is not about the person that was asked for")


def not_an_id(source: str) -> BadMessage:
    """Make the error for what could be a path, or that source's word for whoever asks."""
    return BadMessage(f"{source}: expected the id of a person")


def _epoch(seconds: str, now: datetime) -> datetime | None:
    if not (seconds.isascii() and seconds.isdigit() and len(seconds) <= len("9999999999")):
        return None
    return min(max(datetime.fromtimestamp(int(seconds), tz=UTC), now), now + LONGEST_WAIT)
