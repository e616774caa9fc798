"""Security event tokens of the OpenID Shared Signals framework (CAEP 1.0, RISC 1.0): their claims, already verified."""

from typing import Any, Literal, NamedTuple

from pydantic import AwareDatetime, BaseModel, ConfigDict

from leaver.errors import BadMessage, Rejected
from leaver.messages.events import HrEvent, OffboardingRequested, Subject

DETAIL_TYPE = "SecurityEventToken"

_AS_SENT = ConfigDict(frozen=True, hide_input_in_errors=True)
_TYPES = "https://schemas.openid.net/secevent/"


class _Meaning(NamedTuple):
    source: str
    kind: Literal["immediate", "reinstated"]


_MEANINGS = {
    f"{_TYPES}caep/event-type/session-revoked": _Meaning("caep", "immediate"),
    f"{_TYPES}risc/event-type/account-disabled": _Meaning("risc", "immediate"),
    f"{_TYPES}risc/event-type/account-purged": _Meaning("risc", "immediate"),
    f"{_TYPES}risc/event-type/account-enabled": _Meaning("risc", "reinstated"),
}


class _Event(BaseModel):
    model_config = _AS_SENT
    #: the specification says seconds, its examples are milliseconds; pydantic tells them apart by their size
    event_timestamp: AwareDatetime | None = None
    initiating_entity: str | None = None
    reason: Any = None


class _Person(BaseModel):
    """Somebody, in one of the formats of RFC 9493; what that format does not have stays None."""

    model_config = _AS_SENT
    format: str
    email: str | None = None
    #: of `iss_sub`: the issuer's own name for the person, which may be an e-mail address
    sub: str | None = None
    #: of `opaque`
    id: str | None = None


class _SubjectId(_Person):
    """Who it is about; in the format `complex` a user together with a session, a device or a tenant."""

    user: _Person | None = None


class _Claims(BaseModel):
    model_config = _AS_SENT
    jti: str
    iat: AwareDatetime
    events: dict[str, Any]
    sub_id: _SubjectId


def read(event: HrEvent) -> OffboardingRequested:
    """Read the claims of a token: CAEP session-revoked, RISC account-disabled, -purged and -enabled.

    Raises ValidationError or BadMessage where they are other claims, Rejected where a person ended a session of their
    own, or the subject is no e-mail address and nobody looked it up.
    """
    claims = _Claims.model_validate(event.detail)
    types = [each for each in claims.events if each in _MEANINGS]
    if len(types) != 1 or len(claims.events) != 1:
        raise BadMessage(f"events: expected exactly one, of {', '.join(each.rpartition('/')[2] for each in _MEANINGS)}")
    (event_type,) = types
    meaning, content = _MEANINGS[event_type], claims.events[event_type]
    if not isinstance(content, dict):
        raise BadMessage("events: expected an object under the event's type")
    details = _Event.model_validate(content)
    if meaning.kind == "immediate" and details.initiating_entity == "user":
        raise Rejected(f"{meaning.source}: initiating_entity: what people do to themselves is no departure")
    person = claims.sub_id.user or claims.sub_id
    email = _find_email(person) or event.looked_up_email
    if email is None:
        raise Rejected(
            f"{meaning.source}: sub_id names the person by the issuer's own id: look the e-mail up at the issuer and "
            "send OffboardingRequested, or have its stream send subjects in the format email"
        )
    occurred_at = details.event_timestamp or claims.iat
    return OffboardingRequested(
        event_id=claims.jti,
        source=meaning.source,
        kind=meaning.kind,
        subject=Subject(email=email, source_id=person.sub or person.id),
        effective_at=occurred_at,
        occurred_at=occurred_at,
        # RISC's own word for somebody who is in the account right now.
        urgency="urgent" if details.reason == "hijacking" else "routine",
    )


def _find_email(person: _Person) -> str | None:
    if person.format == "email":
        if person.email is None:
            raise BadMessage("sub_id.email: is missing")
        return person.email
    return person.sub if person.format == "iss_sub" and person.sub and "@" in person.sub else None
