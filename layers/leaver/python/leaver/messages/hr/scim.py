"""SCIM's PATCH and PUT of a user (RFC 7644, sections 3.5.1 and 3.5.2), as identity providers really send them."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from leaver.errors import BadMessage, Rejected
from leaver.messages.events import HrEvent, OffboardingRequested, Subject

DETAIL_TYPE = "ScimPatch"
#: what the attribute means, as it is by then
MEANS: Final[Mapping[str, Literal["immediate", "reinstated"]]] = {
    "active: false": "immediate",
    "active: true": "reinstated",
}

#: built when the first such event comes: no start pays for sources that never come
_AS_SENT = ConfigDict(frozen=True, hide_input_in_errors=True, defer_build=True)
_USER = "urn:ietf:params:scim:schemas:core:2.0:user"
#: the one attribute that tells, by its short and its full name
_ACTIVE = {"active", f"{_USER}:active"}
#: Entra sends words where the schema says boolean
_BOOLEANS = {"true": True, "false": False}


class _Operation(BaseModel):
    model_config = _AS_SENT
    op: str
    path: str | None = None
    value: Any = None


class _Patch(BaseModel):
    model_config = _AS_SENT
    operations: Annotated[list[_Operation], Field(alias="Operations")]


class _Email(BaseModel):
    model_config = _AS_SENT
    value: str | None = None
    primary: bool | None = None


class _User(BaseModel):
    model_config = _AS_SENT
    user_name: Annotated[str | None, Field(alias="userName")] = None
    emails: list[_Email] | None = None


def read(event: HrEvent) -> OffboardingRequested:
    """Read a PATCH or a PUT that sets `active`: false is a departure, true a return.

    Raises ValidationError or BadMessage where it is neither, Rejected where it leaves `active` alone or nobody has said
    whose it is: a PATCH has that in the path of its request.
    """
    if _is_put(event.detail):
        active, email = _read_put(event.detail), _find_email(_User.model_validate(event.detail))
        nobody = "the PUT names no e-mail address"
    else:
        active, email = _read_patch(_Patch.model_validate(event.detail).operations), None
        nobody = "the person stands in the path of the request, not in the PATCH"
    email = email or event.looked_up_email
    if email is None:
        raise Rejected(f"scim: {nobody}: look the e-mail up (GET /Users/{{id}}) and send OffboardingRequested")
    return OffboardingRequested(
        event_id=event.id,
        source="scim",
        kind=MEANS[f"active: {str(active).lower()}"],
        subject=Subject(email=email),
        effective_at=event.sent_at,
        occurred_at=event.sent_at,
        # Entra sends `active: true` with every later change of that person.
        may_repeat=True,
    )


def _is_put(body: Mapping[str, Any]) -> bool:
    schemas = body.get("schemas")
    if "Operations" in body or not isinstance(schemas, list):
        return False
    return any(isinstance(each, str) and each.casefold() == _USER for each in schemas)


def _read_put(user: Mapping[str, Any]) -> bool:
    found = [_read_boolean(value, "active") for value in _find_active(user)]
    if not found:
        raise Rejected("scim: active: a PUT that does not set active is no departure: put only what does on the bus")
    return found[-1]


def _read_patch(operations: list[_Operation]) -> bool:
    """What `active` is after all operations, which are carried out in their order."""
    found = [
        _read_boolean(value, "Operations")
        for operation in operations
        if operation.op.casefold() in {"add", "replace"}
        for value in _find_active({operation.path: operation.value} if operation.path else _unwrap(operation.value))
    ]
    if not found:
        raise Rejected("scim: Operations: a PATCH that does not set active is no departure")
    return found[-1]


def _find_active(attributes: Any) -> Iterator[Any]:
    """Every value of `active`: among the attributes, or below the name of the schema that they belong to."""
    if not isinstance(attributes, dict):
        return
    for name, value in attributes.items():
        below = value if name.casefold() == _USER and isinstance(value, dict) else {name: value}
        yield from (inner for key, inner in below.items() if key.casefold() in _ACTIVE)


def _unwrap(value: Any) -> Any:
    """What an array holds that holds one thing: some clients wrap every value in one."""
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def _read_boolean(value: Any, where: str) -> bool:
    value = _unwrap(value)
    boolean = _BOOLEANS.get(value.casefold()) if isinstance(value, str) else value
    if not isinstance(boolean, bool):
        raise BadMessage(f"{where}: expected true or false for active")
    return boolean


def _find_email(user: _User) -> str | None:
    """The primary address, or the only one, or the user name where it is an address."""
    emails = user.emails or []
    likely = [each for each in emails if each.primary or len(emails) == 1]
    addresses = [*(each.value for each in likely), user.user_name]
    return next((each for each in addresses if each and "@" in each), None)
