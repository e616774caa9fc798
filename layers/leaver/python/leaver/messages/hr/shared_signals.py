"""Security event tokens of the OpenID Shared Signals framework (CAEP 1.0, RISC 1.0): their claims, already verified."""

from collections.abc import Mapping
from typing import Any, Final, Literal, NamedTuple

from pydantic import AliasChoices, AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from leaver.errors import BadMessage, Rejected
from leaver.messages.events import HrEvent, OffboardingRequested, Subject

DETAIL_TYPE = "SecurityEventToken"

#: built when the first such event comes: no start pays for sources that never come
_AS_SENT = ConfigDict(frozen=True, hide_input_in_errors=True, defer_build=True)
_TYPES = "https://schemas.openid.net/secevent/"
#: whose event types begin so; Google's transmitter sends OAuth's too
_PROFILES = ("caep", "risc", "ssf", "oauth")


_Kind = Literal["immediate", "contain", "sessions", "reinstated"]


class _Meaning(NamedTuple):
    source: str
    kind: _Kind


#: CAEP's words for who ended a session, beside the person
_SOMEBODY_ELSE = ("admin", "policy", "system")
#: RISC's own word for somebody who is in the account right now
_HIJACKING = "hijacking"
#: what an event type means, and with which word beside it something else
MEANS: Final[Mapping[str, Mapping[str, _Kind]]] = {
    "caep": {
        "session-revoked": "sessions",
        "session-revoked, admin": "contain",
        "session-revoked, policy": "contain",
        "session-revoked, system": "contain",
    },
    "risc": {
        "account-disabled": "immediate",
        f"account-disabled, {_HIJACKING}": "contain",
        "account-purged": "immediate",
        "account-enabled": "reinstated",
    },
}
_SESSION_REVOKED = f"{_TYPES}caep/event-type/session-revoked"
_ACCOUNT_DISABLED = f"{_TYPES}risc/event-type/account-disabled"
_MEANINGS = {
    f"{_TYPES}{source}/event-type/{name}": _Meaning(source, kind)
    for source, names in MEANS.items()
    for name, kind in names.items()
    if "," not in name
}
_NAMES = ", ".join(each.rpartition("/")[2] for each in _MEANINGS)
#: about the stream itself; Google calls its own by RISC's name
_ABOUT_THE_STREAM = {
    f"{_TYPES}ssf/event-type/verification",
    f"{_TYPES}ssf/event-type/stream-updated",
    f"{_TYPES}risc/event-type/verification",
}
#: what a subject without an e-mail address names, by its format (RFC 9493); any other: a person, by the issuer's own id
_NAMED: Mapping[str, str] = {
    "account": "the person by an account (acct:), which need not be an e-mail address",
    "aliases": "the person by aliases, none of which is an e-mail address",
    "complex": "a session, a device or a tenant, and no user",
    "did": "the person by a decentralized identifier",
    "phone_number": "the person by a telephone number",
    "uri": "the person by a URI",
}


class _Person(BaseModel):
    """Somebody, in one of the formats of RFC 9493; what that format does not have stays None."""

    model_config = _AS_SENT
    format: str
    email: str | None = None
    #: of `iss_sub`: the issuer's own name for the person, which may be an e-mail address
    sub: str | None = None
    #: of `opaque`
    id: str | None = None
    #: of `aliases`: names of the same person
    identifiers: "list[_Person]" = []

    @model_validator(mode="before")
    @classmethod
    def _name_format(cls, sent: Any) -> Any:
        """Before the final specifications the format was the `subject_type`, and a user's went without saying."""
        if not isinstance(sent, dict) or "format" in sent:
            return sent
        if "user" in sent:
            return {**sent, "format": "complex"}
        if isinstance(sent.get("subject_type"), str):
            return {**sent, "format": sent["subject_type"].replace("-", "_")}
        return sent


class _SubjectId(_Person):
    """Who it is about; in the format `complex` a user together with a session, a device or a tenant."""

    user: _Person | None = None


