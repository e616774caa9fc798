"""How Zoom's answers are read, whichever host gave them: limits, scopes, codes, and the rows that mean the same."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Final

from leaver.errors import LeaverError, ProviderUnavailable, Rejected, Throttled
from leaver.outcomes import Outcome, Result
from leaver.providers.answer import Answer, safe_code

Clock = Callable[[], datetime]
Refusal = tuple[type[LeaverError], str]
#: a decision table: the key is read by Answer.row; the value is an outcome, or an error with its reason
Table = Mapping[str, Outcome | Refusal]
#: reads the words for what is wrong from a body, as its host spells them, the most exact first
Codes = Callable[[Answer], tuple[str, ...]]

# A success is recognised by the method that asked for it; these tables are for everything else but 429.
EVERYWHERE: Final[Mapping[str, Refusal]] = {
    # a permanent redirect is a wrong setting; a temporary one is a login or maintenance page before the real thing
    "301": (Rejected, "Zoom has moved: the URL of Zoom in the settings is wrong"),
    "308": (Rejected, "Zoom has moved: the URL of Zoom in the settings is wrong"),
    "3xx": (ProviderUnavailable, "Zoom redirects elsewhere, where we don't follow"),
    "5xx": (ProviderUnavailable, "Zoom is out of order"),
    # RFC 6749's words for the same, whatever status comes with them
    "4xx server_error": (ProviderUnavailable, "Zoom is out of order"),
    "4xx temporarily_unavailable": (ProviderUnavailable, "Zoom is out of order"),
    "other": (ProviderUnavailable, "Zoom's answer makes no sense"),
}

_SCOPES: Final = re.compile(r"scopes:?\s*\[([^\]]{1,1000})\]")
_SCOPE: Final = re.compile(r"[a-z][a-z0-9_]{0,39}(?::[a-z][a-z0-9_]{0,39}){1,3}")
_SECOND: Final = timedelta(seconds=1)


def decided(answer: Answer, now: datetime, table: Table, codes: Codes) -> Result:
    """Look up what an answer means that is not the wanted one: a Result, or the error is raised."""
    meaning = answer.row(table, *codes(answer))
    if isinstance(meaning, Outcome):
        return result_of(meaning, answer, _safest(codes(answer)))
    raise error_of(answer, now, meaning, codes)


def error_of(answer: Answer, now: datetime, refusal: Refusal, codes: Codes) -> LeaverError:
    """Make the error that a row names, or Throttled for 429, whatever the row."""
    code = _safest(codes(answer))
    if answer.status == HTTPStatus.TOO_MANY_REQUESTS:
        return _throttled(answer, now, code)
    error, reason = refusal
    scopes = _scopes(answer)
    return error(f"{reason}: {', '.join(scopes)}" if scopes else reason, answer.response(code))


def result_of(outcome: Outcome, answer: Answer, code: str | None = None) -> Result:
    """Make the Result of an answer."""
    return Result(outcome, answer.response(code))


def word(answer: Answer, key: str) -> str:
    """Return a field of the body as text; empty where there is none, or where it is neither text nor number."""
    value = (answer.json or {}).get(key)
    return str(value) if isinstance(value, str | int) else ""


def _throttled(answer: Answer, now: datetime, code: str | None) -> Throttled:
    """Say until when: as Retry-After says, else the next second, or the next 00:00 UTC for a daily limit.

    The headers are optional, and the only remaining sign of a daily limit is then the message. Spreading the retries
    is the consumer's business.
    """
    message = word(answer, "message").lower()
    daily = answer.headers.get("X-RateLimit-Type", "").lower() == "daily-limit" or "daily" in message
    midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    until = answer.retry_after or (midnight if daily else now)
    # Zoom limits single users too: one deletion at a time, so many of some things a day. The headers, where there are
    # any, tell of the account all the same: of what is left to it, nobody else is to be kept away.
    remaining = answer.headers.get("X-RateLimit-Remaining", "")
    concurrent = "concurrent" in message
    left = remaining.isdecimal() and int(remaining) > 0
    one_user = concurrent or (daily and (left or "user" in message))
    if daily:
        reason = "Zoom's daily limit is reached"
    elif concurrent:
        reason = "Zoom is busy with another request for this user"
    else:
        reason = "Zoom's limit per second is reached"
    return Throttled(
        reason,
        answer.response(code),
        until=max(until, now + _SECOND),
        account_wide=not one_user,
        for_the_day=daily,
    )


def _safest(codes: tuple[str, ...]) -> str | None:
    """Choose what may be shown as the provider's code: the last, least exact one that can't be anything else."""
    return next((code for code in reversed(codes) if safe_code(code)), None)


def _scopes(answer: Answer) -> list[str]:
    """Name the scopes that Zoom's message asks for, and nothing of it that is not a scope."""
    listed = _SCOPES.search(word(answer, "message"))
    names = [name.strip() for name in listed.group(1).split(",")] if listed else []
    return [name for name in names if _SCOPE.fullmatch(name)]
