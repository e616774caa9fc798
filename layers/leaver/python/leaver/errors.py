"""Everything that can stop a command, named for whoever must act."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, get_args, get_origin

from pydantic import BaseModel, ValidationError


@dataclass(frozen=True)
class ProviderResponse:
    """What of a provider's answer may be shown."""

    status: int | None = None
    code: str | None = None
    tracking_id: str | None = None

    def fields(self) -> dict[str, int | str | None]:
        """The names under which receipts, announcements and log lines show it."""
        return {"provider_status": self.status, "provider_code": self.code, "tracking_id": self.tracking_id}

    def __str__(self) -> str:
        shown = {"HTTP": self.status, "code": self.code, "tracking id": self.tracking_id}
        return ", ".join(f"{name} {value}" for name, value in shown.items() if value is not None)


NO_RESPONSE: Final = ProviderResponse()


class LeaverError(Exception):
    """A command was stopped; carries the provider's response, never a body or a secret."""

    def __init__(self, reason: str, response: ProviderResponse = NO_RESPONSE) -> None:
        super().__init__(reason)
        self.reason = reason
        self.response = response
        #: whether a record says when it is tried again, and the schedule sees to it: no message has to wait for that
        self.is_postponed = False


class Throttled(LeaverError):
    """The provider's limit is reached: nothing to mend, try again at `until` (aware, UTC)."""

    def __init__(
        self,
        reason: str,
        response: ProviderResponse = NO_RESPONSE,
        *,
        until: datetime,
        account_wide: bool = True,
        for_the_day: bool = False,
    ) -> None:
        super().__init__(reason, response)
        self.until = until
        #: False where only this user is limited, and everybody else is not
        self.account_wide = account_wide
        #: True where the provider says so: what it takes in a day is used up
        self.for_the_day = for_the_day


class NoSlot(Throttled):
    """The command's turn has not come: nothing was called, and nothing failed."""


class AlreadyInBatch(Throttled):
    """Another message of the same batch asks for the very same: this one looks again when that one is done."""


class ProviderUnavailable(LeaverError):
    """The provider did not answer, or not sensibly: wait and try again."""


class NotSent(ProviderUnavailable):
    """The request never left (name, connection, TLS): repeating it is always safe."""


class AnswerLost(ProviderUnavailable):
    """The request was sent and its answer never came whole: what it did is unknown."""


class HalfAnswered(ProviderUnavailable):
    """The answer held a refresh token alone, which is kept: the access token is asked for once more."""


class InvalidToken(LeaverError):
    """The provider does not accept this access token (Zoom 124, Venafi invalid_token): read the record once more."""


class CredentialStale(LeaverError):
    """The stored access token `version` of `connection` is refused: the refresher must replace it."""

    def __init__(
        self,
        reason: str,
        response: ProviderResponse = NO_RESPONSE,
        *,
        connection: str,
        version: str,
        for_revocation: bool = False,
    ) -> None:
        super().__init__(reason, response)
        self.connection = connection
        self.version = version
        #: the refresher is to revoke what it gets, and to retire the connection
        self.for_revocation = for_revocation

    @property
    def refused_version(self) -> str | None:
        """The version that the provider refused; None where it was not asked: the token is known to have expired."""
        return None if self.response.status is None else self.version


class NeedsReauthorization(LeaverError):
    """The connection's grant is dead: a person must connect it again."""


class InvalidGrant(NeedsReauthorization):
    """The token endpoint refused the refresh token (RFC 6749 `invalid_grant`): dead, or somebody else won the race."""


class GrantSuspended(InvalidGrant):
    """The refusal can be undone by an administrator: the grant does not work, and has not ended."""


class Rejected(LeaverError):
    """The provider will not do it (scope, rights, request), or a certificate is wrong: repeating it can't succeed."""


class AboveCeiling(Rejected):
    """For more people than may be was something begun in this hour: a person looks, and sends it back."""


class LeaseHeld(LeaverError):
    """Somebody else is changing this connection's tokens right now: come back when they are done."""


class OutOfTime(LeaverError):
    """Too little of the function's time is left for a call whose answer must not be lost: begin anew."""


class Killed(LeaverError):
    """Runs that had this message ended without a word (time, memory), and have done so for too long."""


class NotKept(LeaverError):
    """Secrets Manager did not take a new version: what it was to hold is nowhere else yet."""


class NotRead(LeaverError):
    """Secrets Manager, KMS or DynamoDB did not answer: what they hold is still there, and is read again later."""


class Superseded(LeaverError):
    """A version already has another successor than the one that was to be written: somebody else was there first."""


class InvalidClient(Rejected):
    """The provider does not know this client id and secret (RFC 6749 `invalid_client`)."""


class Undelivered(LeaverError):
    """Our own bus or queue did not take a message: nothing may be acknowledged on the strength of it."""


class BadMessage(LeaverError):
    """The message can't be understood; the reason names fields and what was expected, never a value."""


def explain(error: ValidationError, model: type[BaseModel]) -> str:
    """Say which fields are wrong and what was expected; never a value, and never an unknown field's name."""
    return "; ".join(
        _sentence(problem["type"], problem["loc"], problem["msg"], model)
        for problem in error.errors(include_input=False, include_url=False, include_context=False)
    )


def _sentence(kind: str, location: tuple[int | str, ...], message: str, model: type[BaseModel]) -> str:
    if kind == "extra_forbidden":
        # The unknown name came from outside and could be anything, a secret included.
        where, owner = _follow(location[:-1], model)
        allowed = ", ".join(sorted(next(_models_in(owner)).model_fields))
        return f"{where}unknown field (allowed: {allowed})"
    where, _ = _follow(location, model)
    if kind == "missing":
        return f"{where}is missing"
    return f"{where}{message.removeprefix('Value error, ')}"


def _follow(location: Sequence[int | str], model: type[BaseModel]) -> tuple[str, Any]:
    """Where that is, in words, and the type of what is there; a key of a map could be anything, too, and is no word."""
    at: Any = model
    shown = []
    for part in location:
        field = next((each.model_fields[str(part)] for each in _models_in(at) if part in each.model_fields), None)
        shown.append("*" if field is None and isinstance(part, str) and _has_free_keys(at) else str(part))
        at = field.annotation if field else at
    return ".".join(shown) + ": " if shown else "", at


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for each in get_args(annotation):
        yield from _models_in(each)


def _has_free_keys(annotation: Any) -> bool:
    return get_origin(annotation) is dict or any(map(_has_free_keys, get_args(annotation)))