class _Event(BaseModel):
    model_config = _AS_SENT
    #: the specification says seconds, its examples are milliseconds; pydantic tells them apart by their size
    event_timestamp: AwareDatetime | None = None
    #: IBM writes it in camel case
    initiating_entity: str | None = Field(None, validation_alias=AliasChoices("initiating_entity", "initiatingEntity"))
    reason: Any = None
    #: where the subject stood before the final specifications, as in RFC 8935, at Google and at Okta
    subject: _SubjectId | None = None


class _Claims(BaseModel):
    model_config = _AS_SENT
    jti: str
    iat: AwareDatetime
    events: dict[str, Any]
    sub_id: _SubjectId | None = None


def read(event: HrEvent) -> OffboardingRequested:
    """Read the claims of a token: CAEP session-revoked, RISC account-disabled, -purged and -enabled.

    Raises ValidationError or BadMessage where they are other claims, Rejected where nothing follows (another type, the
    stream's own, or what people do to themselves), or where the subject is no e-mail address and nobody looked it up.
    """
    claims = _Claims.model_validate(event.detail)
    if len(claims.events) != 1 or not claims.events.keys() <= _MEANINGS.keys():
        raise _refuse_types(claims.events)
    ((event_type, content),) = claims.events.items()
    meaning = _MEANINGS[event_type]
    if not isinstance(content, dict):
        raise BadMessage("events: expected an object under the event's type")
    details = _Event.model_validate(content)
    kind = _read_kind(event_type, details)
    subject = claims.sub_id or details.subject
    if subject is None:
        raise BadMessage("sub_id: is missing, and so is the event's own subject")
    person = subject.user or subject
    email = _find_email([person, *person.identifiers]) or event.looked_up_email
    if email is None:
        raise Rejected(_why_nobody(meaning.source, "sub_id" if claims.sub_id else "subject", person.format))
    occurred_at = details.event_timestamp or claims.iat
    return OffboardingRequested(
        event_id=claims.jti,
        source=meaning.source,
        kind=kind,
        subject=Subject(email=email, source_id=person.sub or person.id),
        effective_at=occurred_at,
        occurred_at=occurred_at,
        urgency="urgent" if details.reason == _HIJACKING else "routine",
    )


def _read_kind(event_type: str, details: _Event) -> _Kind:
    source, kind = _MEANINGS[event_type]
    if event_type == _SESSION_REVOKED:
        if details.initiating_entity == "user":
            raise Rejected(f"{source}: initiating_entity: the person's own log-out: nothing follows")
        if details.initiating_entity is None:
            return kind
        if details.initiating_entity not in _SOMEBODY_ELSE:
            raise BadMessage(f"initiating_entity: expected one of user, {', '.join(_SOMEBODY_ELSE)}")
        return MEANS[source][f"session-revoked, {details.initiating_entity}"]
    if kind == "immediate" and details.initiating_entity == "user":
        raise Rejected(f"{source}: initiating_entity: what people do to themselves is no departure")
    if event_type == _ACCOUNT_DISABLED and details.reason == _HIJACKING:
        return MEANS[source][f"account-disabled, {_HIJACKING}"]
    return kind


def _refuse_types(events: Mapping[str, Any]) -> BadMessage | Rejected:
    profiles = [each.removeprefix(_TYPES).partition("/")[0] for each in events if each.startswith(_TYPES)]
    if not events or len(profiles) != len(events) or events.keys() & _MEANINGS or set(profiles) - {*_PROFILES}:
        return BadMessage(f"events: expected exactly one, of {_NAMES}")
    if events.keys() <= _ABOUT_THE_STREAM:
        return Rejected(f"{profiles[0]}: events: about the stream itself: nothing follows, keep it off the bus")
    return Rejected(f"{profiles[0]}: events: no departure: have the stream send only {_NAMES}")


def _find_email(people: list[_Person]) -> str | None:
    """The first e-mail address among names of one person."""
    for person in people:
        if person.format == "email" and person.email is None:
            raise BadMessage("sub_id.email: is missing")
        if person.email:
            return person.email
        if person.format == "iss_sub" and person.sub and "@" in person.sub:
            return person.sub
    return None


def _why_nobody(source: str, claim: str, subject_format: str) -> str:
    named = _NAMED.get(subject_format, "the person by the issuer's own id")
    return (
        f"{source}: {claim} names {named}: look the e-mail up at the issuer and send "
        "OffboardingRequested, or have its stream send subjects in the format email"
    )
