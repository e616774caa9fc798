"""SailPoint's event triggers "Identity Attributes Changed" and "Identity Deleted", as they come over partner buses."""

import json
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field

from leaver.errors import BadMessage, Rejected
from leaver.messages.events import HrEvent, OffboardingRequested, Subject

SOURCE_PREFIX = "aws.partner/sailpoint.com/"

_Kind = Literal["immediate", "reinstated"]
#: what the attribute's new value means, by the parameter that lists it, and an identity that is there no more
MEANS: Final[Mapping[str, _Kind]] = {
    "SailPointLeftValues": "immediate",
    "SailPointActiveValues": "reinstated",
    "Identity Deleted": "immediate",
}

#: built when the first such event comes: no start pays for sources that never come
_AS_SENT = ConfigDict(frozen=True, hide_input_in_errors=True, defer_build=True)
#: the trigger's id; the event of a new identity looks the same
_DELETED = "idn:identity-deleted"
_LOOK_IT_UP = "look the e-mail up (GET /identities/{id}) and send OffboardingRequested"
_LOOK_IT_UP_YOURSELF = (
    "SailPoint has the identity no more: find the e-mail in your own records and send OffboardingRequested, and map "
    "the attribute email in the identity profile"
)


class Lifecycle(Protocol):
    """How a deployment's SailPoint says that somebody left; every tenant names its life-cycle states itself."""

    @property
    def sailpoint_lifecycle_attribute(self) -> str:
        """The identity attribute that tells, such as cloudLifecycleState."""

    @property
    def sailpoint_left_values(self) -> frozenset[str]:
        """Its values that mean: gone."""

    @property
    def sailpoint_active_values(self) -> frozenset[str]:
        """Its values that mean: here, or here again."""

    @property
    def sailpoint_email_domain(self) -> str:
        """What follows the @ in the address of an identity whose name is only what stands before it; empty: nothing."""


class _Identity(BaseModel):
    model_config = _AS_SENT
    id: str
    #: a user name or, where the identity profile says so, a display name
    name: str


class _Change(BaseModel):
    model_config = _AS_SENT
    attribute: str
    new_value: Annotated[Any, Field(alias="newValue")] = None


class _IdentityAttributesChanged(BaseModel):
    model_config = _AS_SENT
    identity: _Identity
    changes: list[_Change]


class _IdentityDeleted(BaseModel):
    model_config = _AS_SENT
    identity: _Identity
    #: as they were last; which ones, the identity profile decides
    attributes: dict[str, Any]


def read(event: HrEvent, lifecycle: Lifecycle) -> OffboardingRequested:
    """Read a change of the life-cycle attribute (SailPoint, "idn:identity-attributes-changed"), or a deletion.

    Raises ValidationError or BadMessage where it is neither, Rejected where nobody has said what the new value means,
    or nothing in the event is the person's e-mail address.
    """
    metadata = event.detail.get("_metadata")
    if isinstance(metadata, dict) and metadata.get("triggerId") == _DELETED:
        deletion = _IdentityDeleted.model_validate(event.detail)
        email = deletion.attributes.get("email") or _complete_email(
            deletion.identity.name, lifecycle, _LOOK_IT_UP_YOURSELF
        )
        return _request(event, MEANS["Identity Deleted"], Subject(email=email, source_id=deletion.identity.id))
    trigger = _IdentityAttributesChanged.model_validate(event.detail)
    kind = _read_kind(trigger.changes, lifecycle)
    email = _complete_email(trigger.identity.name, lifecycle, _LOOK_IT_UP)
    return _request(event, kind, Subject(email=email, source_id=trigger.identity.id))


def _read_kind(changes: list[_Change], lifecycle: Lifecycle) -> _Kind:
    values = [each.new_value for each in changes if each.attribute == lifecycle.sailpoint_lifecycle_attribute]
    if len(values) != 1:
        raise BadMessage("changes: expected exactly one of SailPointLifecycleAttribute")
    value = _normalize(values[0] if isinstance(values[0], str) else json.dumps(values[0]))
    if value in map(_normalize, lifecycle.sailpoint_left_values):
        return MEANS["SailPointLeftValues"]
    if value in map(_normalize, lifecycle.sailpoint_active_values):
        return MEANS["SailPointActiveValues"]
    # It could be one more way to have left: a person has to say so.
    raise Rejected("sailpoint: changes: the new value is in neither SailPointLeftValues nor SailPointActiveValues")


def _normalize(value: str) -> str:
    return value.strip().casefold()


def _complete_email(name: str, lifecycle: Lifecycle, lookup: str) -> str:
    if "@" in name:
        return name
    if " " in name.strip():
        raise Rejected(f"sailpoint: identity.name is a display name, not an address: {lookup}")
    if not lifecycle.sailpoint_email_domain:
        raise Rejected(
            f"sailpoint: the event names the identity's id and name only: {lookup}, or set SailPointEmailDomain where "
            "names are what stands before the @"
        )
    return f"{name}@{lifecycle.sailpoint_email_domain}"


def _request(event: HrEvent, kind: _Kind, subject: Subject) -> OffboardingRequested:
    return OffboardingRequested(
        event_id=event.id,
        source="sailpoint",
        kind=kind,
        subject=subject,
        effective_at=event.sent_at,
        occurred_at=event.sent_at,
    )
