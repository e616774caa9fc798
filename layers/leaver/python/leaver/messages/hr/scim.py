"""SCIM's PATCH of a user (RFC 7644, section 3.5.2), as identity providers really send it."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from leaver.errors import BadMessage, Rejected
from leaver.messages.events import HrEvent, OffboardingRequested, Subject

DETAIL_TYPE = "ScimPatch"

_AS_SENT = ConfigDict(frozen=True, hide_input_in_errors=True)
#: the one attribute that tells, by its short and its full name
_ACTIVE = {"active", "urn:ietf:params:scim:schemas:core:2.0:user:active"}
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


def read(event: HrEvent) -> OffboardingRequested:
    """Read a PATCH that sets `active`: false is a departure, true a return.

    Raises ValidationError or BadMessage where it is no PATCH, Rejected where it leaves `active` alone or nobody has
    said whose it is: that stood in the path of the request.
    """
    active = _read_active(_Patch.model_validate(event.detail).operations)
    if active is None:
        raise Rejected("scim: Operations: a PATCH that does not set active is no departure")
    if event.looked_up_email is None:
        raise Rejected(
            "scim: the person stands in the path of the request, not in the PATCH: look the e-mail up (GET "
            "/Users/{id}) and send OffboardingRequested"
        )
    return OffboardingRequested(
        event_id=event.id,
        source="scim",
        kind="reinstated" if active else "immediate",
        subject=Subject(email=event.looked_up_email),
        effective_at=event.sent_at,
        occurred_at=event.sent_at,
    )


def _read_active(operations: list[_Operation]) -> bool | None:
    """What `active` is after all operations, which are carried out in their order; None: as it was."""
    active = None
    for operation in operations:
        if operation.op.casefold() not in {"add", "replace"}:
            continue
        if operation.path is None:
            attributes = operation.value if isinstance(operation.value, dict) else {}
        else:
            attributes = {operation.path: operation.value}
        for name, value in attributes.items():
            if name.casefold() in _ACTIVE:
                active = _read_boolean(value)
    return active


def _read_boolean(value: Any) -> bool:
    boolean = _BOOLEANS.get(value.casefold()) if isinstance(value, str) else value
    if not isinstance(boolean, bool):
        raise BadMessage("Operations: expected true or false for active")
    return boolean
